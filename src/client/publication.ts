import type { JsonObject } from "../../keys/canonical.js";
import { AntsError } from "../../keys/errors.js";
import type { ParsedEvent } from "../protocol/event.js";
import type { MessageReader } from "../protocol/sealed-message.js";
import type { Lane } from "./lane.js";
import { onAbort } from "./on-abort.js";

/** What a caller wants to publish; place, id and signature come from the publisher. */
export interface PublishDraft {
  readonly kind: string;
  readonly body: JsonObject;
  /** DIDs that may read it; absent or empty means public. */
  readonly to?: readonly string[];
  readonly tags?: readonly string[];
  /** true: the body is sealed under the agent's state key, readable by the agent alone. */
  readonly private?: boolean;
  /** The body is sealed to these: the recipients in `to` and the author itself, with their agree keys. */
  readonly sealTo?: readonly MessageReader[];
  /** true: salted, for public bodies that could be guessed after they are forgotten. Or the salt itself, 16 bytes. */
  readonly salt?: boolean | Uint8Array;
  /** The author's clock, milliseconds since 1970; now unless given. */
  readonly timeMs?: number;
}

/**
 * When a publication counts as done. `one`: any relay has it. `quorum`: it is committed, so it is on every later chain.
 * `all`: every relay of the identity log has it.
 */
export type Durability = "one" | "quorum" | "all";

/** What is known of one relay and one publication. */
export type RelayResult =
  /** Stored and fsynced at these positions, one an event. */
  | { readonly state: "acknowledged"; readonly at: readonly number[] }
  /** Sent, and not answered: the relay has it or not. It is sent again until it answers. */
  | { readonly state: "unknown" }
  /** Not sent yet; `error` says why, where there is more to it than a queue. */
  | { readonly state: "waiting"; readonly error?: AntsError };

export interface PublishedEvent {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
  /** The exact signed line, without a newline. */
  readonly line: Uint8Array;
}

/** A publication that reached the wanted durability. What relays do later shows in `Publisher.relays()`. */
export interface Publication {
  readonly events: readonly PublishedEvent[];
  readonly durability: Durability;
  /** By relay URL, at the moment when it resolved. */
  readonly relays: Readonly<Record<string, RelayResult>>;
}

export interface PublishOptions {
  /** Default `quorum`. */
  readonly durability?: Durability;
  /** Ends the waiting. What is signed by then is delivered all the same: see `publish-unknown`. */
  readonly signal?: AbortSignal;
}

/** Whether the chain up to a seq has a durability. */
export function isReached(
  durability: Durability,
  seq: number,
  { committedSeq, lanes }: { readonly committedSeq: number; readonly lanes: readonly Lane[] },
): boolean {
  const has = (lane: Lane) => lane.acknowledgedSeq >= seq;
  switch (durability) {
    case "one":
      return lanes.some(has);
    case "quorum":
      return committedSeq >= seq;
    case "all":
      return lanes.every(has);
  }
}

/** One call of publish, from its drafts to its acknowledgements. */
export class PendingPublication {
  readonly drafts: readonly PublishDraft[];
  readonly durability: Durability;
  readonly promise: Promise<Publication>;
  events: readonly ParsedEvent[] = [];
  readonly #at = new Map<Lane, number[]>();
  readonly #signal: AbortSignal | undefined;
  readonly #detach: () => void;
  #state: "queued" | "signing" | "signed" | "settled" = "queued";
  #resolve: (publication: Publication) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #lanes: readonly Lane[] = [];

  constructor(drafts: readonly PublishDraft[], { durability = "quorum", signal }: PublishOptions) {
    this.drafts = drafts;
    this.durability = durability;
    this.#signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#detach = signal === undefined ? () => {} : onAbort(signal, () => this.fail(signal.reason));
  }

  get isQueued(): boolean {
    return this.#state === "queued";
  }

  get isSettled(): boolean {
    return this.#state === "settled";
  }

  get firstSeq(): number {
    return this.events[0]!.event.seq;
  }

  get lastSeq(): number {
    return this.events.at(-1)!.event.seq;
  }

  /** It is being signed: from now on nobody can say that nothing happened. */
  signing(): void {
    if (this.#state === "queued") this.#state = "signing";
  }

  /** It is on the agent's own disk, and on its way to these relays. */
  signed(events: readonly ParsedEvent[], lanes: readonly Lane[]): void {
    this.events = events;
    this.#lanes = lanes;
    if (this.#state !== "settled") this.#state = "signed";
    if (this.#signal?.aborted) this.fail(this.#signal.reason);
  }

  /** The agent's relays are these now: what was signed in an earlier epoch goes to them, with the claim on top of it. */
  movedTo(lanes: readonly Lane[]): void {
    this.#lanes = lanes;
  }

  /** A relay acknowledged the chain from `fromSeq` on, at these positions. */
  acknowledged(lane: Lane, fromSeq: number, at: readonly number[]): void {
    const mine = this.#at.get(lane) ?? [];
    this.#at.set(lane, mine);
    for (const [i, position] of at.entries()) {
      const index = fromSeq + i - this.firstSeq;
      if (index >= 0 && index < this.events.length) mine[index] = position;
    }
  }

  /** Settles it where its durability is reached. `committedSeq`: everything up to there is committed. */
  settleIfDone(committedSeq: number): void {
    if (this.#state !== "signed") return;
    if (!isReached(this.durability, this.lastSeq, { committedSeq, lanes: this.#lanes })) return;
    this.#settle();
    this.#resolve({ events: this.events.map(publishedEvent), durability: this.durability, relays: this.relays() });
  }

  /** The caller stops waiting, or nobody can go on. What is signed may still come to be: that is not a failure. */
  fail(reason: unknown): void {
    if (this.#state === "settled" || this.#state === "signing") return;
    const error = this.#state === "queued" ? reason : this.#unknown(reason);
    this.#settle();
    this.#reject(error);
  }

  /** It could not be signed or stored: nothing of it exists. */
  refuse(error: unknown): void {
    if (this.#state === "settled") return;
    this.#settle();
    this.#reject(error);
  }

  relays(): Record<string, RelayResult> {
    return Object.fromEntries(this.#lanes.map((lane) => [lane.relay.url, this.#resultOf(lane)]));
  }

  #resultOf(lane: Lane): RelayResult {
    if (lane.acknowledgedSeq >= this.lastSeq) return { state: "acknowledged", at: this.#at.get(lane) ?? [] };
    if ((lane.unansweredSeq ?? -1) >= this.firstSeq) return { state: "unknown" };
    const { status } = lane;
    return { state: "waiting", ...("error" in status && status.error !== undefined ? { error: status.error } : {}) };
  }

  #unknown(cause: unknown): AntsError {
    const events = this.events.map(({ id }) => id);
    const what = events.length === 1 ? "the signed event is" : `the ${events.length} signed events are`;
    return new AntsError("publish-unknown", `whether ${what} committed is not known yet`, {
      cause,
      hint: "what is signed is on this disk: the next start sends it, or says that it lost its place; do not publish it again",
      details: { events, relays: this.relays() },
    });
  }

  #settle(): void {
    this.#state = "settled";
    this.#detach();
  }
}

function publishedEvent({ event: { id, epoch, seq }, line }: ParsedEvent): PublishedEvent {
  return { id, epoch, seq, line };
}
