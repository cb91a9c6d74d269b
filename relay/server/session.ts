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

/** Messages in a row that make no sense (no frame, no message, no entries, no valid auth) before a connection is closed. */
const MAX_STRIKES = 8;
/**
 * Messages that may wait for those before them. What is read from the network at once holds some hundred frames of
 * entries; thousands can only be empty ones, and each costs more memory here than it did on the wire.
 */
const MAX_INBOX = 1_024;
/** Messages handled in one turn. */
const MESSAGES_PER_TURN = 16;

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
  readonly #address: string;
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
  #isWaitingForTurn = false;
  readonly #onBudgetFree = () => {
    if (!this.#isWaitingForTurn) this.#drainInbox();
  };

  constructor({ socket, address, challenge, context }: SessionOptions) {
    this.#socket = socket;
    this.#address = address;
    this.#context = context;
    this.#authentication = new Authentication(challenge, () => context.urls(), context.ledger);
    this.#lane = context.intake.lane({ address, instanceOf: (did) => this.#authentication.instanceOf(did) });
    this.#outlet = new Outlet(socket, context.unsent, () => this.#onSent());
    this.#follows = new Follows({ context, address, viewer: this.#authentication, outlet: this.#outlet });
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
    if (this.#inbox.length > 0 || this.#mustWait()) this.#keep(data);
    else if (this.#context.messages.take(this.#address)) this.#handle(data);
    else {
      this.#keep(data);
      this.#waitForTurn();
    }
  }

  #keep(data: Buffer): void {
    this.#inbox.push(data);
    this.#pause();
    if (this.#inbox.length <= MAX_INBOX) return;
    this.#inbox.length = 0;
    const error = new AntsError("overloaded", `more than ${MAX_INBOX} messages were sent before they were answered`, {
      details: { limit: "waitingMessages", value: MAX_INBOX, retryAfterMs: 1000 },
    });
    this.#sendAnswer(refusedFor(undefined, error));
    this.#socket.close(POLICY_VIOLATION, error.code);
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
    for (let handled = 0; this.#inbox.length > 0 && this.#isOpen && !this.#mustWait(); handled++) {
      if (handled >= MESSAGES_PER_TURN) {
        this.#waitForTurn();
        return;
      }
      this.#handle(this.#inbox.shift()!);
    }
    if (this.#isClosed) return;
    if (this.#inbox.length > 0 && this.#isOpen) this.#pause();
    else if (this.#socket.isPaused) this.#socket.resume();
  }

  #waitForTurn(): void {
    if (this.#isWaitingForTurn) return;
    this.#isWaitingForTurn = true;
    this.#context.turns.run(this.#address, () => {
      this.#isWaitingForTurn = false;
      this.#drainInbox();
    });
  }

  get #isOpen(): boolean {
    return !this.#isClosed && this.#socket.readyState === this.#socket.OPEN;
  }

  #onSent(): void {
    if (this.#socket.isPaused && !this.#isWaitingForTurn) this.#drainInbox();
    this.#follows.wake();
  }

  #handle(data: Buffer): void {
    try {
      const { message, entries, body } = readClientFrame(data, this.#context.limits);
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
        if (this.#refusing(ref, () => this.#follows.add(message))) this.#strikes = 0;
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
      if (answer.isSenseless) this.#strike();
      else this.#strikes = 0;
      if (this.#inbox.length > 0 && !this.#isWaitingForTurn) this.#drainInbox();
    });
  }

  #authenticate(ref: number, line: Uint8Array): void {
    this.#refusing(ref, () => {
      const { did, instance } = this.#authentication.take(line);
      if (this.#authentication.instanceOf(did) !== undefined) this.#context.ledger.seen(did, instance);
      this.#send({ t: "ack", ref, at: [] });
      this.#strikes = 0;
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

/** No envelope with a ref is longer: one that is may cost more to read than it is worth. */
const MAX_ENVELOPE_BYTES = 4_096;

/** The ref that a refused frame asks to be answered by: known from its parsing, or else its envelope may still say. */
function refOf(data: Buffer, { details }: AntsError): number | undefined {
  if (typeof details.ref === "number") return details.ref;
  const newline = data.indexOf(NEWLINE);
  if ((newline < 0 ? data.length : newline) > MAX_ENVELOPE_BYTES) return undefined;
  try {
    const { ref } = JSON.parse(data.toString("utf8", 0, newline < 0 ? data.length : newline)) as { ref?: unknown };
    return Number.isSafeInteger(ref) && (ref as number) >= 0 ? (ref as number) : undefined;
  } catch {
    return undefined;
  }
}
