import { AntsError, isAntsError } from "../../keys/errors.js";
import { CLAIM_KIND } from "../protocol/event.js";
import { DEFAULT_LIMITS, MAX_FRAME_ENTRIES } from "../protocol/limits.js";
import type { RefusedMessage } from "../protocol/messages.js";
import { errorOfRefusal } from "../protocol/refusal.js";
import { Backoff, pauseAskedFor } from "./backoff.js";
import type { ChainStore } from "./chain-store.js";
import type { RelayConnection } from "./connection.js";
import { LinkedAbort, withDeadline } from "./deadline.js";
import { Gate } from "./gate.js";
import { publishIdentity } from "./identity-exchange.js";
import type { IdentityLog } from "./identity-log.js";
import type { ClientPorts } from "./ports.js";

/** A message on its way: its place in the author's own chain, and whom it is for. */
export interface Carried {
  readonly id: string;
  readonly seq: number;
  readonly to: readonly string[];
}

export interface CourierContext {
  readonly chain: ChainStore;
  /** The author's own log, which a relay needs to know whose events these are. */
  readonly identity: IdentityLog;
  readonly ports: ClientPorts;
  connect(url: string): RelayConnection;
  /** The relay has it on disk. */
  delivered(url: string, id: string): void;
  /** The relay will not have it, as it stands. */
  refused(url: string, id: string, error: AntsError): void;
  /** An attempt failed; there will be another. `unknown`: what was sent and not answered. */
  failed(url: string, error: AntsError, unknown: readonly string[]): void;
}

/** How long one attempt to reach a relay may take. */
const DIAL_TIMEOUT_MS = 10_000;
/** A connection stays this long after its last message: an answer often brings another message. */
const IDLE_MS = 15_000;
const ATTEMPT_BACKOFF = { firstMs: 1_000, maxMs: 300_000 };
/** Messages of one frame: each is at most 64 KiB, and a frame 1 MiB. */
const LETTERS_A_FRAME = 12;
const ENVELOPE_BYTES = 1_024;

/**
 * Brings messages to one relay of somebody else, as events of an agent whose chain is not kept there: event by event, the
 * identity log where the relay asks for it, and the chain where the relay keeps it (an agent that was here before it
 * moved) or has too many single events of this agent. Goes on trying for as long as it runs.
 */
export class Courier {
  readonly url: string;
  readonly #context: CourierContext;
  readonly #queue = new Map<string, Carried>();
  readonly #more = new Gate();
  readonly #backoff: Backoff;
  #connection: RelayConnection | undefined;

  constructor(url: string, context: CourierContext) {
    this.url = url;
    this.#context = context;
    this.#backoff = new Backoff(context.ports.clock, context.ports.random, ATTEMPT_BACKOFF);
  }

  carry(letter: Carried): void {
    this.#queue.set(letter.id, letter);
    this.#more.open();
  }

  /** It goes elsewhere, or nowhere any more. */
  drop(id: string): void {
    this.#queue.delete(id);
  }

  /** Runs until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#queue.size === 0) await this.#rest(signal);
        else await this.#attempt(signal);
      } catch (cause) {
        if (signal.aborted) break;
        await this.#pause(cause, signal);
      }
    }
    await this.#connection?.close();
  }

  /** Waits for more to carry, and leaves the relay when there is none for a while. */
  async #rest(signal: AbortSignal): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return this.#more.wait(signal);
    const idle = () => new AntsError("closed", "nothing more to carry");
    try {
      await withDeadline(this.#context.ports.clock, IDLE_MS, signal, idle, (signal) => this.#more.wait(signal));
    } catch (error) {
      if (!isAntsError(error, "closed") || signal.aborted) throw error;
      await this.#leave();
    }
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const { ports, connect } = this.#context;
    this.#connection ??= connect(this.url);
    const connection = this.#connection;
    const late = () => {
      const { status } = connection;
      if (status.state === "waiting") return status.error;
      return new AntsError("relay-unreachable", `cannot reach the relay ${this.url}`, { details: { url: this.url } });
    };
    // An attempt that failed is known at once; the connection's own next one may be far away.
    const stop = new LinkedAbort(signal);
    const detach = connection.onStatus((status) => {
      if (status.state === "waiting") stop.abort(status.error);
    });
    try {
      if (connection.status.state === "waiting") stop.abort(connection.status.error);
      await withDeadline(ports.clock, DIAL_TIMEOUT_MS, stop.signal, late, (signal) => connection.opened(signal));
    } finally {
      detach();
      stop.dispose();
    }
    while (this.#queue.size > 0) await this.#send(connection, signal);
  }

  async #send(connection: RelayConnection, signal: AbortSignal): Promise<void> {
    const letters = [...this.#queue.values()].sort((a, b) => a.seq - b.seq).slice(0, LETTERS_A_FRAME);
    const lines: Uint8Array[] = [];
    for (const { seq } of letters) lines.push(...(await this.#lines(seq, seq)));
    const unknown = letters.map(({ id }) => id);
    let answer = await this.#asked(connection.publish(lines, { signal }), unknown);
    if (answer.t === "refused" && answer.code === "identity-needed") {
      const other = await publishIdentity(connection, this.#context.identity, signal);
      if (other !== undefined) throw errorOfRefusal(other);
      answer = await this.#asked(connection.publish(lines, { signal }), unknown);
    }
    const taken = answer.t === "ack" ? letters.length : (answer.i ?? 0);
    this.#taken(letters.slice(0, taken));
    if (answer.t === "ack") return;
    const stopped = letters[taken]!;
    if (answer.code === "gap") {
      const refusal = await this.#sendChain(connection, answer, stopped, signal);
      if (refusal === undefined) {
        this.#taken([stopped]);
        return;
      }
      answer = refusal;
    }
    const error = errorOfRefusal(answer);
    if (error.details.retryable === true) throw error;
    this.#queue.delete(stopped.id);
    this.#context.refused(this.url, stopped.id, error);
  }

  #taken(letters: readonly Carried[]): void {
    if (letters.length > 0) this.#backoff.reset();
    for (const { id } of letters) {
      if (this.#queue.delete(id)) this.#context.delivered(this.url, id);
    }
  }

  /**
   * The relay keeps this agent's chain and wants what comes before the message; or it has as many single events of this
   * agent as it takes, and wants the chain from its beginning. Returns its refusal of that, where it refused.
   */
  async #sendChain(
    connection: RelayConnection,
    gap: RefusedMessage,
    letter: Carried,
    signal: AbortSignal,
  ): Promise<RefusedMessage | undefined> {
    const { tree } = this.#context.chain;
    let known = gap.head === undefined ? undefined : tree.find(gap.head.id, gap.head.seq);
    while (known !== undefined && !known.onChain) known = tree.before(known);
    // A relay that keeps none of its recipients' chains has no use for the author's.
    if (gap.head === undefined && !(await hostsOneOf(connection, letter.to, signal))) return gap;
    for (let from = known === undefined ? 0 : known.seq + 1; from <= letter.seq; ) {
      const lines = await this.#lines(from, letter.seq);
      const answer = await this.#asked(connection.publish(lines, { signal }), [letter.id]);
      if (answer.t === "refused") return answer;
      from += lines.length;
    }
    return undefined;
  }

  #lines(fromSeq: number, toSeq: number): Promise<Uint8Array[]> {
    const maxBytes = DEFAULT_LIMITS.maxFrameBytes - ENVELOPE_BYTES;
    return this.#context.chain.read(fromSeq, { maxBytes, maxEntries: MAX_FRAME_ENTRIES, toSeq });
  }

  /** What was sent and not answered is unknown until it is sent again. */
  async #asked<T>(answer: Promise<T>, unknown: readonly string[]): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (isAntsError(error)) this.#context.failed(this.url, error, unknown);
      throw error;
    }
  }

  async #pause(cause: unknown, signal: AbortSignal): Promise<void> {
    const error = isAntsError(cause)
      ? cause
      : new AntsError("relay-protocol", `the relay ${this.url} cannot be used: ${String(cause)}`, { cause });
    this.#context.failed(this.url, error, []);
    await this.#leave();
    const delayMs = pauseAskedFor(error.details.retryAfterMs) ?? this.#backoff.nextDelayMs();
    await this.#context.ports.clock.sleep(delayMs, signal).catch(() => undefined);
  }

  async #leave(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }
}

/** Whether a relay keeps the chain of one of these agents. */
async function hostsOneOf(connection: RelayConnection, dids: readonly string[], signal: AbortSignal): Promise<boolean> {
  const filter = { dids, kinds: [CLAIM_KIND] };
  for await (const { entries } of connection.follow({ after: "start", live: false, filter, signal })) {
    if (entries.length > 0) return true;
  }
  return false;
}
