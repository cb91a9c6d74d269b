import path from "node:path";
import { hex } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import type { Disk } from "../../keys/ports.js";
import type { Filter } from "../../src/protocol/filter.js";
import type { LogFiles } from "../log/log-files.js";
import { AgentTable } from "./agent-table.js";
import { type Found, type SearchBounds, searchPostings, searchTerms, wants } from "./entry-search.js";
import { EventTrees } from "./event-trees.js";
import { Facts } from "./facts.js";
import { ForeignEvents } from "./foreign-events.js";
import { HandleHolds } from "./handle-holds.js";
import type {
  AgentRecord,
  AgentUpdate,
  ForeignEvent,
  Fork,
  HandleHold,
  IndexEntry,
  IndexGroup,
  IndexReader,
  StoredEvent,
  TreeChange,
} from "./index-group.js";
import { FACT, factKey } from "./index-keys.js";
import { type Progress, progressOf, writeProgress } from "./index-progress.js";
import { databasePath, type RebuildReason, whyRebuild, writeIndexState } from "./index-state.js";
import { nameKey } from "./names.js";
import { PageCache } from "./page-cache.js";
import { Postings } from "./postings.js";
import { RecentEntries } from "./recent-entries.js";
import { Tables } from "./tables.js";

/**
 * Entries applied in memory before they are written in one transaction. What is not written is in the log, so a killed
 * process reads so much of it again; and the write takes a few milliseconds, in which the relay does nothing else.
 */
const FLUSH_ENTRIES = 512;
/** More than any caller can use. */
const ALL = 2 ** 31;

export interface IndexOptions {
  readonly folder: string;
  readonly disk: Disk;
  readonly files: LogFiles;
  /** The log's stream. */
  readonly stream: string;
  /** The oldest position that is still in the log. */
  readonly firstPosition: number;
  /** The log's last committed position: an index that knows more is of another log. */
  readonly lastPosition: number;
  /**
   * The tree's root over that many of the log's entries, at most as many as were applied: an index that was made over
   * other entries is of another history.
   */
  readonly rootAt: (size: number) => Uint8Array;
  /** See `IndexState.bootId`; undefined where it is not known, and then only a clean end is trusted. */
  readonly bootId: string | undefined;
}

/**
 * The index of a relay's log: everything that is looked up by something else than its position. Derived, so it may be
 * deleted at any time and is rebuilt from the log; see catch-up.ts.
 *
 * Groups are applied in memory and written a few hundred entries at a time; lookups see both. One writer.
 */
export class IndexDb implements IndexReader {
  readonly #options: IndexOptions;
  readonly #tables: Tables;
  readonly #facts: Facts;
  readonly #agents: AgentTable;
  readonly #pages: PageCache;
  readonly #trees: EventTrees;
  readonly #foreign: ForeignEvents;
  readonly #holds: HandleHolds;
  readonly #postings: Postings;
  readonly #recent = new RecentEntries();
  #appliedPosition: number;
  #unwritten = 0;
  #failure: AntsError | undefined;
  /** Why it was emptied when it was opened; undefined when it was good. */
  readonly rebuild: RebuildReason | undefined;

  private constructor(options: IndexOptions, tables: Tables, rebuild: RebuildReason | undefined) {
    const { applied, nextAgentNo } = progressOf(tables) ?? { applied: 0, nextAgentNo: 1 };
    this.#options = options;
    this.#tables = tables;
    this.rebuild = rebuild;
    this.#appliedPosition = applied;
    this.#facts = new Facts(tables);
    this.#agents = new AgentTable(tables, this.#facts, nextAgentNo);
    this.#pages = new PageCache(tables);
    this.#trees = new EventTrees(this.#facts, this.#agents, this.#pages);
    this.#foreign = new ForeignEvents(this.#facts);
    this.#holds = new HandleHolds(this.#facts);
    this.#postings = new Postings(tables);
  }

  /**
   * Opens the index, emptied when it cannot be believed or is of another log. Bring it up to the log with `catchUp`
   * before anything else. Throws "storage-failed", and "index-needs-pruned" where it would have to be emptied although
   * the log that it came from is no longer whole: it is left as it is then.
   */
  static async open(options: IndexOptions): Promise<IndexDb> {
    const { folder, disk, stream, bootId } = options;
    let rebuild = await whyRebuild(options);
    await disk.mkdir(folder);
    if (rebuild === undefined) {
      await writeIndexState(disk, folder, { stream, bootId });
      const tables = Tables.open(folder);
      rebuild = whyOther(options, tables);
      if (rebuild === undefined) return new IndexDb(options, tables, undefined);
      await tables.close();
    }
    if (options.firstPosition > 1) throw needsPruned(options.firstPosition, rebuild);
    for (const name of await disk.list(folder)) await disk.remove(path.join(folder, name));
    await writeIndexState(disk, folder, { stream, bootId });
    return new IndexDb(options, Tables.open(folder), rebuild);
  }

  get appliedPosition(): number {
    return this.#appliedPosition;
  }

  get nextAgentNo(): number {
    return this.#agents.nextNo;
  }

  /**
   * Applies one committed group. Throws "index-failed" when the group does not fit what is here, and "storage-failed";
   * after either the index takes nothing more, and what was written stays as it was before.
   */
  applyGroup(group: IndexGroup): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#apply(group);
      if (this.#unwritten >= FLUSH_ENTRIES) this.flush();
    } catch (error) {
      this.#failure = error instanceof AntsError ? error : failed(String(error), error);
      throw this.#failure;
    }
  }

  /** Writes what was applied; one transaction. Throws "storage-failed". */
  flush(): void {
    if (this.#unwritten === 0) return;
    if (this.#failure !== undefined) throw this.#failure;
    const parts = [this.#facts, this.#agents, this.#pages, this.#postings];
    const applied = this.#appliedPosition;
    const root = hex(this.#options.rootAt(applied));
    const progress: Progress = { applied, root, nextAgentNo: this.nextAgentNo };
    this.#tables.transaction(() => {
      for (const part of parts) part.write();
      writeProgress(this.#tables, progress);
    });
    for (const part of parts) part.written();
    this.#unwritten = 0;
  }

  agent(did: string): AgentRecord | undefined {
    this.#makeRoom();
    return this.#agents.byDid(did)?.record;
  }

  agentByNo(no: number): AgentRecord | undefined {
    this.#makeRoom();
    return this.#agents.byNo(no)?.record;
  }

  named(name: string, after: number = 0, limit: number = ALL): number[] {
    const rows = this.#facts.withPrefix(nameKey(name), limit, nameKey(name, after + 1));
    return rows.map(({ key }) => key.readUInt32BE(key.length - 4));
  }

  handle(handle: string): HandleHold | undefined {
    return this.#holds.get(handle);
  }

  handlesOf(did: string, host: string, limit: number): string[] {
    return this.#holds.of(did, host, limit);
  }

  listersOf(domain: string, limit: number): number[] {
    return this.#holds.listersOf(domain, limit);
  }

  find(agentNo: number, seq: number, id: string): StoredEvent | undefined {
    this.#makeRoom();
    return this.#trees.find(agentNo, seq, id);
  }

  eventsIn(agentNo: number, epoch: number, seq: number, limit: number = ALL): StoredEvent[] {
    this.#makeRoom();
    return this.#trees.eventsIn(agentNo, epoch, seq, limit);
  }

  eventsAt(agentNo: number, seq: number, limit: number = ALL): StoredEvent[] {
    this.#makeRoom();
    return this.#trees.eventsAt(agentNo, seq, limit);
  }

  chainAt(agentNo: number, seq: number): StoredEvent | undefined {
    this.#makeRoom();
    return this.#trees.chainAt(agentNo, seq);
  }

  chainFrom(agentNo: number, seq: number, limit: number): StoredEvent[] {
    const events: StoredEvent[] = [];
    const last = this.agentByNo(agentNo)?.head?.seq ?? -1;
    for (let at = seq; at <= last && events.length < limit; at++) {
      const event = this.chainAt(agentNo, at);
      if (event === undefined) break;
      events.push(event);
    }
    return events;
  }

  forks(agentNo: number, limit: number): Fork[] {
    this.#makeRoom();
    return this.#trees.forks(agentNo, limit);
  }

  foreignAfter(agentNo: number, prev: string): ForeignEvent[] {
    return this.#foreign.after(agentNo, prev);
  }

  byId(id: string): number | undefined {
    return this.#facts.get(factKey(FACT.id, Buffer.from(id, "hex")))?.readUIntBE(0, 6);
  }

  /**
   * The positions after `after` whose entries a filter wants, in order. Go on after `through`, which may be less than
   * the end of the log although fewer than `limit` were found. An empty filter wants everything.
   */
  search(filter: Filter, after: number, bounds: SearchBounds): Found {
    this.#makeRoom();
    const terms = searchTerms(filter, (did) => this.#agents.byDid(did)?.no);
    if (this.#recent.has(after + 1)) return this.#searchRecent(terms, after, bounds);
    this.flush();
    return searchPostings(this.#tables, terms, { after, until: this.#appliedPosition }, bounds);
  }

  /**
   * Writes everything, brings it to disk and notes that it can be believed. Where something failed, now or before, it
   * only lets go: the next start sees how far it came.
   */
  async close(): Promise<void> {
    const { disk, files, folder, stream, bootId } = this.#options;
    let failure = this.#failure;
    try {
      this.flush();
    } catch (error) {
      failure = error as AntsError;
    }
    this.#failure = failure ?? failed("it is closed");
    await this.#tables.close();
    if (failure !== undefined) return;
    const file = await files.open(databasePath(folder), "write");
    try {
      await file.datasync();
      await writeIndexState(disk, folder, { stream, bootId, closedBytes: (await file.stamp()).bytes });
    } finally {
      await file.close();
    }
  }

  #apply({ first, entries, agents, tree, handles = [], listings = [] }: IndexGroup): void {
    if (first !== this.#appliedPosition + 1) {
      throw failed(`a group that begins at ${first} does not follow position ${this.#appliedPosition}`);
    }
    this.#makeRoom();
    for (const update of agents) this.#updateAgent(update);
    for (const [i, entry] of entries.entries()) this.#post(first + i, entry);
    const foreignHere = new Set<number>();
    for (const change of tree) this.#changeTree(first, change, foreignHere);
    for (const change of handles) this.#holds.change(change);
    for (const listing of listings) this.#holds.list(listing);
    this.#recent.push(first, entries);
    this.#appliedPosition += entries.length;
    this.#unwritten += entries.length;
  }

  #updateAgent(update: AgentUpdate): void {
    const known = this.#agents.byNo(update.no);
    if (known === undefined && update.no !== this.nextAgentNo)
      throw failed(`agent number ${update.no} is not the next`);
    const row = known ?? this.#agents.create(update);
    if (row.did !== update.did) throw failed(`agent number ${update.no} belongs to ${row.did}`);
    row.update(update);
    for (const name of update.names ?? []) this.#facts.put(nameKey(name, update.no));
    for (const name of update.dropNames ?? []) this.#facts.remove(nameKey(name, update.no));
  }

  #post(position: number, { id, type, agentNo, kind, to, tags }: IndexEntry): void {
    const row = this.#agents.byNo(agentNo);
    if (row === undefined) throw failed(`position ${position} belongs to the unknown agent ${agentNo}`);
    row.post(position);
    this.#postings.post("type", type, position);
    if (kind !== undefined) this.#postings.post("kind", kind, position);
    if (to !== undefined) for (const did of to) this.#postings.post("to", did, position);
    if (tags !== undefined) for (const tag of tags) this.#postings.post("tag", tag, position);
    if (type !== "event") this.#noteId(id, position);
  }

  /** `foreignHere`: positions of this group that were foreign when they came; they may join a tree in the same group. */
  #changeTree(first: number, change: TreeChange, foreignHere: Set<number>): void {
    switch (change.op) {
      case "place":
        this.#trees.place(change);
        if (change.position < first || foreignHere.has(change.position)) {
          this.#foreign.remove(change.agentNo, change.prev ?? "", change.position);
        }
        return;
      case "head":
        this.#trees.setHead(change.agentNo, change.to);
        return;
      case "foreign":
        foreignHere.add(change.position);
        this.#foreign.put(change.agentNo, change);
        this.#noteId(change.id, change.position);
    }
  }

  #noteId(id: string, position: number): void {
    const value = Buffer.allocUnsafe(6);
    value.writeUIntBE(position, 0, 6);
    this.#facts.put(factKey(FACT.id, Buffer.from(id, "hex")), value);
  }

  #searchRecent(terms: ReturnType<typeof searchTerms>, after: number, { limit, maxSteps }: SearchBounds): Found {
    const positions: number[] = [];
    const until = Math.min(this.#appliedPosition, after + maxSteps);
    for (let position = after + 1; position <= until; position++) {
      if (!wants(terms, this.#recent.at(position)!)) continue;
      if (positions.push(position) >= limit) return { positions, through: position };
    }
    return { positions, through: Math.max(after, until) };
  }

  /** Only between operations: nothing that is being changed may leave memory. */
  #makeRoom(): void {
    this.#pages.makeRoom();
    this.#agents.makeRoom();
  }
}

function whyOther({ lastPosition, rootAt }: IndexOptions, tables: Tables): RebuildReason | undefined {
  const progress = progressOf(tables);
  if (progress === undefined) return undefined;
  if (progress.applied > lastPosition) return "ahead-of-log";
  return progress.root === hex(rootAt(progress.applied)) ? undefined : "other-history";
}

function needsPruned(firstPosition: number, reason: RebuildReason): AntsError {
  return new AntsError(
    "index-needs-pruned",
    `the index must be rebuilt (${reason}), but the log begins at position ${firstPosition}: what was before is gone`,
    { hint: "restore data/index, or the older segments, from a copy", details: { firstPosition, reason } },
  );
}

function failed(what: string, cause?: unknown): AntsError {
  return new AntsError("index-failed", `the index cannot go on: ${what}`, {
    hint: "delete data/index and restart the relay: the index is rebuilt from the log",
    ...(cause === undefined ? {} : { cause }),
  });
}
