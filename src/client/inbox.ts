import type { JsonObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { isSealedBody } from "../protocol/private-body.js";
import { isSealedMessage, openMessage } from "../protocol/sealed-message.js";
import { AsyncQueue } from "./async-queue.js";
import type { AuthLine, ConnectionOptions } from "./connection.js";
import type { CursorStore } from "./cursor-store.js";
import { LinkedAbort } from "./deadline.js";
import { InboxIntake } from "./inbox-intake.js";
import type { InboxItem, ReceivedMessage } from "./inbox-item.js";
import type { InboxStore, StoredMessage } from "./inbox-store.js";
import { onAbort } from "./on-abort.js";
import type { ClientPorts } from "./ports.js";
import type { Resolver } from "./resolver.js";
import { Senders } from "./senders.js";

export interface InboxOptions {
  /**
   * `place` of the last message that the caller has processed, kept by the caller together with what it made of it: goes on
   * behind that one, whatever is marked as read. Without it, what is not marked as read is given.
   */
  readonly after?: string;
  /** Gives what is marked as read as well. */
  readonly all?: boolean;
  /** false: ends after everything that is there now. Default true. */
  readonly live?: boolean;
  readonly signal?: AbortSignal;
}

export interface InboxContext {
  readonly did: Did;
  /** URLs of the relays that the agent's identity names now. */
  readonly relays: readonly string[];
  /** Relays that it named before, where messages of those who don't know yet may be. */
  readonly formerRelays?: readonly string[];
  readonly authLine: AuthLine;
  /** X25519 secrets, the present one first, then those of earlier eras. */
  readonly agreeSecrets: readonly Uint8Array[];
  readonly store: InboxStore;
  readonly cursors: CursorStore;
  readonly resolver: Pick<Resolver, "resolve">;
  /** Whether this agent ever wrote to somebody. */
  readonly hasWrittenTo: (did: string) => boolean;
  readonly ports: ClientPorts;
  /** The agent's own identity operations: a live inbox goes where newer ones lead. Without them it stays at its relays. */
  readonly operations?: Iterable<ParsedOperation>;
  readonly connection?: ConnectionOptions;
  /** Runs when it is closed. */
  readonly closed?: () => void;
}

/** Stored messages that wait for the consumer; the relays are not read on while there are more. */
const MAX_WAITING = 4_096;

/**
 * The messages to an agent, from all its relays: each is written into the inbox of the home once, and given from there
 * until it is marked with {@link done} (or, for a caller that keeps places, until it begins behind it). A crash before
 * that gives it again, with the same id; a crash after it never does. One consumer.
 *
 * Ends when `live: false` has given everything that is there, or when it is closed. Throws the signal's reason; and,
 * after everything that is in the home, the last problem where no relay can be read.
 */
export class Inbox implements AsyncIterableIterator<InboxItem> {
  readonly #context: InboxContext;
  readonly #abort: LinkedAbort;
  readonly #queue = new AsyncQueue<StoredMessage | Exclude<InboxItem, { id: string }>>();
  readonly #senders: Senders;
  readonly #detach: () => void;
  readonly #intake: InboxIntake;
  readonly #running: Promise<void>;

  private constructor(context: InboxContext, options: InboxOptions, waiting: readonly StoredMessage[]) {
    this.#context = context;
    const { signal, live = true } = options;
    this.#abort = new LinkedAbort(signal);
    this.#detach = signal === undefined ? () => {} : onAbort(signal, () => this.#queue.abort(signal.reason));
    this.#senders = new Senders(context.resolver, context.ports);
    for (const message of waiting) this.#queue.push(message);
    this.#intake = new InboxIntake(context, {
      live,
      signal: this.#abort.signal,
      stored: (messages) => {
        for (const message of messages) this.#queue.push(message);
      },
      told: (item) => this.#queue.push(item),
      isFull: () => this.#queue.size > MAX_WAITING,
    });
    this.#running = this.#run(signal);
  }

  /** Throws `inbox-changed` for a place in another inbox, `follow-relays` for no relay, disk errors. */
  static async open(context: InboxContext, options: InboxOptions = {}): Promise<Inbox> {
    options.signal?.throwIfAborted();
    const { store } = context;
    const { all = false } = options;
    if (options.after === undefined && !all) return new Inbox(context, options, store.unread());
    const after = options.after === undefined ? 0 : store.numberAt(options.after);
    const waiting = (await store.all()).filter(({ n, event }) => n > after && !store.isBlocked(event.did));
    return new Inbox(context, options, waiting);
  }

  async next(): Promise<IteratorResult<InboxItem>> {
    for (;;) {
      const { value, done } = await this.#queue.next();
      if (this.#queue.size <= MAX_WAITING / 2) this.#intake.goOn();
      if (done === true) return { value: undefined, done: true };
      if (!("n" in value)) return { value, done: false };
      // Somebody was blocked meanwhile.
      if (!this.#context.store.isBlocked(value.event.did)) return { value: await this.#item(value), done: false };
    }
  }

  /** It is processed: it is not given again. Durable when it resolves. Items of another kind than messages are passed over. */
  async done(...items: readonly InboxItem[]): Promise<void> {
    await this.#context.store.markRead(items.flatMap((item) => ("n" in item ? [item.n] : [])));
  }

  /** Ends it; resolves when nothing of it is left running and the inbox is free for others. */
  async close(): Promise<void> {
    this.#abort.abort(new AntsError("closed", "the inbox was closed"));
    this.#intake.goOn();
    this.#detach();
    await this.#running;
    await this.#context.store.close();
    this.#context.closed?.();
  }

  async return(): Promise<IteratorResult<InboxItem>> {
    await this.close();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(given: AbortSignal | undefined): Promise<void> {
    let failure: { error: unknown } | undefined;
    try {
      await this.#intake.run();
    } catch (error) {
      failure = { error };
    }
    if (given?.aborted) this.#queue.abort(given.reason);
    else this.#queue.end(this.#abort.signal.aborted ? undefined : failure);
  }

  async #item(stored: StoredMessage): Promise<InboxItem> {
    const { store, hasWrittenTo, did } = this.#context;
    const { event } = stored.event;
    const { sender, standing } = await this.#senders.judge(event, stored.standing, this.#abort.signal);
    const received: ReceivedMessage = {
      id: event.id,
      n: stored.n,
      place: store.placeOf(stored.n),
      event,
      relay: stored.relay,
      timeMs: event.time,
      firstContact: !hasWrittenTo(event.did) && !store.isAccepted(event.did),
    };
    let opened: { readonly body: JsonObject; readonly sealed: boolean } | AntsError;
    try {
      opened = this.#opened(event);
    } catch (error) {
      if (!isAntsError(error)) throw error;
      opened = error;
    }
    if (standing === "void") {
      const body = "body" in opened ? { body: opened.body } : {};
      return { type: "disowned", ...received, claimedFrom: event.did, ...body };
    }
    if (!("body" in opened)) {
      return { type: "unreadable", ...received, from: sender, code: opened.code, why: opened.message };
    }
    const { body, sealed } = opened;
    const text = typeof body.text === "string" && Object.keys(body).length === 1 ? { text: body.text } : {};
    const to = (event.to ?? [did]) as readonly Did[];
    return { type: "message", ...received, from: sender, to, body, ...text, sealed, standing };
  }

  #opened(event: ReceivedMessage["event"]): { body: JsonObject; sealed: boolean } {
    const { did, agreeSecrets } = this.#context;
    const { body, to = [] } = event;
    if (body === undefined) throw new AntsError("message-sealed", "the message was forgotten by its author");
    if (isSealedBody(body)) throw new AntsError("message-sealed", "it is private to its author");
    if (!isSealedMessage(body)) return { body, sealed: false };
    return { body: openMessage(body, { did, agreeSecrets }, { ...event, to }), sealed: true };
  }
}
