import { AntsError, isAntsError } from "../../keys/errors.js";
import type { Disk } from "../../keys/ports.js";
import { RootCache, verifyBatch } from "../protocol/batch.js";
import { type ChainEvent, type ChainVerdict, headAfterRotation, judge, type KeyView } from "../protocol/chain.js";
import { type ParsedEvent, parseEvent } from "../protocol/event.js";
import { ChainFiles, type ScannedLine } from "./chain-files.js";
import { ChainTree, type TreeEvent } from "./chain-tree.js";

export interface ChainStoreOptions {
  readonly disk: Disk;
  /** The folder of the chain's files; made when the first event is stored. */
  readonly folder: string;
  readonly did: string;
  /** What the identity log says of the keys. Call {@link ChainStore.keysChanged} when it says more. */
  readonly keys: KeyView;
  /**
   * What opening verifies besides the form and id of every line. `ends` (default): the signatures of the ends of all
   * branches; since ids chain, these vouch for everything before them. What has lost its place is left out, as the
   * relays have it still. `all`: every signature, and that every line stands where it belongs, once.
   */
  readonly verify?: "ends" | "all";
}

/** What a claim says, of every claim in the store. */
export interface ClaimStatement {
  readonly instance: string;
  readonly label: string;
  /** The hash of the newest operation that the claimer knew. */
  readonly identity: string;
  /** The author's clock, milliseconds since 1970. */
  readonly timeMs: number;
}

export interface ReadLimits {
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** The last seq wanted. */
  readonly toSeq?: number;
}

/**
 * An agent's own chain on disk: the exact lines of everything it signed or fetched, side branches among them, and the
 * tree that they make, judged by the same rule as on a relay. One process at a time: the home's lock sees to that.
 *
 * What `append` and `adopt` resolved for is on disk. After a failed write the store takes nothing more until it is
 * opened again: what did reach the disk is then read back, and nothing is signed twice for one place.
 */
export class ChainStore {
  readonly tree: ChainTree;
  readonly did: string;
  readonly #files: ChainFiles;
  readonly #claims = new Map<string, ClaimStatement>();
  /** Parsed lines that the rule refused when they were read: beyond an anchor, or by a key that is not known (yet). */
  #unplaced: { readonly event: ParsedEvent; readonly ordinal: number }[] = [];
  /** Lines that had no place when the store was opened, as one before them is gone. */
  #displaced: readonly ParsedEvent[] = [];
  /** By key: what a retired key signed says nothing of the epochs that its successor may open. */
  readonly #highestEpochs = new Map<string, number>();
  #writing: Promise<unknown> = Promise.resolve();
  #failure: AntsError | undefined;

  private constructor(options: ChainStoreOptions, files: ChainFiles) {
    this.tree = new ChainTree(options.keys);
    this.did = options.did;
    this.#files = files;
  }

  /**
   * Reads and verifies what is there. A torn end of the last file (a crash while it was written) is cut.
   * Throws `chain-damaged` for anything else that does not verify (details: file, line, reason), and disk errors.
   */
  static async open(options: ChainStoreOptions): Promise<ChainStore> {
    const files = await ChainFiles.open(options.disk, options.folder);
    const store = new ChainStore(options, files);
    const roots = new RootCache();
    /** The ends of the branches seen so far, by id. */
    const ends = new Map<string, ScannedLine<ParsedEvent>>();
    const misplaced: Misplaced[] = [];
    for await (const lines of files.scan(parseEvent)) {
      if (options.verify === "all") requireSignatures(lines, roots, files);
      for (const line of lines) {
        const { parsed, ordinal } = line;
        if (parsed.did !== options.did) throw files.damaged(ordinal, `an event of ${parsed.did}`);
        const verdict = store.#place(parsed, ordinal);
        if (isMisplaced(verdict)) misplaced.push({ line, verdict });
        if (parsed.event.prev !== undefined) ends.delete(parsed.event.prev);
        ends.set(parsed.id, line);
      }
    }
    if (options.verify !== "all") requireSignatures([...ends.values()], roots, files);
    else store.#requirePlaces(misplaced);
    store.#displaced = misplaced
      .filter(({ verdict }) => verdict.kind === "refuse")
      .map(({ line }) => line.parsed)
      .filter(({ id, event }) => store.tree.find(id, event.seq) === undefined);
    return store;
  }

  get head(): TreeEvent | undefined {
    return this.tree.head;
  }

  /**
   * The highest epoch of the head and of any line in the files by a key of the present era, whatever became of it. A
   * thief may have opened the highest epoch there is: what his key signed does not count after the rotate.
   */
  get highestEpoch(): number {
    const { keys } = this.tree;
    let highest = this.head?.epoch ?? 0;
    for (const [key, epoch] of this.#highestEpochs) {
      if (keys.rotationsOf(key) === keys.rotations) highest = Math.max(highest, epoch);
    }
    return highest;
  }

  /**
   * How many events had lost their place in the files when the store was opened (somebody changed them, or the disk
   * did) and have it again, since what was missing was fetched. The next opening finds nothing amiss.
   */
  get mended(): number {
    return this.#displaced.filter(({ id, event }) => this.tree.find(id, event.seq) !== undefined).length;
  }

  /** What the claim with this id says. */
  claim(id: string): ClaimStatement | undefined {
    return this.#claims.get(id);
  }

  /** The hashes of the operations that the claims in the store were made under. */
  *operationsNamed(): Generator<string, void, undefined> {
    for (const { identity } of this.#claims.values()) yield identity;
  }

  /**
   * Stores events that this process signed; they must continue the head. Resolves when they are on disk.
   * Throws `chain-order` (a bug of the caller: two writers of one epoch) or `chain-write-failed`.
   */
  append(events: readonly ParsedEvent[]): Promise<void> {
    return this.#serially(async () => {
      const first = this.#files.count;
      await this.#write(events);
      for (const [i, event] of events.entries()) {
        const verdict = this.#place(event, first + i);
        if (verdict.kind === "store" && verdict.movesHead) continue;
        throw this.#fail(
          new AntsError("chain-order", `seq ${event.event.seq} does not continue the chain: ${describe(verdict)}`),
        );
      }
    });
  }

  /**
   * Stores events that were fetched, in their order: signatures must have been verified by the caller. Those that the
   * chain rule refuses are left out; the verdicts tell, one an event.
   */
  adopt(events: readonly ParsedEvent[]): Promise<ChainVerdict[]> {
    return this.#serially(async () => {
      // Judged one after the other, each on top of those before it; written before any of them is used.
      const first = this.#files.count;
      const stored: ParsedEvent[] = [];
      const verdicts: ChainVerdict[] = [];
      for (const event of events) {
        const verdict = this.#place(event, first + stored.length, false);
        if (verdict.kind === "store") stored.push(event);
        verdicts.push(verdict);
      }
      await this.#write(stored);
      return verdicts;
    });
  }

  /** Lines of the chain from a seq on, exact and without newlines, within limits but at least one where there is one. */
  async read(fromSeq: number, limits: ReadLimits): Promise<Uint8Array[]> {
    const last = Math.min(
      this.head?.seq ?? -1,
      limits.toSeq ?? Number.MAX_SAFE_INTEGER,
      fromSeq + limits.maxEntries - 1,
    );
    const lines: Uint8Array[] = [];
    let bytes = 0;
    for (let seq = fromSeq; seq <= last; seq++) {
      const event = this.tree.chainAt(seq);
      if (event === undefined) break;
      const line = await this.#files.line(event.ordinal);
      bytes += line.length + 1;
      if (lines.length > 0 && bytes > limits.maxBytes) break;
      lines.push(line);
    }
    return lines;
  }

  /** The exact line of any event in the store. */
  line(event: TreeEvent): Promise<Uint8Array> {
    return this.#files.line(event.ordinal);
  }

  /** The identity log grew: lines that had no place are judged again, and the head leaves what became void. */
  keysChanged(): void {
    const unplaced = this.#unplaced;
    this.#unplaced = [];
    for (const { event, ordinal } of unplaced) this.#place(event, ordinal);
    const head = headAfterRotation(this.tree);
    if (head?.id !== this.tree.head?.id) this.tree.moveHead(head);
  }

  /** Waits for writes under way. */
  async close(): Promise<void> {
    await this.#writing;
  }

  #place(parsed: ParsedEvent, ordinal: number, keepRefused = true): ChainVerdict {
    const { event } = parsed;
    const point = chainEventOf(parsed);
    const verdict = judge(this.tree, Number.POSITIVE_INFINITY, point);
    if (verdict.kind === "refuse" && keepRefused) this.#unplaced.push({ event: parsed, ordinal });
    if (verdict.kind === "store" || keepRefused) {
      this.#highestEpochs.set(event.key, Math.max(this.#highestEpochs.get(event.key) ?? 0, event.epoch));
      if (parsed.isClaim) this.#claims.set(parsed.id, claimOf(parsed));
    }
    if (verdict.kind === "store") this.tree.add(point, ordinal, verdict.movesHead);
    return verdict;
  }

  /**
   * A line that was refused because one before it was missing is forgiven when a copy of it found its place later: so
   * it is after the missing one was fetched from a relay.
   */
  #requirePlaces(misplaced: readonly Misplaced[]): void {
    const forgiven = new Set<string>();
    for (const { line, verdict } of misplaced) {
      const { id, event } = line.parsed;
      if (verdict.kind === "refuse" && this.tree.find(id, event.seq) !== undefined) forgiven.add(id);
      else if (!forgiven.has(id)) {
        throw this.#files.damaged(line.ordinal, `event ${id} is out of its place: ${describe(verdict)}`);
      }
    }
  }

  async #write(events: readonly ParsedEvent[]): Promise<void> {
    try {
      await this.#files.append(events.map(({ line }) => line));
    } catch (cause) {
      throw this.#fail(
        new AntsError("chain-write-failed", `the agent's chain could not be written: ${describeCause(cause)}`, {
          cause,
          hint: "free space or repair the disk, then start again: nothing that was acknowledged is lost",
        }),
      );
    }
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#writing.then(() => {
      if (this.#failure !== undefined) throw this.#failure;
      return work();
    });
    this.#writing = result.catch(() => undefined);
    return result;
  }

  #fail(error: AntsError): AntsError {
    this.#failure ??= error;
    return error;
  }
}

/** What the chain rule asks of a parsed event. */
export function chainEventOf({ event, isClaim }: ParsedEvent): ChainEvent {
  const { epoch, seq, id, prev, key } = event;
  return { epoch, seq, id, key, claim: isClaim, ...(prev === undefined ? {} : { prev }) };
}

function claimOf({ event }: ParsedEvent): ClaimStatement {
  const { instance, label, identity } = event.body as unknown as Omit<ClaimStatement, "timeMs">;
  return { instance, label, identity, timeMs: event.time };
}

function requireSignatures(lines: readonly ScannedLine<ParsedEvent>[], roots: RootCache, files: ChainFiles): void {
  const events = lines.map(({ parsed }) => parsed);
  const bad = lines[verifyBatch(events, roots).indexOf(false)];
  if (bad !== undefined) throw files.damaged(bad.ordinal, `the signature of event ${bad.parsed.id} does not verify`);
}

interface Misplaced {
  readonly line: ScannedLine<ParsedEvent>;
  readonly verdict: ChainVerdict;
}

/** Stored lines are refused rightly only where the identity log ended their key, or does not know it yet. */
function isMisplaced(verdict: ChainVerdict): boolean {
  if (verdict.kind !== "refuse") return verdict.kind === "duplicate";
  return verdict.code !== "key-not-live" && verdict.code !== "identity-needed";
}

function describe(verdict: ChainVerdict): string {
  return verdict.kind === "refuse" ? verdict.message : verdict.kind;
}

function describeCause(cause: unknown): string {
  return isAntsError(cause) ? cause.message : String(cause);
}
