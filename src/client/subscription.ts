import type { AntsError } from "../../keys/errors.js";
import type { Filter } from "../protocol/filter.js";
import type {
  CaughtUpMessage,
  EndedMessage,
  EntriesMessage,
  FollowMessage,
  HeadMessage,
  ReceivedFrame,
  UnfollowMessage,
} from "../protocol/messages.js";
import { errorOfRefusal } from "../protocol/refusal.js";
import { AsyncQueue } from "./async-queue.js";
import { relayProtocol } from "./connection-errors.js";
import { onAbort } from "./on-abort.js";

export interface FollowRequest {
  /** A cursor, `start`, or `head` (from now on). */
  readonly after: string;
  readonly filter?: Filter;
  /** false: ends after everything that is there now. Default true. */
  readonly live?: boolean;
  /** Reads on behind a pruned cursor from the oldest entry that is left. */
  readonly allowGap?: boolean;
  /** Ends the follow; the iteration throws its reason. */
  readonly signal?: AbortSignal;
}

/** One frame of a follow; entry lines are views into the received frame. */
export type FollowFrame = ReceivedFrame<EntriesMessage | CaughtUpMessage | HeadMessage>;

type FollowAnswer = ReceivedFrame<EntriesMessage | CaughtUpMessage | HeadMessage | EndedMessage>;

/** Queued bytes at which the relay is asked to stop: some frames are always ready, memory stays small. */
const STOP_AT_QUEUED_BYTES = 4 * 2 ** 20;
/** Queued bytes at which it is asked to go on. */
const RESUME_AT_QUEUED_BYTES = 2 ** 20;
/** What a relay may have under way when it is asked to stop (8 MiB unsent, and socket buffers), twice. */
const MAX_QUEUED_BYTES = STOP_AT_QUEUED_BYTES + 32 * 2 ** 20;

/** What a subscription needs of the connection that it runs on. */
export interface SubscriptionWire {
  readonly url: string;
  nextRef(): number;
  /** Answers with this ref go to the subscription from now on. */
  attach(ref: number, subscription: Subscription): void;
  detach(ref: number): void;
  send(message: FollowMessage | UnfollowMessage): void;
  /** The relay broke the protocol: the connection ends. */
  fail(error: AntsError): void;
}

/**
 * One follow on one connection. Iterating gives its frames in order; it ends when the relay ended it as asked (`live:
 * false`, {@link close}), and throws what the relay ended it with, or `connection-lost`.
 *
 * A consumer that is slower than the relay makes it stop and later go on from the last queued cursor, so that a slow
 * reader holds a few MiB, whatever the length of the log.
 */
export class Subscription implements AsyncIterableIterator<FollowFrame> {
  readonly #wire: SubscriptionWire;
  readonly #request: FollowRequest;
  readonly #queue = new AsyncQueue<FollowFrame>();
  readonly #detachSignal: () => void;
  #queuedBytes = 0;
  #ref: number;
  #state: "running" | "stopping" | "stopped" | "closing" | "ended" = "running";
  #cursor: string;

  constructor(wire: SubscriptionWire, request: FollowRequest) {
    this.#wire = wire;
    this.#request = request;
    this.#cursor = request.after;
    request.signal?.throwIfAborted();
    const { signal } = request;
    this.#detachSignal = signal === undefined ? () => {} : onAbort(signal, () => this.#onAbort(signal));
    this.#ref = this.#follow();
  }

  /** Stops following. Frames that are queued are dropped. */
  close(): void {
    this.#stop();
    void this.#queue.return();
  }

  /** Whether the relay owes it a head now and then, also when nothing happens. */
  get isLive(): boolean {
    return this.#state === "running" && this.#request.live !== false;
  }

  /** Called by the connection with every answer to this follow. */
  receive(frame: FollowAnswer): void {
    const { message } = frame;
    if (message.t === "ended") {
      this.#ended(message);
      return;
    }
    if (this.#state === "closing") return;
    this.#cursor = message.cursor;
    // All of it, since an envelope alone can be as large as a frame may be.
    this.#queuedBytes += frame.size;
    this.#queue.push({ message, entries: frame.entries, body: frame.body, size: frame.size });
    if (this.#queuedBytes > MAX_QUEUED_BYTES) {
      this.#wire.fail(relayProtocol(this.#wire.url, "goes on sending after it was asked to stop"));
    } else if (this.#state === "running" && this.#queuedBytes > STOP_AT_QUEUED_BYTES) {
      this.#state = "stopping";
      this.#wire.send({ t: "unfollow", ref: this.#ref });
    }
  }

  /** Called by the connection when it breaks, or refuses the follow. What is queued is still given out. */
  fail(error: AntsError): void {
    this.#wire.detach(this.#ref);
    this.#finish({ error });
  }

  async next(): Promise<IteratorResult<FollowFrame>> {
    const result = await this.#queue.next();
    if (result.done !== true) {
      this.#queuedBytes -= result.value.size;
      this.#resume();
    }
    return result;
  }

  return(): Promise<IteratorResult<FollowFrame>> {
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #onAbort(signal: AbortSignal): void {
    this.#stop();
    this.#queue.abort(signal.reason);
  }

  #stop(): void {
    if (this.#state === "running") this.#wire.send({ t: "unfollow", ref: this.#ref });
    if (this.#state === "running" || this.#state === "stopping") this.#state = "closing";
    else if (this.#state === "stopped") {
      this.#wire.detach(this.#ref);
      this.#state = "ended";
    }
    this.#queuedBytes = 0;
    this.#detachSignal();
  }

  #finish(failure?: { error: AntsError }): void {
    this.#state = "ended";
    this.#detachSignal();
    this.#queue.end(failure);
  }

  #follow(): number {
    const ref = this.#wire.nextRef();
    const { filter = {}, live = true, allowGap = false } = this.#request;
    this.#wire.attach(ref, this);
    this.#wire.send({ t: "follow", ref, after: this.#cursor, filter, live, ...(allowGap ? { allowGap: true } : {}) });
    return ref;
  }

  /** Goes on where it was stopped, once there is room. Until then it stays attached: a broken connection ends it. */
  #resume(): void {
    if (this.#state !== "stopped" || this.#queuedBytes > RESUME_AT_QUEUED_BYTES) return;
    this.#wire.detach(this.#ref);
    this.#ref = this.#follow();
    this.#state = "running";
  }

  #ended(message: EndedMessage): void {
    if (this.#state === "stopping" && message.code === undefined) {
      this.#state = "stopped";
      this.#resume();
      return;
    }
    this.#wire.detach(this.#ref);
    if (message.code !== undefined) {
      const { code, message: text = code, retryable = false, retryAfterMs, details } = message;
      const refusal = { code, message: text, retryable, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
      this.#finish({ error: errorOfRefusal({ ...refusal, ...(details === undefined ? {} : { details }) }) });
    } else {
      this.#finish();
    }
  }
}
