import { utf8 } from "../../keys/bytes.js";
import { isAntsError } from "../../keys/errors.js";
import { type RelaySet, relaySetOf } from "../../keys/identity/relay-set.js";
import type { SignedEvent } from "../protocol/batch.js";
import { type ChainHead, type ParsedEvent, parseEvent } from "../protocol/event.js";
import { Lane } from "./lane.js";
import { PenContact, type SentAt } from "./pen-contact.js";
import { authLineOf, type PenContext } from "./pen-context.js";
import { PenDisputes } from "./pen-disputes.js";
import { type PenLoss, penLost, penOutOfTouch, penUnconfirmed } from "./pen-loss.js";
import type { RoundOutcome } from "./promise-round.js";
import { hasQuorum, quorumSeq, relayKey, relaysOf } from "./quorum.js";

/** Who wants to know how far the relays are. All calls are synchronous and come in order. */
export interface PenListener {
  /** A relay acknowledged the chain from `fromSeq` on, at these positions. */
  acknowledged?(lane: Lane, fromSeq: number, at: readonly number[]): void;
  /** Everything up to this seq is committed. */
  committed?(seq: number): void;
  lost?(loss: PenLoss): void;
}

/** Where a batch goes: its epoch, and the event that it follows. */
export interface PenPlace {
  readonly epoch: number;
  readonly after: ChainHead;
}

/** What a claim is made on: the outcome of the round of promises. */
export type Granted = Extract<RoundOutcome, { kind: "granted" }>;

/**
 * One turn of holding the pen: one epoch, held from the moment a quorum of every relevant relay set acknowledged its
 * claim until {@link lost} resolves. `acquirePen` makes it. It dies with its process; a started process never goes on in an epoch that it
 * finds on its disk (protocol.md, "The pen").
 *
 * Whoever causes effects calls {@link check} right before each of them.
 */
export class Pen {
  readonly epoch: number;
  readonly instance: string;
  /** The claim that opened this epoch. */
  readonly claim: ParsedEvent;
  /** Resolves when the pen is lost, with the reason; never rejects. All side effects stop at once. */
  readonly lost: Promise<PenLoss>;
  /** Resolves when a quorum of every relevant set acknowledged the claim; never rejects. */
  readonly held: Promise<void>;
  readonly #context: PenContext;
  readonly #claimSets: readonly RelaySet[];
  readonly #lanes = new Map<string, { readonly lane: Lane; readonly abort: AbortController }>();
  readonly #running: Promise<void>[] = [];
  readonly #listeners = new Set<PenListener>();
  #set: RelaySet;
  readonly #disputes: PenDisputes;
  readonly #contact: PenContact;
  /** What the last relay said that contradicts. */
  #dispute: PenLoss | undefined;
  #isHeld = false;
  #isInUse = false;
  #acknowledgements = 0;
  #committedSeq = -1;
  #loss: PenLoss | undefined;
  #resolveLost: (loss: PenLoss) => void = () => {};
  #resolveHeld: () => void = () => {};
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(context: PenContext, claim: ParsedEvent, round: Granted) {
    this.#context = context;
    this.claim = claim;
    this.#claimSets = round.sets;
    this.#set = relaySetOf(round.operation);
    this.epoch = claim.event.epoch;
    this.#disputes = new PenDisputes(this.epoch);
    this.#contact = new PenContact(context.ports.clock);
    this.instance = context.instance;
    this.lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
    this.held = new Promise((resolve) => {
      this.#resolveHeld = resolve;
    });
    for (const relay of relaysOf([...round.sets, this.#set])) {
      const laneContext = {
        epoch: this.epoch,
        claim,
        chain: context.chain,
        identity: context.identity,
        outbox: context.outbox,
        ports: context.ports,
        authLine: authLineOf(context),
        acknowledged: (lane: Lane, fromSeq: number, at: readonly number[]) => this.#acknowledged(lane, fromSeq, at),
        confirmed: (lane: Lane, afterDispute: number, sent: SentAt) => {
          this.#disputes.confirms(lane.key, afterDispute);
          this.#contact.confirms(lane.key, sent);
        },
        disputed: (lane: Lane, loss: PenLoss) => this.#disputed(lane, loss),
        disputes: () => this.#disputes.begun,
      };
      const head = round.heads.get(relayKey(relay));
      const lane = new Lane(relay, context.relays.get(relay.url), laneContext, head);
      this.#lanes.set(lane.key, { lane, abort: new AbortController() });
    }
  }

  /** Sends a claim that is signed and on this disk; the pen is held once {@link held} resolves. */
  static begin(context: PenContext, claim: ParsedEvent, round: Granted): Pen {
    const pen = new Pen(context, claim, round);
    for (const { lane, abort } of pen.#lanes.values()) pen.#running.push(lane.run(abort.signal));
    return pen;
  }

  /** The end of the chain on this disk. */
  get head(): ChainHead {
    return this.#context.chain.head!;
  }

  /** Everything up to this seq is committed: on every later chain, unless a rotate's anchor is earlier. */
  get committedSeq(): number {
    return this.#committedSeq;
  }

  /** The relays that events need now. */
  get relaySet(): RelaySet {
    return this.#set;
  }

  /** One lane a relay of the set. */
  get lanes(): readonly Lane[] {
    return this.#set.relays.map((relay) => this.#lanes.get(relayKey(relay))!.lane);
  }

  /** How many frames were acknowledged so far, by any relay: a sign that things move. */
  get acknowledgements(): number {
    return this.#acknowledgements;
  }

  /** What relays say that take the epoch for over; enough of them end it. */
  get contradictions(): readonly PenLoss[] {
    return this.#disputes.contradictions;
  }

  /**
   * From now on somebody works with it: promises that were given to a start which got no further no longer end it, while
   * a quorum gave none. Before, one is enough, and another attempt asks above it.
   */
  use(): void {
    this.#isInUse = true;
  }

  /** Why the pen was lost; undefined while it is held. */
  get loss(): PenLoss | undefined {
    return this.#loss;
  }

  /**
   * Throws `pen-lost` once the pen is lost, and `pen-unconfirmed` while a relay says so and a quorum of the others has
   * not confirmed the contrary since, or while no quorum has acknowledged anything that it was sent within the last
   * {@link CONFIRMED_FOR_MS}: relays are away, or this process was paused. The relays are asked all the time, so it passes
   * again by itself with their answers. Call it right before every effect.
   */
  check(): void {
    this.#requireHeld();
    if (this.#dispute !== undefined && !this.#disputes.isConfirmed(this.#set)) throw penUnconfirmed(this.#dispute);
    const sets = this.#setsThatCount();
    if (!this.#contact.isFresh(sets)) throw penOutOfTouch(sets.map((set) => [set, this.#contact.freshIn(set)]));
  }

  /** Tells the listener everything from now on, until the returned function is called. */
  listen(listener: PenListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Signs and stores events: `sign` is called with their place when those before them are on disk. Resolves when these
   * are too; then they are on their way to all relays. Throws `pen-lost`, or what `sign` throws, with nothing stored.
   */
  write(sign: (place: PenPlace) => readonly SignedEvent[]): Promise<ParsedEvent[]> {
    const result = this.#writing.then(async () => {
      // What is written while relays disagree is committed by a quorum or not at all: that needs no confirmation first.
      this.#requireHeld();
      // A rotate that this home heard of may have left the chain behind, or all of it.
      const head = this.#context.chain.head;
      if (head?.epoch !== this.epoch) throw penLost(this.#lose({ reason: "superseded", relay: "this home" }));
      const { epoch, seq, id } = head;
      const events = sign({ epoch, after: { epoch, seq, id } }).map(({ line }) => parseEvent(utf8(line)));
      try {
        await this.#context.chain.append(events);
      } catch (error) {
        if (isAntsError(error)) this.#lose({ reason: "storage", error });
        throw error;
      }
      for (const { lane } of this.#lanes.values()) lane.wake();
      return events;
    });
    this.#writing = result.catch(() => undefined);
    return result;
  }

  /** Gives the pen up: nothing more is sent. What relays lack stays in the chain, for the next turn. */
  async release(): Promise<void> {
    await this.#writing;
    this.#lose({ reason: "released" });
    await Promise.all(this.#running);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #acknowledged(lane: Lane, fromSeq: number, at: readonly number[]): void {
    if (this.#loss !== undefined) return;
    this.#acknowledgements += 1;
    const reached = (key: string) => this.#lanes.get(key)?.lane.acknowledgedSeq ?? -1;
    const claimSeq = this.claim.event.seq;
    if (!this.#isHeld && this.#claimSets.every((set) => hasQuorum(set, (key) => reached(key) >= claimSeq))) {
      this.#isHeld = true;
      this.#leaveOtherRelays();
      this.#resolveHeld();
    }
    for (const listener of this.#listeners) listener.acknowledged?.(lane, fromSeq, at);
    // Older events are committed only by one of this epoch that a quorum acknowledged on top of them.
    const seq = this.#isHeld ? quorumSeq(this.#set, reached) : -1;
    if (seq < claimSeq || seq <= this.#committedSeq) return;
    this.#committedSeq = seq;
    for (const listener of this.#listeners) listener.committed?.(seq);
  }

  /** One relay's word ends the pen only where that relay cannot be among those that may lie. */
  #disputed(lane: Lane, loss: PenLoss): void {
    if (this.#loss !== undefined) return;
    const isNew = this.#disputes.contradicts(lane.key, loss);
    this.#dispute = loss;
    if (this.#disputes.endIt(this.#setsThatCount(), this.#isInUse)) this.#lose(loss);
    else if (isNew) for (const other of this.#lanes.values()) if (other.lane !== lane) other.lane.confirm();
  }

  /** The claim needs every set since the newest claim before it; what follows, the newest one. */
  #setsThatCount(): readonly RelaySet[] {
    return this.#isHeld ? [this.#set] : [...this.#claimSets, this.#set];
  }

  #requireHeld(): void {
    if (this.#loss !== undefined) throw penLost(this.#loss);
  }

  /** Relays of earlier sets had to know of the claim; what follows is not for them. */
  #leaveOtherRelays(): void {
    const stay = new Set(this.#set.relays.map(relayKey));
    for (const [key, { abort }] of this.#lanes) if (!stay.has(key)) abort.abort();
  }

  #lose(loss: PenLoss): PenLoss {
    if (this.#loss !== undefined) return this.#loss;
    this.#loss = loss;
    for (const { abort } of this.#lanes.values()) abort.abort(penLost(loss));
    this.#resolveLost(loss);
    for (const listener of this.#listeners) listener.lost?.(loss);
    return loss;
  }
}
