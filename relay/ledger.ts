import { AntsError } from "../keys/errors.js";
import { parseOperation } from "../keys/identity/operation.js";
import type { Clock } from "../keys/ports.js";
import { parseEntry } from "../src/protocol/entry.js";
import type { ChainHead } from "../src/protocol/event.js";
import { DEFAULT_LIMITS, type RelayLimits } from "../src/protocol/limits.js";
import type { PromisedMessage } from "../src/protocol/messages.js";
import { type Refusal, refusalOf } from "../src/protocol/refusal.js";
import { Admission } from "./admission/admission.js";
import type { AgentState } from "./admission/agent-state.js";
import type { HandleRules } from "./admission/handle-book.js";
import { Holders } from "./admission/holders.js";
import type { Power } from "./admission/identity-view.js";
import { runsIn } from "./admission/operation-run.js";
import type { Refusal as Objection, Outcome } from "./admission/outcome.js";
import type { DataFolder } from "./data-folder.js";
import { GroupCommit } from "./group-commit.js";
import type { IndexGroup } from "./index/index-group.js";
import { readEntry } from "./log/log-ids.js";
import { entriesOf } from "./log/log-slice.js";
import type { VerifiedEntry, VerifiedFrame } from "./verified-frame.js";
import { factsOf } from "./verify/frame-verifier.js";

/** What the connection that a frame came by has shown of itself. */
export interface FrameSender {
  /** The epoch that the frame states. */
  readonly epoch?: number;
  /** The DID that authenticated on this connection, and as which instance. */
  readonly author?: string;
  readonly instance?: string;
}

/** A refusal as it goes over the wire: entries before `i` were taken, at the positions `at`. */
export interface RefusedFrame extends Refusal {
  readonly i: number;
  readonly at: readonly number[];
  readonly head?: ChainHead;
  readonly promised?: number;
}

export type PublishReply = { readonly at: readonly number[] } | { readonly refused: RefusedFrame };

export type PromiseReply =
  | {
      readonly promised: Omit<PromisedMessage, "t" | "ref">;
      /** The line of the operation that `promised.identity` names. */
      readonly identityLine: Uint8Array;
    }
  | { readonly refused: RefusedFrame };

/** A group of entries that a crash can no longer take back. */
export interface DurableGroup {
  readonly entries: number;
  /** How long the disk took. */
  readonly persistMs: number;
}

export type LedgerLimits = Pick<RelayLimits, "maxOperationsPerEra">;

/** Entries replayed into a stale index between two writes to it. */
const REPLAY_GROUP_ENTRIES = 4_096;
const REPLAY_SLICE = { maxBytes: 2 ** 20, maxEntries: 1_024 };

/**
 * The writing side of a relay: frames whose lines were verified are judged in the order of the calls, made durable in
 * groups, and answered when they are on disk and visible. One per data folder; reading goes past it, to the folder.
 */
export class Ledger {
  readonly folder: DataFolder;
  readonly #admission: Admission;
  readonly #holders: Holders;
  readonly #groups: GroupCommit<IndexGroup | undefined>;
  readonly #listeners = new Set<(group: DurableGroup) => void>();

  private constructor(
    folder: DataFolder,
    clock: Clock,
    { maxOperationsPerEra, handles }: LedgerLimits & { readonly handles?: HandleRules },
  ) {
    this.folder = folder;
    let persistMs = 0;
    this.#holders = new Holders(clock);
    this.#admission = new Admission({
      index: folder.index,
      holders: this.#holders,
      stream: folder.stream,
      maxOperationsPerEra,
      nowMs: () => clock.nowMs(),
      ...(handles === undefined ? {} : { handles }),
      operationAt: (position) => parseOperation(lineAt(folder, position)),
      prunedAt: (position) => prunedAt(folder, position),
    });
    this.#groups = new GroupCommit({
      close: () => this.#closeGroup(),
      persist: async () => {
        const startMs = clock.monotonicMs();
        await folder.log.commit();
        persistMs = clock.monotonicMs() - startMs;
      },
      publish: (group) => this.#publishGroup(group, persistMs),
    });
  }

  /**
   * Brings the index up to the end of the log, whether it is a little behind or was rebuilt from nothing.
   *
   * @param onProgress called between groups with the position reached
   */
  static async open(
    folder: DataFolder,
    clock: Clock,
    onProgress?: (position: number) => void,
    rules: LedgerLimits & { readonly handles?: HandleRules } = DEFAULT_LIMITS,
  ): Promise<Ledger> {
    const ledger = new Ledger(folder, clock, rules);
    const { log, index } = folder;
    let next = index.appliedPosition + 1;
    let pending = 0;
    while (next <= log.lastPosition) {
      const slice = await log.read(next, REPLAY_SLICE);
      for (const entry of entriesOf(slice)) ledger.#admission.replay(factsOf(readEntry(entry)), entry.position);
      next += slice.count;
      pending += slice.count;
      if (pending >= REPLAY_GROUP_ENTRIES || next > log.lastPosition) {
        ledger.#applyGroup(ledger.#admission.closeGroup());
        pending = 0;
        onProgress?.(next - 1);
      }
    }
    return ledger;
  }

  /** The last position that is on disk and indexed: what readers may see. */
  get position(): number {
    return this.folder.index.appliedPosition;
  }

  /** Why nothing is taken any more: a failed write or fsync, or an error of this program. Readers go on. */
  get failure(): AntsError | undefined {
    return this.#groups.failure;
  }

  /** What is known of a DID, committed or about to be, and its newest identity operation's hash. */
  agent(
    did: string,
  ): (Pick<AgentState, "promised" | "superseded"> & { readonly identity: string | undefined }) | undefined {
    const state = this.#admission.agent(did);
    if (state === undefined) return undefined;
    const { promised, superseded } = state;
    return {
      promised,
      superseded,
      get identity() {
        return state.keys.newest?.hash;
      },
    };
  }

  /** What a key may do for a DID now; see {@link Power}. */
  powerOf(did: string, key: string): Power | undefined {
    return this.#admission.agent(did)?.keys.powerOf(key);
  }

  /** An authenticated connection of this instance is alive. */
  seen(did: string, instance: string): void {
    this.#holders.saw(did, instance);
  }

  /** Calls `listener` after every group; returns how to stop that. */
  onAdvance(listener: (group: DurableGroup) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Judges the entries in order, the first refusal ends it, and resolves when what was taken is durable. */
  publish(frame: VerifiedFrame, sender: FrameSender): Promise<PublishReply> {
    return this.#answer(() => this.#judge(frame, sender));
  }

  /** Takes the identity operations of the frame, then judges its promise; resolves when the grant is durable. */
  promise(frame: VerifiedFrame): Promise<PromiseReply> {
    return this.#answer(() => this.#judgePromise(frame));
  }

  /** Waits for what is under way, then closes the folder. What comes later is refused. */
  async close(): Promise<void> {
    await this.#groups.idle();
    await this.folder.close();
  }

  /**
   * Calls `judge` at once and resolves with its answer when all that it took is durable. An error in it is as final as a
   * failed fsync: admission may have given out positions whose lines never reach the log, and whatever came after them
   * would be published one off.
   */
  async #answer<Reply>(judge: () => Reply): Promise<Reply | { readonly refused: RefusedFrame }> {
    const { failure } = this.#groups;
    if (failure !== undefined) return refusedWhole(failure);
    try {
      const reply = this.#judgeOrFail(judge);
      await this.#groups.durable();
      return reply;
    } catch (error) {
      if (error instanceof AntsError && error.code !== "internal") return refusedWhole(error);
      throw error;
    }
  }

  #judgeOrFail<Reply>(judge: () => Reply): Reply {
    try {
      return judge();
    } catch (error) {
      throw this.#groups.fail(error);
    }
  }

  #judge(frame: VerifiedFrame, sender: FrameSender): PublishReply {
    const at: number[] = [];
    let refusal: Omit<RefusedFrame, "at"> | undefined;
    const kept: boolean[] = [];
    const runs = runsIn(frame.entries);
    for (const [i, entry] of frame.entries.entries()) {
      const run = runs.get(entry);
      const outcome =
        entry.did === frame.entries[0]?.did
          ? this.#admission.admit(entry, run === undefined ? sender : { ...sender, run })
          : objection("bad-frame", "a frame holds entries of one author");
      kept.push(outcome.kind === "stored" || (outcome.kind === "refused" && outcome.kept !== undefined));
      if (outcome.kind === "refused") {
        this.#keepForkProof(frame, i, entry, outcome);
        refusal = { i, ...asRefusal(outcome) };
        break;
      }
      at.push(outcome.position);
    }
    if (refusal === undefined && frame.failure !== undefined) {
      const { i, code, message } = frame.failure;
      refusal = { i, ...refusalOf(new AntsError(code, message)) };
    }
    this.#stage(frame, kept);
    this.#noteHolder(frame, kept, sender);
    return refusal === undefined ? { at } : { refused: { ...refusal, at } };
  }

  #judgePromise(frame: VerifiedFrame): PromiseReply {
    const asked = frame.entries.findIndex((entry) => entry.type === "promise");
    const promise = frame.entries[asked];
    if (promise?.type !== "promise") {
      return { refused: { at: [], ...asRefusal(objection("bad-frame", "a promise line is missing")), i: 0 } };
    }
    const kept = frame.entries.map(() => false);
    let outcome: Outcome = objection("bad-frame", "a promise comes with identity operations of its own DID only");
    let refusedAt = asked;
    const order = [...frame.entries.keys()].filter((i) => i !== asked);
    const stored: number[] = [];
    const brought = order.map((i) => frame.entries[i]!);
    const runs = runsIn(brought, true);
    for (const i of [...order, asked]) {
      const entry = frame.entries[i]!;
      if (i !== asked && (entry.type !== "identity" || entry.did !== promise.did)) {
        refusedAt = i;
        outcome = objection("bad-frame", "a promise comes with identity operations of its own DID only");
        break;
      }
      const run = runs.get(entry);
      outcome =
        i === asked ? this.#admission.promise(promise) : this.#admission.admit(entry, run === undefined ? {} : { run });
      kept[i] = outcome.kind === "stored" || (outcome.kind === "refused" && outcome.kept !== undefined);
      if (kept[i]) stored.push(i);
      if (outcome.kind === "refused" && outcome.code !== "rival") {
        refusedAt = i;
        break;
      }
    }
    this.#stage(frame, kept, stored);
    if (outcome.kind === "refused") return { refused: { i: refusedAt, at: [], ...asRefusal(outcome) } };
    // It was granted, so the agent and its identity are here.
    const { keys, head } = this.#admission.agent(promise.did)!;
    const { hash, line } = keys.newest!;
    const branches = keys.otherEnds;
    const promised = {
      epoch: promise.epoch,
      ...(head === undefined ? {} : { head: pointOf(head) }),
      identity: hash,
      ...(branches.length === 0 ? {} : { branches }),
    };
    return { promised, identityLine: line };
  }

  /** Stages the kept lines in `order` (default: as they stand). */
  #stage(frame: VerifiedFrame, kept: readonly boolean[], order?: readonly number[]): void {
    const { log } = this.folder;
    if (order === undefined && kept.length === frame.entries.length && kept.every(Boolean)) {
      if (kept.length > 0) log.append(frame.bytes, frame.lengths);
      return;
    }
    const ends = lineEnds(frame.lengths);
    for (const i of order ?? [...kept.keys()].filter((at) => kept[at])) {
      const end = ends[i]!;
      const length = frame.lengths[i]!;
      log.append(frame.bytes.subarray(end - length, end), [length]);
    }
  }

  /** What was admitted is exactly what the log was given, or nothing of it may become visible. */
  #closeGroup(): IndexGroup | undefined {
    const group = this.#admission.closeGroup();
    const { stagedPosition } = this.folder.log;
    const { lastPosition } = this.#admission;
    if (stagedPosition !== lastPosition) {
      const message = `entries were admitted up to position ${lastPosition}, and the log has lines up to ${stagedPosition}`;
      throw new AntsError("internal", message);
    }
    return group;
  }

  #publishGroup(group: IndexGroup | undefined, persistMs: number): void {
    if (group === undefined) return;
    this.#applyGroup(group);
    const durable = { entries: group.entries.length, persistMs };
    for (const listener of this.#listeners) listener(durable);
  }

  #applyGroup(group: IndexGroup | undefined): void {
    if (group === undefined) return;
    this.folder.tree.append(
      group.first,
      group.entries.map(({ id }) => id),
    );
    this.folder.index.applyGroup(group);
    this.#admission.settle(this.folder.index.appliedPosition);
  }

  /**
   * A holder is alive when it is authenticated on the connection that a frame came by, or when an event of its epoch
   * comes that was not here: it signed that. What anybody can send again, or only state, says nothing of it.
   */
  #noteHolder({ entries }: VerifiedFrame, kept: readonly boolean[], { epoch, instance }: FrameSender): void {
    const did = entries[0]?.did;
    if (did === undefined || epoch === undefined) return;
    const binding = this.#admission.agent(did)?.binding;
    if (binding?.instance === undefined || binding.epoch !== epoch) return;
    const isNew = entries.some((entry, i) => kept[i] === true && entry.type === "event" && entry.epoch === epoch);
    if (isNew || instance === binding.instance) this.#holders.saw(did, binding.instance);
  }

  #keepForkProof({ bytes, lengths }: VerifiedFrame, i: number, entry: VerifiedEntry, { forkOf }: Objection): void {
    if (forkOf === undefined || entry.type !== "event" || entry.to.length > 0) return;
    const rival = this.#admission.agent(entry.did)?.find(forkOf, entry.seq);
    // Two keys of one agent prove nothing of either.
    if (rival === undefined || rival.key !== entry.key || rival.position > this.position) return;
    const end = lineEnds(lengths)[i]!;
    this.folder.keepForkProof(entry, rival.position, bytes.slice(end - lengths[i]!, end - 1));
  }
}

function objection(code: string, message: string): Objection {
  return { kind: "refused", code, message };
}

function refusedWhole(failure: AntsError): { readonly refused: RefusedFrame } {
  return { refused: { i: 0, at: [], ...refusalOf(failure) } };
}

function pointOf({ epoch, seq, id }: ChainHead): ChainHead {
  return { epoch, seq, id };
}

function asRefusal({
  code,
  message,
  head,
  promised,
  holder,
  seenMs,
  facts,
}: Objection): Omit<RefusedFrame, "i" | "at"> {
  const holding = { ...(holder === undefined ? {} : { holder }), ...(seenMs === undefined ? {} : { seenMs }) };
  const details = { ...holding, ...facts };
  return {
    ...refusalOf(new AntsError(code, message, { details })),
    ...(head === undefined ? {} : { head }),
    ...(promised === undefined ? {} : { promised }),
  };
}

function lineEnds(lengths: Uint32Array): number[] {
  let end = 0;
  return Array.from(lengths, (length) => (end += length));
}

function lineAt({ log }: DataFolder, position: number): Uint8Array {
  const slice = log.readBlocking(position, { maxBytes: 1, maxEntries: 1 });
  return slice.bytes.subarray(0, slice.bytes.length - 1);
}

function prunedAt(folder: DataFolder, position: number): boolean {
  const entry = parseEntry(lineAt(folder, position));
  return entry.type === "event" && entry.pruned;
}
