import { hex } from "../keys/bytes.js";
import type { Did } from "../keys/did.js";
import { AntsError } from "../keys/errors.js";
import type { RelayAddress } from "../keys/identity/shape.js";
import type { Clock } from "../keys/ports.js";
import { CHECK_LENGTH, formatCursor, parseCursor } from "../src/protocol/cursor.js";
import type { ChainHead } from "../src/protocol/event.js";
import { HEAD_SIGN_INTERVAL_MS } from "../src/protocol/limits.js";
import { readDetails } from "./admission/agent-state.js";
import type { DataFolder } from "./data-folder.js";
import type { ForkProof } from "./fork-evidence.js";
import { escrowName } from "./index/names.js";
import { entriesOf, type LogSlice } from "./log/log-slice.js";
import type { ReadBounds } from "./log/segment-reader.js";
import type { NewestOperation } from "./newest-operations.js";

/** What a relay tells about one agent: committed state only. */
export interface AgentSummary {
  readonly promised: number;
  readonly head?: ChainHead;
  /** Hash of the newest identity operation. */
  readonly identity: string;
  /** The relays to which the agent went: its newest operation no longer names this one. */
  readonly forward?: readonly RelayAddress[];
}

/** An agent by the name that was asked for. */
export interface NamedAgent extends NewestOperation {
  readonly did: Did;
}

/** Listings of one domain that are looked at: who lists it in vain, in front of its owner, costs an operation each. */
const MAX_LISTINGS = 32;
const ONE_ENTRY: ReadBounds = { maxBytes: 1, maxEntries: 1 };

/** The reading side of a relay: nothing here shows an entry that a crash could still take back. */
export class Reading {
  readonly #folder: DataFolder;
  readonly #clock: Clock;
  #head: { readonly position: number; readonly note: string; readonly atMs: number } | undefined;
  #signing: Promise<string> | undefined;

  constructor(folder: DataFolder, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** The last readable position; 0 when the log is empty. */
  get position(): number {
    return this.#folder.index.appliedPosition;
  }

  /** The oldest readable position. */
  get oldest(): number {
    return this.#folder.log.firstPosition;
  }

  /** Consecutive entries behind a position; see {@link SegmentReader.read}. */
  async after(position: number, bounds: ReadBounds): Promise<LogSlice> {
    const maxEntries = Math.min(bounds.maxEntries, this.position - position);
    if (maxEntries <= 0) return { first: position + 1, count: 0, bytes: new Uint8Array(), lengths: new Uint32Array() };
    return this.#folder.log.read(position + 1, { ...bounds, maxEntries });
  }

  /** The line at a position, without its newline. */
  async line(position: number): Promise<Uint8Array> {
    const slice = await this.#folder.log.read(position, ONE_ENTRY);
    for (const { line } of entriesOf(slice)) return line;
    throw new AntsError("internal", `there is no entry at position ${position}`);
  }

  /** The RFC 6962 root over the first `size` entries. */
  rootAt(size: number): Uint8Array {
    return this.#folder.tree.rootAt(size);
  }

  /** The cursor that continues behind a position. */
  cursorAt(position: number): string {
    return formatCursor({ stream: this.#folder.stream, position, root: this.rootAt(position) });
  }

  /**
   * The position that a cursor stands for, once it is shown to be of this very history.
   * Throws "cursor-syntax", "stream-changed", "cursor-ahead", "cursor-pruned" (details: oldest), "cursor-mismatch".
   */
  checkCursor(text: string, allowGap = false): number {
    const { stream, position, check } = parseCursor(text);
    const details = { stream: this.#folder.stream, position: this.position };
    if (stream !== this.#folder.stream) {
      throw new AntsError("stream-changed", `this relay's log is stream ${this.#folder.stream}, not ${stream}`, {
        details,
      });
    }
    if (position > this.position) {
      throw new AntsError(
        "cursor-ahead",
        `this relay holds ${this.position} entries, the cursor has seen ${position}: the relay lost entries`,
        { details },
      );
    }
    if (hex(this.rootAt(position)).slice(0, CHECK_LENGTH) !== check) {
      throw new AntsError("cursor-mismatch", `the first ${position} entries are others than the cursor has seen`, {
        details,
      });
    }
    if (position + 1 < this.oldest && !allowGap) {
      throw new AntsError(
        "cursor-pruned",
        `the entries from ${position + 1} to ${this.oldest - 1} are no longer here`,
        {
          details: { ...details, oldest: this.oldest },
        },
      );
    }
    return Math.max(position, this.oldest - 1);
  }

  /**
   * The tree head as a signed note. One that is at most 250 ms old is given again unless `fresh` is asked for; none is
   * handed out before the folder's own copy of it is in place.
   */
  async checkpoint({ fresh = false } = {}): Promise<string> {
    const known = this.#head;
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - known.atMs;
    if (known !== undefined && (known.position === this.position || (!fresh && ageMs < HEAD_SIGN_INTERVAL_MS))) {
      return known.note;
    }
    this.#signing ??= this.#sign().finally(() => {
      this.#signing = undefined;
    });
    return this.#signing;
  }

  /** Audit path of the entry at a position in the tree of `size` entries. Throws "bad-range". */
  inclusion(at: number, size: number): { path: Uint8Array[]; root: Uint8Array } {
    if (!(at >= 1 && at <= size && size <= this.position)) throw this.#badRange(`1 ≤ at ≤ size ≤ ${this.position}`);
    return { path: this.#folder.tree.inclusion(at - 1, size), root: this.rootAt(size) };
  }

  /** Proof that the tree of `to` entries continues that of `from`. Throws "bad-range". */
  consistency(from: number, to: number): Uint8Array[] {
    if (!(from >= 1 && from <= to && to <= this.position)) throw this.#badRange(`1 ≤ from ≤ to ≤ ${this.position}`);
    return this.#folder.tree.consistency(from, to);
  }

  /** What is known of an agent; undefined where that is nothing. */
  agent(did: string): AgentSummary | undefined {
    const record = this.#folder.index.agent(did);
    const newest = this.#folder.newestIdentity(did);
    if (record === undefined || newest === undefined) return undefined;
    const { head, promised } = record;
    const { hash: identity, relays } = newest;
    const isHere = relays.length === 0 || relays.some(({ stream }) => stream === this.#folder.stream);
    return {
      promised: promised.epoch,
      ...(head === undefined ? {} : { head: { epoch: head.epoch, seq: head.seq, id: head.id } }),
      identity,
      ...(isHere ? {} : { forward: relays }),
    };
  }

  /** The agent that has a handle under this relay's host and lists it now; undefined for a name of nobody's. */
  agentWithHandle(handle: string): NamedAgent | undefined {
    const hold = this.#folder.index.handle(handle);
    const newest = hold && this.#folder.newestIdentity(hold.did);
    return newest?.handles.includes(handle) === true ? { ...newest, did: hold!.did } : undefined;
  }

  /** Of the agents whose chain is here and who list a domain now, the one that listed it first. */
  agentWithDomain(domain: string): NamedAgent | undefined {
    const { index } = this.#folder;
    for (const no of index.listersOf(domain, MAX_LISTINGS)) {
      const record = index.agentByNo(no);
      if (record === undefined || readDetails(record.details).events === 0) continue;
      const newest = this.#folder.newestIdentity(record.did);
      if (newest === undefined || newest.isDeactivated || !newest.handles.includes(domain)) continue;
      return { ...newest, did: record.did };
    }
    return undefined;
  }

  /** An agent of which some operation is here. */
  agentNamed(did: string): NamedAgent | undefined {
    const record = this.#folder.index.agent(did);
    const newest = record && this.#folder.newestIdentity(did);
    return newest && { ...newest, did: record.did };
  }

  /**
   * Agents one of whose operations has this escrow key, in the order of their arrival, after the agent `after`. Who is
   * meant cannot be told here: anybody may copy the key. Throws "not-found" for an `after` that is not here.
   */
  agentsByEscrow(escrow: string, after: string | undefined, limit: number): Did[] {
    const { index } = this.#folder;
    const afterNo = after === undefined ? 0 : index.agent(after)?.no;
    if (afterNo === undefined) throw new AntsError("not-found", `this relay knows nothing of ${after}`);
    return index.named(escrowName(escrow), afterNo, limit).flatMap((no) => index.agentByNo(no)?.did ?? []);
  }

  /** Fork proofs of an agent, from the log and from what was refused; see {@link DataFolder.forkProofs}. */
  forks(did: string): AsyncGenerator<ForkProof> {
    return this.#folder.forkProofs(did);
  }

  async #sign(): Promise<string> {
    const position = this.position;
    const note = await this.#folder.signHead(position, this.rootAt(position));
    this.#head = { position, note, atMs: this.#clock.monotonicMs() };
    return note;
  }

  #badRange(expected: string): AntsError {
    return new AntsError("bad-range", `expected ${expected}`, { details: { position: this.position } });
  }
}
