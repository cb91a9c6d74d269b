/** One WebSocket connection: reads its messages, answers them, and serves its follows. */
import type { WebSocket } from "ws";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { encodeFrame } from "../../src/protocol/frame.js";
import { type ClientMessage, type RelayMessage, readClientFrame, type TreeHead } from "../../src/protocol/messages.js";
import { Authentication } from "./authentication.js";
import { Follows } from "./follows.js";
import { type Answer, type Lane, refusedFor } from "./intake.js";
import { Outlet } from "./outlet.js";
import type { RelayContext } from "./relay-context.js";

/** Messages that make no sense (not a frame, not a message, no valid auth) before a connection is closed. */
const MAX_STRIKES = 32;

const NEWLINE = 0x0a;

/** Close codes (RFC 6455 section 7.4.1). */
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;

export interface SessionOptions {
  readonly socket: WebSocket;
  /** As clientAddress gives it. */
  readonly address: string;
  readonly challenge: string;
  readonly context: RelayContext;
}

export class Session {
  readonly #socket: WebSocket;
  readonly #context: RelayContext;
  readonly #authentication: Authentication;
  readonly #lane: Lane;
  readonly #outlet: Outlet;
  readonly #follows: Follows;
  /** Received and not yet looked at, since answers to earlier ones are outstanding. Bounded: the socket is paused. */
  readonly #inbox: Buffer[] = [];
  #inFlight = 0;
  #strikes = 0;
  #isClosed = false;
  readonly #onBudgetFree = () => this.#drainInbox();

  constructor({ socket, address, challenge, context }: SessionOptions) {
    this.#socket = socket;
    this.#context = context;
    this.#authentication = new Authentication(challenge, () => context.urls(), context.ledger);
    this.#lane = context.intake.lane({ address, instanceOf: (did) => this.#authentication.instanceOf(did) });
    this.#outlet = new Outlet(socket, context.unsent, () => this.#onSent());
    this.#follows = new Follows({ context, viewer: this.#authentication, outlet: this.#outlet });
    socket.on("message", (data: Buffer) => this.#receive(data));
    socket.once("close", () => this.#closed());
  }

  /** True while messages wait for this side, so that the client's silence says nothing. */
  get isPaused(): boolean {
    return this.#socket.isPaused;
  }

  /** Says who this relay is; the first message of every connection. */
  greet(challenge: string, head: TreeHead): void {
    this.#send({ t: "hello", v: 1, relay: this.#context.info(), challenge, head });
  }

  /** Something new is in the log. */
  wake(): void {
    this.#follows.wake();
  }

  /** Called about once a second while the connection is alive; `signOfLife` when it was heard since the last call. */
  beat(signOfLife: boolean): void {
    this.#follows.beat();
    if (!signOfLife) return;
    for (const { did, instance } of this.#authentication.agents()) this.#context.ledger.seen(did, instance);
  }

  /** Ends the connection in order: what is under way is answered first (see Intake.close). */
  close(reason: string): void {
    this.#socket.close(GOING_AWAY, reason);
  }

  #receive(data: Buffer): void {
    if (this.#isClosed || this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#inbox.length > 0 || this.#mustWait()) {
      this.#inbox.push(data);
      this.#pause();
    } else this.#handle(data);
  }

  #mustWait(): boolean {
    const { config, awaiting, unsent } = this.#context;
    if (this.#inFlight >= config.maxInFlightFrames) return true;
    if (this.#outlet.unsentBytes >= config.maxUnsentBytes) return true;
    if (unsent.isExceeded && this.#outlet.unsentBytes > 0) return true;
    return this.#inFlight > 0 && awaiting.isExceeded;
  }

  #pause(): void {
    if (!this.#socket.isPaused) this.#socket.pause();
    if (this.#context.awaiting.isExceeded) this.#context.awaiting.onceFree(this.#onBudgetFree);
  }

  #drainInbox(): void {
    while (!this.#isClosed && this.#inbox.length > 0 && !this.#mustWait()) this.#handle(this.#inbox.shift()!);
    if (this.#isClosed) return;
    if (this.#inbox.length > 0) this.#pause();
    else if (this.#socket.isPaused) this.#socket.resume();
  }

  #onSent(): void {
    if (this.#socket.isPaused) this.#drainInbox();
    this.#follows.wake();
  }

  #handle(data: Buffer): void {
    try {
      const { message, entries, body } = readClientFrame(data, this.#context.limits);
      this.#strikes = 0;
      this.#answer(message, entries, body);
    } catch (error) {
      if (!isAntsError(error)) this.#context.onFault(error);
      const told = isAntsError(error) ? error : new AntsError("internal", "the relay could not process this message");
      this.#sendAnswer(refusedFor(refOf(data, told), told));
      this.#strike();
    }
  }

  #answer(message: ClientMessage, entries: readonly Uint8Array[], body: Uint8Array): void {
    const { ref } = message;
    switch (message.t) {
      case "publish":
      case "promise":
        this.#submit(message, body);
        return;
      case "auth":
        this.#authenticate(ref, entries[0]!);
        return;
      case "follow":
        this.#refusing(ref, () => this.#follows.add(message));
        return;
      case "unfollow":
        this.#refusing(ref, () => this.#follows.remove(ref));
    }
  }

  #submit(message: ClientMessage & { t: "publish" | "promise" }, body: Uint8Array): void {
    const { awaiting } = this.#context;
    const bytes = body.length;
    this.#inFlight += 1;
    awaiting.take(bytes);
    void this.#lane.submit({ ...message, body }).then((answer) => {
      this.#inFlight -= 1;
      awaiting.give(bytes);
      if (this.#isClosed) return;
      this.#sendAnswer(answer);
      if (this.#inbox.length > 0) this.#drainInbox();
    });
  }

  #authenticate(ref: number, line: Uint8Array): void {
    this.#refusing(ref, () => {
      const { did, instance } = this.#authentication.take(line);
      this.#context.ledger.seen(did, instance);
      this.#send({ t: "ack", ref, at: [] });
    }) || this.#strike();
  }

  /** Runs what may throw a refusal; false when it did. */
  #refusing(ref: number, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      if (!isAntsError(error)) throw error;
      this.#sendAnswer(refusedFor(ref, error));
      return false;
    }
  }

  #strike(): void {
    this.#strikes += 1;
    if (this.#strikes >= MAX_STRIKES)
      this.#socket.close(POLICY_VIOLATION, `${MAX_STRIKES} messages in a row made no sense`);
  }

  #sendAnswer({ message, line }: Answer): void {
    this.#send(message, line === undefined ? [] : [line]);
  }

  #send(message: RelayMessage, lines: Uint8Array[] = []): void {
    const frame = encodeFrame(message, lines);
    this.#outlet.send(Buffer.from(frame.buffer, frame.byteOffset, frame.length));
  }

  #closed(): void {
    this.#isClosed = true;
    this.#inbox.length = 0;
    this.#context.awaiting.forget(this.#onBudgetFree);
    this.#follows.close();
    this.#outlet.close();
  }
}

/** The ref that a refused frame asks to be answered by: known from its parsing, or else its envelope may still say. */
function refOf(data: Buffer, { details }: AntsError): number | undefined {
  if (typeof details.ref === "number") return details.ref;
  const newline = data.indexOf(NEWLINE);
  try {
    const { ref } = JSON.parse(data.toString("utf8", 0, newline < 0 ? data.length : newline)) as { ref?: unknown };
    return Number.isSafeInteger(ref) && (ref as number) >= 0 ? (ref as number) : undefined;
  } catch {
    return undefined;
  }
}
