import type { Did } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { Clock, Random } from "../../keys/ports.js";
import { createBatch, type EventDraft, type SignedEvent } from "../protocol/batch.js";
import { MAX_BATCH_EVENTS } from "../protocol/limits.js";
import { sealBody } from "../protocol/private-body.js";
import { sealMessage } from "../protocol/sealed-message.js";
import { closedError } from "./connection-errors.js";
import { abortable } from "./deadline.js";
import type { Lane, LaneStatus } from "./lane.js";
import type { Pen, PenPlace } from "./pen.js";
import { penLost } from "./pen-loss.js";
import {
  isReached,
  PendingPublication,
  type Publication,
  type PublishDraft,
  type PublishOptions,
} from "./publication.js";

export interface PublisherOptions {
  readonly did: Did;
  /** The 32-byte seed of the sign key that holds the pen. */
  readonly seed: Uint8Array;
  readonly pen: Pen;
  readonly clock: Clock;
  readonly random: Random;
  /** Why there is no connection to a relay, for {@link Publisher.relays}. */
  readonly whyAway?: (url: string) => AntsError | undefined;
  /** Seals private bodies, 32 bytes; drafts with `private` are refused without it. */
  readonly stateKey?: Uint8Array;
}

/** How far one relay is. */
export interface RelayProgress {
  readonly url: string;
  readonly stream: string;
  readonly status: LaneStatus;
  /** The last seq that it acknowledged in this epoch; -1 before the first. */
  readonly acknowledgedSeq: number;
  /** The last seq that was sent and is unanswered, where there is one. */
  readonly unansweredSeq?: number;
  /** Events of the chain that it is not known to have. */
  readonly behind: number;
}

/**
 * Publishes events of the agent that holds the pen: signs them, many drafts under one signature, makes them durable on
 * the agent's own disk, and lets every relay's lane deliver them. A caller waits for the durability that it wants and
 * is never held up by a relay that this does not need.
 *
 * The chain on disk is the queue: what a killed process had stored is delivered by the next one, after its own claim.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  #pen: Pen;
  readonly #queue: PendingPublication[] = [];
  /** Signed and not settled, by place. */
  #open: PendingPublication[] = [];
  #signing: Promise<void> | undefined;
  #ended: AntsError | undefined;
  #onProgress: (() => void)[] = [];
  /** The pen is being exchanged: what is published waits, and is signed with the next one. */
  #isChangingPen = false;
  /** Set while and after the last publication of all is made: nothing may follow it. */
  #finishing: AntsError | undefined;
  #stopListening: () => void;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#pen = options.pen;
    this.#stopListening = this.#listen();
  }

  /**
   * Publishes drafts as consecutive events, all of them or none. Resolves at the wanted durability with what is known
   * of every relay by then.
   *
   * Throws `pen-lost` or the signal's reason where nothing was signed; `publish-unknown` where it was (details.events,
   * details.relays; the cause says why nobody waits any more); `event-grammar`, `event-too-long` and the like for a
   * draft that makes no event; `chain-write-failed`.
   */
  publish(drafts: readonly PublishDraft[], options: PublishOptions = {}): Promise<Publication> {
    const ended = this.#ended ?? this.#finishing;
    if (ended !== undefined) return Promise.reject(ended);
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    if (drafts.length === 0) {
      return Promise.reject(new AntsError("batch-size", "a publication has at least one event"));
    }
    const pending = new PendingPublication(drafts, options);
    this.#queue.push(pending);
    if (!this.#isChangingPen) this.#signing ??= this.#signQueue();
    return pending.promise;
  }

  /**
   * Publishes what nothing of this epoch may follow: later calls of `publish` and `changePen` throw `closed`. Throws what
   * `publish` throws; unless that is `publish-unknown`, nothing was signed and the publisher goes on as before.
   */
  async publishLast(drafts: readonly PublishDraft[], options: PublishOptions = {}): Promise<Publication> {
    const publication = this.publish(drafts, options);
    this.#finishing ??= closedError("the publisher");
    try {
      return await publication;
    } catch (error) {
      if (!isAntsError(error) || error.code !== "publish-unknown") this.#finishing = undefined;
      throw error;
    }
  }

  /** How far every relay is, now. */
  relays(): RelayProgress[] {
    const { seq } = this.#pen.head;
    return this.#pen.lanes.map((lane) => ({
      url: lane.relay.url,
      stream: lane.relay.stream,
      status: this.#statusOf(lane),
      acknowledgedSeq: lane.acknowledgedSeq,
      ...(lane.unansweredSeq === undefined ? {} : { unansweredSeq: lane.unansweredSeq }),
      behind: Math.max(0, seq - lane.knownSeq),
    }));
  }

  /** A lane that is dialled for the first time knows no reason yet, where the connection does. */
  #statusOf({ status, relay }: Lane): LaneStatus {
    if (status.state !== "unreachable" || status.error !== undefined) return status;
    const error = this.#options.whyAway?.(relay.url);
    return error === undefined ? status : { ...status, error };
  }

  /**
   * Resolves when everything published so far has the durability. Throws `pen-lost`, `closed`, or the signal's reason:
   * then it is on this disk, and not known to be there.
   */
  async drain({ durability = "quorum", signal }: PublishOptions = {}): Promise<void> {
    await this.#signing;
    const { seq } = this.#pen.head;
    while (!isReached(durability, seq, this.#pen)) {
      if (this.#ended !== undefined) throw this.#ended;
      const progress = new Promise<void>((resolve) => this.#onProgress.push(resolve));
      await abortable(progress, signal);
    }
  }

  /**
   * Goes on with another pen of the same process and home: waits until everything signed is committed, lets `exchange`
   * give the old pen up and claim a new one, and signs with that one what was published meanwhile.
   *
   * Throws `pen-lost`, `closed` or the signal's reason with the old pen still in use, and what `exchange` throws: then
   * there is no pen, and the publisher is closed with that error.
   */
  async changePen(exchange: () => Promise<Pen>, signal?: AbortSignal): Promise<void> {
    if (this.#finishing !== undefined) throw this.#finishing;
    this.#isChangingPen = true;
    try {
      await this.drain(signal === undefined ? {} : { signal });
      if (this.#ended !== undefined) throw this.#ended;
      this.#stopListening();
      try {
        this.#pen = await exchange();
      } catch (error) {
        this.#end(isAntsError(error) ? error : closedError("the publisher"));
        throw error;
      }
      this.#stopListening = this.#listen();
      for (const pending of this.#open) pending.movedTo(this.#pen.lanes);
      this.#settle();
    } finally {
      this.#isChangingPen = false;
      if (this.#queue.length > 0) this.#signing ??= this.#signQueue();
    }
  }

  #listen(): () => void {
    const stop = this.#pen.listen({
      acknowledged: (lane, fromSeq, at) => this.#acknowledged(lane, fromSeq, at),
      committed: () => this.#settle(),
      lost: (loss) => this.#end(penLost(loss)),
    });
    if (this.#pen.loss !== undefined) this.#end(penLost(this.#pen.loss));
    return stop;
  }

  /** Takes nothing more; what waits fails with `closed` or `publish-unknown`. The pen stays. */
  async close(): Promise<void> {
    this.#end(closedError("the publisher"));
    await this.#signing;
  }

  /** Signs what is queued, as much as there is at a time: while one batch is written, the next one gathers. */
  async #signQueue(): Promise<void> {
    // Drafts that are published in the same turn of the event loop share a signature and an fsync.
    await Promise.resolve();
    while (this.#queue.length > 0 && this.#ended === undefined && !this.#isChangingPen) {
      const batch: PendingPublication[] = [];
      let drafts = 0;
      while (
        this.#queue.length > 0 &&
        (batch.length === 0 || drafts + this.#queue[0]!.drafts.length <= MAX_BATCH_EVENTS)
      ) {
        const next = this.#queue.shift()!;
        if (next.isSettled) continue;
        batch.push(next);
        drafts += next.drafts.length;
      }
      if (batch.length > 0) await this.#write(batch);
    }
    this.#signing = undefined;
  }

  async #write(batch: readonly PendingPublication[]): Promise<void> {
    for (const pending of batch) pending.signing();
    try {
      const events = await this.#pen.write((place) => this.#sign(batch, place));
      let from = 0;
      for (const pending of batch) {
        pending.signed(events.slice(from, from + pending.drafts.length), this.#pen.lanes);
        from += pending.drafts.length;
        if (this.#ended === undefined) this.#open.push(pending);
        else pending.fail(this.#ended);
      }
    } catch (error) {
      const ofDraft = isAntsError(error) && error.code !== "pen-lost" && error.code !== "chain-write-failed";
      // One bad draft must not fail the callers that it shared a batch with.
      if (ofDraft && batch.length > 1) for (const pending of batch) await this.#write([pending]);
      else for (const pending of batch) pending.refuse(error);
    }
  }

  #sign(batch: readonly PendingPublication[], place: PenPlace): SignedEvent[] {
    const { did, seed, random } = this.#options;
    const { epoch } = place;
    let { after } = place;
    const drafts = batch.flatMap((pending) => pending.drafts);
    const signed: SignedEvent[] = [];
    for (let i = 0; i < drafts.length; i += MAX_BATCH_EVENTS) {
      const part = drafts.slice(i, i + MAX_BATCH_EVENTS);
      const seq = after.seq + 1;
      const events = createBatch({
        did,
        seed,
        epoch,
        after,
        random,
        drafts: part.map((draft, j) => this.#eventDraft(draft, epoch, seq + j)),
      });
      const last = events.at(-1)!.event;
      after = { epoch, seq: last.seq, id: last.id };
      signed.push(...events);
    }
    return signed;
  }

  #eventDraft(draft: PublishDraft, epoch: number, seq: number): EventDraft {
    const { kind, to, tags, salt } = draft;
    const { did, stateKey, clock, random } = this.#options;
    let { body } = draft;
    if (draft.sealTo !== undefined) {
      body = sealMessage(body, draft.sealTo, { did, epoch, seq, kind, to: to ?? [] }, random);
    } else if (draft.private === true) {
      if (stateKey === undefined) throw new AntsError("no-state-key", "a private body needs the agent's state key");
      body = sealBody(body, stateKey, { did, epoch, seq, kind, ...(to === undefined ? {} : { to }) }, random);
    }
    return {
      kind,
      body,
      timeMs: draft.timeMs ?? clock.nowMs(),
      ...(to === undefined ? {} : { to }),
      ...(tags === undefined ? {} : { tags }),
      ...(salt === undefined ? {} : { salt }),
    };
  }

  #acknowledged(lane: Lane, fromSeq: number, at: readonly number[]): void {
    const toSeq = fromSeq + at.length - 1;
    for (let i = this.#firstOpen(fromSeq); i < this.#open.length && this.#open[i]!.firstSeq <= toSeq; i++) {
      const pending = this.#open[i]!;
      pending.acknowledged(lane, fromSeq, at);
      if (pending.durability !== "quorum") pending.settleIfDone(this.#pen.committedSeq);
    }
    this.#forgetSettled();
    this.#progressed();
  }

  #settle(): void {
    const { committedSeq } = this.#pen;
    for (const pending of this.#open) {
      if (pending.firstSeq > committedSeq) break;
      pending.settleIfDone(committedSeq);
    }
    this.#forgetSettled();
    this.#progressed();
  }

  /** Index of the first open publication that ends at or after a seq. */
  #firstOpen(seq: number): number {
    let low = 0;
    let high = this.#open.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#open[middle]!.lastSeq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #forgetSettled(): void {
    if (this.#open.some(({ isSettled }) => isSettled)) this.#open = this.#open.filter(({ isSettled }) => !isSettled);
  }

  #end(error: AntsError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#stopListening?.();
    for (const pending of [...this.#queue, ...this.#open]) pending.fail(error);
    this.#queue.length = 0;
    this.#open = [];
    this.#progressed();
  }

  #progressed(): void {
    const waiting = this.#onProgress;
    this.#onProgress = [];
    for (const resolve of waiting) resolve();
  }
}
