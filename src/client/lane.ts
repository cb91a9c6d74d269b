import { AntsError } from "../../keys/errors.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { ChainHead, ParsedEvent } from "../protocol/event.js";
import { DEFAULT_LIMITS, MAX_FRAME_ENTRIES } from "../protocol/limits.js";
import type { AckMessage, RefusedMessage } from "../protocol/messages.js";
import { errorOfRefusal } from "../protocol/refusal.js";
import type { RelayInfo } from "../protocol/relay-info.js";
import { Backoff, pauseAskedFor } from "./backoff.js";
import type { ChainStore } from "./chain-store.js";
import type { AuthLine, RelayConnection } from "./connection.js";
import { LinkedAbort } from "./deadline.js";
import { Gate } from "./gate.js";
import { publishIdentity } from "./identity-exchange.js";
import type { IdentityLog } from "./identity-log.js";
import type { Outbox } from "./outbox.js";
import type { SentAt } from "./pen-contact.js";
import type { PenLoss } from "./pen-loss.js";
import type { ClientPorts } from "./ports.js";
import { relayKey } from "./quorum.js";

/** What a relay is doing with the agent's chain. */
export type LaneStatus =
  /** It has everything that there is. */
  | { readonly state: "up-to-date" }
  /** Events are under way, or on their way out. */
  | { readonly state: "sending" }
  /** Not connected: whether it has what was under way is unknown; it is sent again. */
  | { readonly state: "unreachable"; readonly error?: AntsError }
  /** It is another incarnation than the identity log names, and counts for nothing. */
  | { readonly state: "wrong-stream"; readonly stream: string }
  /** It refused; what it refused is sent again after `delayMs`. */
  | { readonly state: "refused"; readonly error: AntsError; readonly delayMs: number };

export interface LaneContext {
  readonly epoch: number;
  /** The claim that opened the epoch: what the relay is asked with when there is nothing else to send. */
  readonly claim: ParsedEvent;
  readonly chain: ChainStore;
  readonly identity: IdentityLog;
  readonly outbox: Outbox;
  readonly ports: ClientPorts;
  /** Signs who this instance is, for a connection. */
  readonly authLine: AuthLine;
  /** A relay acknowledged the chain from `fromSeq` on, at these positions. */
  acknowledged(lane: Lane, fromSeq: number, at: readonly number[]): void;
  /** The relay took a whole frame of this epoch, which was sent then, after so many disputes had begun. */
  confirmed(lane: Lane, afterDispute: number, sent: SentAt): void;
  /** The relay says that the epoch is over, for this reason. */
  disputed(lane: Lane, loss: PenLoss): void;
  /** How many disputes have begun in this epoch. */
  disputes(): number;
}

interface Flight {
  readonly from: number;
  readonly count: number;
  /** It brings nothing: the claim once more, which the relay has. */
  readonly isQuestion: boolean;
  /** How many disputes had begun when it was sent: what it confirms was so after these. */
  readonly afterDispute: number;
  readonly sent: SentAt;
  readonly answer: Promise<AckMessage | RefusedMessage>;
}

/** Frames under way at once: enough to fill a long line, few enough that a refusal wastes little. */
const MAX_FRAMES_UNDER_WAY = 4;
/**
 * A holder that writes nothing asks each relay so often whether its epoch still stands, and at every new connection. A
 * relay tells nobody by itself that another was promised; so this is how long an idle holder may go on with effects after
 * it was displaced. Not less: every agent costs each of its relays one frame in this time, of one line that the relay has,
 * so nothing is written for it. Not more: people wait for a takeover.
 */
const IDLE_QUESTION_MS = 5_000;
/** Left of a frame for its envelope. */
const ENVELOPE_BYTES = 1_024;
/** A relay that refuses for good may change its mind, or its configuration. */
const REFUSED_BACKOFF = { firstMs: 1_000, maxMs: 60_000 };
/** How far back the second guess goes where the relay's head is not known here; doubled with every further one. */
const FIRST_STEP_BACK = 2 * MAX_FRAME_ENTRIES;

/**
 * Brings one relay everything of the chain that it lacks, in order, for as long as the epoch lasts. Lanes don't know of
 * each other: a dead relay costs the others nothing.
 */
export class Lane {
  readonly relay: RelayAddress;
  readonly key: string;
  readonly #connection: RelayConnection;
  readonly #context: LaneContext;
  readonly #backoff: Backoff;
  readonly #more = new Gate();
  #woken: Promise<"woken"> | undefined;
  #status: LaneStatus = { state: "unreachable" };
  /** Where sending begins (again): what comes before is known to be there. */
  #base: number;
  #acknowledgedSeq = -1;
  #sentSeq = -1;
  #stepBack = FIRST_STEP_BACK;
  #authenticating: Promise<void> | undefined;

  /** `head`: what the relay said when it gave its promise; its mark is taken where it gave none. */
  constructor(relay: RelayAddress, connection: RelayConnection, context: LaneContext, head?: ChainHead) {
    this.relay = relay;
    this.key = relayKey(relay);
    this.#connection = connection;
    this.#context = context;
    this.#backoff = new Backoff(context.ports.clock, context.ports.random, REFUSED_BACKOFF);
    const known = head ?? context.outbox.mark(relay.stream)?.acknowledged;
    this.#base = (known === undefined ? undefined : this.#after(known)) ?? 0;
  }

  get status(): LaneStatus {
    return this.#status;
  }

  /** The last seq that the relay acknowledged to this process in this epoch; -1 before the first. */
  get acknowledgedSeq(): number {
    return this.#acknowledgedSeq;
  }

  /** The last seq that the relay is known to have, in this epoch or from before it. */
  get knownSeq(): number {
    return this.#base - 1;
  }

  /** The last seq that was sent and not answered, where there is one: the relay may have it or not. */
  get unansweredSeq(): number | undefined {
    return this.#sentSeq > this.#acknowledgedSeq ? this.#sentSeq : undefined;
  }

  /** The chain grew. */
  wake(): void {
    this.#more.open();
  }

  /** A dispute began: asks the relay whether it still takes this epoch, if nothing goes there anyway. */
  confirm(): void {
    this.#more.open();
  }

  /** Runs until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const relay = await this.#connection.opened(signal);
        if (relay.stream === this.relay.stream) await this.#send(relay, signal);
        else await this.#waitForOtherStream(relay, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#status = { state: "unreachable", ...(error instanceof AntsError ? { error } : {}) };
        if (this.#connection.status.state === "closed") return;
        // Connected, and still no answer in time: ask again, but not in a tight loop.
        if (this.#connection.status.state === "open") await this.#backoff.wait(signal).catch(() => undefined);
      }
    }
  }

  async #waitForOtherStream({ stream }: RelayInfo, signal: AbortSignal): Promise<void> {
    this.#status = { state: "wrong-stream", stream };
    for await (const status of this.#connection.statuses(signal)) {
      if (status.state !== "open" || status.relay.stream === this.relay.stream) return;
    }
  }

  /** Sends and takes answers until the connection breaks, or a refusal asks for a pause. */
  async #send(relay: RelayInfo, signal: AbortSignal): Promise<void> {
    const { chain, epoch, claim, ports } = this.#context;
    const limits = {
      maxBytes: Math.min(relay.limits.maxFrameBytes, DEFAULT_LIMITS.maxFrameBytes) - ENVELOPE_BYTES,
      maxEntries: Math.min(relay.limits.maxFrameEntries, MAX_FRAME_ENTRIES),
    };
    this.#authenticating = undefined;
    const underWay: Flight[] = [];
    let next = this.#base;
    /** After which dispute, and when, something was sent on this connection for the last time. */
    let afterDispute = -1;
    let sentMs = ports.clock.monotonicMs();
    const send = (from: number, lines: readonly Uint8Array[], isQuestion: boolean): void => {
      afterDispute = this.#context.disputes();
      const sent = { monotonicMs: ports.clock.monotonicMs(), nowMs: ports.clock.nowMs() };
      sentMs = sent.monotonicMs;
      const answer = this.#connection.publish(lines, { epoch, signal });
      // Answers are awaited in order; one that fails meanwhile must not count as unhandled.
      answer.catch(() => undefined);
      underWay.push({ from, count: lines.length, isQuestion, afterDispute, sent, answer });
    };
    while (!signal.aborted) {
      while (underWay.length < MAX_FRAMES_UNDER_WAY && next <= (chain.head?.seq ?? -1)) {
        const from = next;
        const lines = await chain.read(from, limits);
        if (this.#connection.relay?.stream !== this.relay.stream) return;
        send(from, lines, false);
        next = from + lines.length;
        this.#sentSeq = Math.max(this.#sentSeq, next - 1);
      }
      const silentMs = ports.clock.monotonicMs() - sentMs;
      const isDue = afterDispute < this.#context.disputes() || (underWay.length === 0 && silentMs >= IDLE_QUESTION_MS);
      // A relay that has the claim not yet gets it, and nothing has to be asked.
      if (isDue && underWay.length < MAX_FRAMES_UNDER_WAY && this.#base > claim.event.seq) {
        send(claim.event.seq, [claim.line], true);
      }
      const [oldest] = underWay;
      if (oldest === undefined) {
        this.#status = { state: "up-to-date" };
        await this.#idle(Math.ceil(isDue ? IDLE_QUESTION_MS : IDLE_QUESTION_MS - silentMs), signal);
        continue;
      }
      const isAsking = underWay.every(({ isQuestion }) => isQuestion);
      if (!isAsking || this.#status.state === "unreachable") this.#status = { state: "sending" };
      const roomForMore = underWay.length < MAX_FRAMES_UNDER_WAY;
      if (roomForMore && (await Promise.race([oldest.answer, this.#nextWake(signal)])) === "woken") continue;
      const message = await oldest.answer;
      underWay.shift();
      if (message.t === "ack") {
        this.#context.confirmed(this, oldest.afterDispute, oldest.sent);
        if (oldest.isQuestion) this.#backoff.reset();
        else this.#acknowledged(oldest.from, oldest.count, message.at ?? []);
      } else {
        await this.#refused(oldest, message, underWay, signal);
        underWay.length = 0;
        next = this.#base;
        afterDispute = -1;
      }
    }
  }

  /** Until there is something to send, or for so long at most. */
  async #idle(ms: number, signal: AbortSignal): Promise<void> {
    const timer = new LinkedAbort(signal);
    this.#context.ports.clock.sleep(ms, timer.signal).then(
      () => this.#more.open(),
      () => undefined,
    );
    try {
      await this.#nextWake(signal);
    } finally {
      timer.abort();
    }
  }

  /** One wait at a time, also across connections: those that were left would pile up. */
  #nextWake(signal: AbortSignal): Promise<"woken"> {
    this.#woken ??= this.#more.wait(signal).then(() => {
      this.#woken = undefined;
      return "woken";
    });
    // Where only an answer is awaited next, an abort must not count as unhandled.
    this.#woken.catch(() => undefined);
    return this.#woken;
  }

  #acknowledged(from: number, count: number, at: readonly number[]): void {
    if (count === 0) return;
    this.#backoff.reset();
    this.#stepBack = FIRST_STEP_BACK;
    const seq = from + count - 1;
    this.#base = seq + 1;
    this.#acknowledgedSeq = Math.max(this.#acknowledgedSeq, seq);
    const event = this.#context.chain.tree.chainAt(seq);
    if (event !== undefined) {
      const { epoch, id } = event;
      this.#context.outbox.note(this.relay, { acknowledged: { epoch, seq, id } });
    }
    this.#context.acknowledged(this, from, at);
    this.#authenticate();
  }

  /**
   * The holder keeps an authenticated connection, so that others see that it is there. A relay that acknowledged
   * something knows the identity, so this is when it can work; what it says changes nothing here.
   */
  #authenticate(): void {
    const { status } = this.#connection;
    if (this.#authenticating !== undefined || (status.state === "open" && status.authenticated)) return;
    this.#authenticating = this.#connection.authenticate(this.#context.authLine).catch(() => undefined);
  }

  /** What goes before a refused entry was taken; what came after it is answered too, and sent again. */
  async #refused(
    flight: Flight,
    message: RefusedMessage,
    later: readonly Flight[],
    signal: AbortSignal,
  ): Promise<void> {
    const refusedSeq = flight.from + (message.i ?? 0);
    if (!flight.isQuestion) {
      this.#acknowledged(flight.from, message.i ?? 0, message.at ?? []);
      this.#base = refusedSeq;
    }
    // Before anything is waited for: effects stop as soon as it is known.
    this.#observe(message);
    for (const { answer } of later) {
      const other = await answer;
      if (other.t === "refused") this.#observe(other);
    }
    switch (message.code) {
      case "gap": {
        const next = message.head === undefined ? 0 : this.#after(message.head);
        this.#base = Math.min(next ?? Math.max(0, refusedSeq - this.#stepBack), refusedSeq);
        this.#stepBack *= 2;
        // The relay says that it has what comes before, and that it hasn't: it must not be asked in a tight loop.
        if (this.#base === refusedSeq) await this.#pause(message, signal);
        return;
      }
      case "identity-needed":
        await this.#sendIdentity(message, signal);
        return;
      case "fenced":
      case "fork":
      case "superseded":
      case "key-not-live":
        // The pen is lost, and this lane with it; or the others say otherwise, and this relay may come to its senses.
        await this.#pause(message, signal, this.#backoff.nextDelayMs());
        return;
      default:
        await this.#pause(message, signal);
    }
  }

  /** Whatever a relay says in passing can end the epoch, if enough of them say so. */
  #observe({ code, message, promised, head }: RefusedMessage): void {
    const { epoch, chain } = this.#context;
    const relay = this.relay.url;
    const facts = { relay, ...(promised === undefined ? {} : { promised }), ...(head === undefined ? {} : { head }) };
    if (code === "fenced" || (promised ?? 0) > epoch || (head?.epoch ?? 0) > epoch) {
      this.#context.disputed(this, { reason: "fenced", ...facts });
    } else if (head !== undefined && head.epoch === epoch && chain.tree.find(head.id, head.seq) === undefined) {
      this.#context.disputed(this, { reason: "foreign-event", relay, head });
    } else if (code === "fork" || code === "superseded") {
      this.#context.disputed(this, { reason: code, relay, ...(head === undefined ? {} : { head }) });
    } else if (code === "key-not-live") this.#context.disputed(this, { reason: code, relay, message });
  }

  async #sendIdentity(refusal: RefusedMessage, signal: AbortSignal): Promise<void> {
    const other = await publishIdentity(this.#connection, this.#context.identity, signal);
    // Sent once without complaint, and it still wants an operation: one that is not known here.
    if (other !== undefined || this.#backoff.attempt > 0) await this.#pause(other ?? refusal, signal);
    else this.#backoff.nextDelayMs();
  }

  async #pause(
    refusal: RefusedMessage,
    signal: AbortSignal,
    delayMs = pauseAskedFor(refusal.retryAfterMs) ?? this.#backoff.nextDelayMs(),
  ): Promise<void> {
    this.#status = { state: "refused", error: errorOfRefusal(refusal), delayMs };
    await this.#context.ports.clock.sleep(delayMs, signal);
  }

  /** The seq after the last event that a relay with this head shares with the chain; undefined where it is not known. */
  #after(head: ChainHead): number | undefined {
    const { tree } = this.#context.chain;
    let at = tree.find(head.id, head.seq);
    while (at !== undefined && !at.onChain) at = tree.before(at);
    return at === undefined ? undefined : at.seq + 1;
  }
}
