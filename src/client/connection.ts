import type { AntsError } from "../../keys/errors.js";
import { encodeFrame } from "../protocol/frame.js";
import {
  type AckMessage,
  type HelloMessage,
  type PromisedMessage,
  type ReceivedFrame,
  type RefusedMessage,
  type RelayMessage,
  readRelayFrame,
} from "../protocol/messages.js";
import { errorOfRefusal } from "../protocol/refusal.js";
import type { RelayInfo } from "../protocol/relay-info.js";
import { AsyncQueue } from "./async-queue.js";
import { Backoff, pauseAskedFor } from "./backoff.js";
import { closedError, connectionLost, relayProtocol, requestTimeout, sessionError } from "./connection-errors.js";
import { abortable, LinkedAbort, withDeadline } from "./deadline.js";
import type { ClientPorts } from "./ports.js";
import { hangUp, keepAlive, openSession, RECEIVE_LIMITS, type Session, type SessionOptions } from "./session.js";
import { type FollowRequest, Subscription } from "./subscription.js";

export type ConnectionStatus =
  | { readonly state: "connecting"; readonly attempt: number }
  /** `authenticated` tells whether the relay knows who this is; `authError` why not, where it was tried. */
  | {
      readonly state: "open";
      readonly relay: RelayInfo;
      readonly head: HelloMessage["head"];
      readonly authenticated: boolean;
      readonly authError?: AntsError;
    }
  /** Not connected because of `error`; dialled again after `delayMs`. */
  | { readonly state: "waiting"; readonly attempt: number; readonly delayMs: number; readonly error: AntsError }
  | { readonly state: "closed" };

/** Makes the auth line for one connection, from the URL that was dialled and the challenge of its hello. */
export type AuthLine = (to: { readonly relay: string; readonly challenge: string }) => string;

export interface ConnectionOptions extends SessionOptions {
  /** Authenticates every connection from the first on; {@link RelayConnection.authenticate} sets it later. */
  readonly authLine?: AuthLine;
  /** How long an answer may take. Default 20 s. */
  readonly requestTimeoutMs?: number;
  /** Bounds of the full-jitter delay between attempts. Default 250 ms doubling to 30 s. */
  readonly backoff?: { readonly firstMs?: number; readonly maxMs?: number };
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export type PromiseAnswer = ReceivedFrame<PromisedMessage | RefusedMessage>;

interface Pending {
  resolve(frame: ReceivedFrame<RelayMessage>): void;
  reject(error: unknown): void;
}

const REQUEST_TIMEOUT_MS = 20_000;
/** A session that lasted this long was a success: the next failure starts with a short delay again. */
const STABLE_AFTER_MS = 10_000;
/** Status changes kept for an observer that doesn't look; the newest is what counts. */
const MAX_QUEUED_STATUSES = 16;

/**
 * One relay, kept connected: dials, reads the hello, authenticates where an auth line was given, and comes back with
 * full-jitter backoff whenever the connection breaks. Requests are answered by `ref`, several may be under way.
 *
 * What was sent and not answered when a connection broke is *unknown*: such requests fail with `connection-lost` or
 * `request-timeout`, and the caller sends the same bytes again.
 */
export class RelayConnection {
  readonly url: string;
  readonly #ports: ClientPorts;
  readonly #options: ConnectionOptions;
  readonly #backoff: Backoff;
  readonly #abort = new LinkedAbort();
  readonly #listeners = new Set<(status: ConnectionStatus) => void>();
  readonly #pending = new Map<number, Pending>();
  readonly #subscriptions = new Map<number, Subscription>();
  #status: ConnectionStatus = { state: "connecting", attempt: 0 };
  #session: Session | undefined;
  #authLine: AuthLine | undefined;
  #nextRef = 1;
  readonly #running: Promise<void>;

  constructor(url: string, ports: ClientPorts, options: ConnectionOptions = {}) {
    this.url = url;
    this.#ports = ports;
    this.#options = options;
    this.#authLine = options.authLine;
    this.#backoff = new Backoff(ports.clock, ports.random, options.backoff);
    this.#running = this.#run(this.#abort.signal);
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** What the relay said of itself; undefined while not connected. */
  get relay(): RelayInfo | undefined {
    return this.#status.state === "open" ? this.#status.relay : undefined;
  }

  /** Calls back with every later status, in order, until the returned function is called. */
  onStatus(listener: (status: ConnectionStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The status now and every later one; an observer that falls far behind misses old ones. Ends with "closed". */
  async *statuses(signal?: AbortSignal): AsyncGenerator<ConnectionStatus, void, undefined> {
    const queue = new AsyncQueue<ConnectionStatus>();
    queue.push(this.#status);
    const stop = this.onStatus((status) => {
      if (queue.size >= MAX_QUEUED_STATUSES) queue.take();
      queue.push(status);
    });
    try {
      for (;;) {
        const { value, done } = await abortable(queue.next(), signal);
        if (done === true) return;
        yield value;
        if (value.state === "closed") return;
      }
    } finally {
      stop();
    }
  }

  /** Resolves when the connection is open. Rejects with `closed` or the signal's reason, never for an outage. */
  async opened(signal?: AbortSignal): Promise<RelayInfo> {
    for await (const status of this.statuses(signal)) if (status.state === "open") return status.relay;
    throw closedError(`the connection to ${this.url}`);
  }

  /**
   * Authenticates this connection and every later one. Throws what the relay refused with (`auth-failed` …), or
   * `connection-lost`: then the next connection tries again.
   */
  async authenticate(authLine: AuthLine, options?: RequestOptions): Promise<void> {
    this.#authLine = authLine;
    const session = this.#session;
    if (session === undefined) throw connectionLost(this.url);
    await this.#authenticate(session, options);
    if (this.#session === session && this.#status.state === "open") {
      const { authError: _, ...status } = this.#status;
      this.#setStatus({ ...status, authenticated: true });
    }
  }

  /** Sends a publish frame. A refusal is an answer; throws `connection-lost`, `request-timeout`, the signal's reason. */
  async publish(
    lines: Iterable<string | Uint8Array>,
    options: RequestOptions & { epoch?: number } = {},
  ): Promise<AckMessage | RefusedMessage> {
    const { epoch } = options;
    const envelope = { t: "publish", ...(epoch === undefined ? {} : { epoch }) };
    const sent = [...lines];
    const { message } = await this.#request(envelope, sent, options);
    if (message.t === "ack" && (message.at?.length ?? sent.length) === sent.length) return message;
    // An entry beyond the frame would mean that all of it was taken.
    if (message.t === "refused" && (message.i ?? 0) < sent.length) return message;
    if (message.t === "ack" || message.t === "refused") throw this.#broken("answered for entries that were not sent");
    throw this.#broken(`answered a publish with ${message.t}`);
  }

  /** Asks for a promise: a promise line, and the newest identity operation where there is one. Throws as publish. */
  async promise(lines: Iterable<string | Uint8Array>, options: RequestOptions = {}): Promise<PromiseAnswer> {
    const { message, ...frame } = await this.#request({ t: "promise" }, lines, options);
    if (message.t === "promised" || message.t === "refused") return { message, ...frame };
    throw this.#broken(`answered a promise with ${message.t}`);
  }

  /** Follows on the present connection. Throws `connection-lost` where there is none. */
  follow(request: FollowRequest): Subscription {
    const { url } = this;
    const session = this.#session;
    if (session === undefined) throw connectionLost(url);
    const wire = {
      url,
      nextRef: () => this.#nextRef++,
      attach: (ref: number, subscription: Subscription) => this.#subscriptions.set(ref, subscription),
      detach: (ref: number) => this.#subscriptions.delete(ref),
      send: (message: object) => session.socket.send(encodeFrame(message)),
      fail: (error: AntsError) => this.#fail(session, error),
    };
    return new Subscription(wire, request);
  }

  /** Closes for good; what is under way fails with `closed`. Resolves when nothing of it is left running. */
  async close(): Promise<void> {
    this.#abort.abort(closedError(`the connection to ${this.url}`));
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#setStatus({ state: "connecting", attempt: this.#backoff.attempt });
      const startedMs = this.#ports.clock.monotonicMs();
      let error: AntsError;
      try {
        error = await this.#live(signal);
      } catch (cause) {
        error = sessionError(this.url, cause);
      }
      if (signal.aborted) break;
      if (this.#ports.clock.monotonicMs() - startedMs >= STABLE_AFTER_MS) this.#backoff.reset();
      const delayMs = Math.max(this.#backoff.nextDelayMs(), pauseAskedFor(error.details.retryAfterMs) ?? 0);
      this.#setStatus({ state: "waiting", attempt: this.#backoff.attempt, delayMs, error });
      await this.#ports.clock.sleep(delayMs, signal).catch(() => {});
    }
    this.#setStatus({ state: "closed" });
    this.#listeners.clear();
  }

  /** One session from dialling to the end of its socket; returns or throws why it ended. */
  async #live(signal: AbortSignal): Promise<AntsError> {
    const session = await openSession(this.url, this.#ports, this.#options, signal);
    const { socket, hello, over } = session;
    this.#session = session;
    const isOwed = () => [...this.#subscriptions.values()].some(({ isLive }) => isLive);
    const silent = () => this.#fail(session, relayProtocol(this.url, "gives no sign of life"));
    const keepingAlive = keepAlive(session, this.#ports.clock, isOwed, silent);
    const receiving = this.#receive(session).finally(() => {
      over.abort();
      this.#drop(session, session.failure);
      return hangUp(session, this.#ports.clock);
    });
    // Awaited below; until then its failure must not count as unhandled.
    receiving.catch(() => {});
    const authError = this.#authLine === undefined ? undefined : await this.#tryAuthenticate(session);
    if (this.#session === session) {
      this.#setStatus({
        state: "open",
        relay: hello.relay,
        head: hello.head,
        authenticated: this.#authLine !== undefined && authError === undefined,
        ...(authError === undefined ? {} : { authError }),
      });
    }
    await Promise.all([receiving, keepingAlive]);
    if (session.failure !== undefined) return session.failure;
    // A peer that doesn't answer a close frame must not hold up the next attempt.
    return connectionLost(this.url, await Promise.race([socket.closed, Promise.resolve(undefined)]));
  }

  async #receive(session: Session): Promise<void> {
    const { messages } = session.socket;
    try {
      for (;;) {
        const { value, done } = await abortable(messages.next(), session.over.signal);
        if (done === true || this.#session !== session) return;
        this.#dispatch(session, readRelayFrame(value, RECEIVE_LIMITS));
      }
    } finally {
      // What still comes, until the socket is closed, is not kept.
      void messages.return?.();
    }
  }

  #dispatch(session: Session, frame: ReceivedFrame<RelayMessage>): void {
    const { message } = frame;
    switch (message.t) {
      case "hello":
        throw relayProtocol(this.url, "said hello twice");
      case "ack":
      case "promised":
        this.#answer(message.ref, frame);
        return;
      case "refused": {
        if (message.ref === undefined) {
          this.#fail(session, errorOfRefusal(message));
          return;
        }
        const subscription = this.#subscriptions.get(message.ref);
        if (subscription === undefined) this.#answer(message.ref, frame);
        else subscription.fail(errorOfRefusal(message));
        return;
      }
      default:
        this.#subscriptions.get(message.ref)?.receive({ ...frame, message });
    }
  }

  /** An answer to nobody (the caller gave up) is passed over. */
  #answer(ref: number, frame: ReceivedFrame<RelayMessage>): void {
    const pending = this.#pending.get(ref);
    this.#pending.delete(ref);
    pending?.resolve(frame);
  }

  async #request(
    envelope: object,
    lines: Iterable<string | Uint8Array>,
    options: RequestOptions = {},
  ): Promise<ReceivedFrame<RelayMessage>> {
    const { timeoutMs = this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS, signal } = options;
    const session = this.#session;
    if (session === undefined) throw connectionLost(this.url);
    const ref = this.#nextRef++;
    const heardBefore = session.socket.heard;
    const expired = () => {
      // Not one byte in all that time: the connection itself is dead.
      const error = requestTimeout(this.url, timeoutMs);
      if (session.socket.heard === heardBefore) this.#fail(session, error);
      return error;
    };
    try {
      return await withDeadline(this.#ports.clock, timeoutMs, signal, expired, (signal) => {
        const answer = new Promise<ReceivedFrame<RelayMessage>>((resolve, reject) => {
          this.#pending.set(ref, { resolve, reject });
        });
        session.socket.send(encodeFrame({ ...envelope, ref }, lines));
        return abortable(answer, signal);
      });
    } finally {
      this.#pending.delete(ref);
    }
  }

  async #authenticate(session: Session, options?: RequestOptions): Promise<void> {
    const line = this.#authLine!({ relay: this.url, challenge: session.hello.challenge });
    const { message } = await this.#request({ t: "auth" }, [line], options);
    if (message.t === "refused") throw errorOfRefusal(message);
    if (message.t !== "ack") throw this.#broken(`answered an auth line with ${message.t}`);
  }

  async #tryAuthenticate(session: Session): Promise<AntsError | undefined> {
    try {
      await this.#authenticate(session);
      return undefined;
    } catch (error) {
      return sessionError(this.url, error);
    }
  }

  /** Ends a session with an error; the connection then starts anew. */
  #fail(session: Session, error: AntsError): void {
    session.failure ??= error;
    session.over.abort(session.failure);
    this.#drop(session, error);
  }

  #broken(what: string): AntsError {
    const error = relayProtocol(this.url, what);
    if (this.#session !== undefined) this.#fail(this.#session, error);
    return error;
  }

  /** Forgets a session: everything under way on it fails; whether the relay did it is unknown. */
  #drop(session: Session, cause?: AntsError): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    const closing = this.#abort.signal.aborted;
    const error = closing ? closedError(`the connection to ${this.url}`) : connectionLost(this.url, undefined, cause);
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
    for (const subscription of [...this.#subscriptions.values()]) subscription.fail(error);
    this.#subscriptions.clear();
  }

  #setStatus(status: ConnectionStatus): void {
    this.#status = status;
    for (const listener of [...this.#listeners]) listener(status);
  }
}
