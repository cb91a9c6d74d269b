import { AntsError, isAntsError } from "../../keys/errors.js";
import { RootCache } from "../protocol/batch.js";
import type { ParsedIdentity } from "../protocol/entry.js";
import type { ChainHead, ParsedEvent } from "../protocol/event.js";
import type { Filter } from "../protocol/filter.js";
import type { EntriesMessage, Withheld } from "../protocol/messages.js";
import type { RelayInfo } from "../protocol/relay-info.js";
import type { AuthorChains } from "./author-chains.js";
import { Backoff, drawFraction } from "./backoff.js";
import type { AuthLine, RelayConnection } from "./connection.js";
import { LinkedAbort, withDeadline } from "./deadline.js";
import type { Delivery, FrameEnd } from "./delivery.js";
import { type ProblemItem, problemOf } from "./follow-item.js";
import type { RelayState } from "./follow-state.js";
import { HeadProofs } from "./head-proofs.js";
import type { Identities } from "./identities.js";
import { LogCheck } from "./log-check.js";
import type { ClientPorts } from "./ports.js";
import { ProofCheck } from "./proof-check.js";
import { CURSOR_CODES, FAULT_CODES } from "./reader-faults.js";
import { RelayStory } from "./relay-story.js";
import { requireAuthenticated } from "./require-authenticated.js";
import type { FollowFrame } from "./subscription.js";
import { UnprovenEnds } from "./unproven-ends.js";
import { altered, placesOf, type Slot, verifySlots } from "./verified-slots.js";
import { type WithheldIds, withheldLie } from "./withheld-ids.js";

export interface RelayReaderOptions {
  readonly connection: RelayConnection;
  readonly ports: ClientPorts;
  readonly signal: AbortSignal;
  readonly delivery: Delivery;
  readonly identities: Identities;
  /** Absent where the filter passes over events of a chain: then every event stands for itself. */
  readonly chains: AuthorChains | undefined;
  /** The other relays' connections, for identity logs. */
  readonly others: () => Iterable<RelayConnection>;
  /** Tells of a public event that relays withheld. */
  readonly withheldBy: WithheldIds;
  readonly filter: Filter;
  readonly live: boolean;
  readonly allowGap: boolean;
  readonly proofs: "sampled" | "every" | "none";
  /** Present where the relay is read only as this reader. */
  readonly authLine?: AuthLine;
  /** A cursor, `start` or `head`. */
  readonly after: string;
  /** What was known of this relay when the follow began. */
  readonly known: RelayState | undefined;
  readonly progressed?: () => void;
}

/** How long a follow of what is there waits for a relay to be reached. */
const PATIENCE_MS = 10_000;
const RECONNECT_DELAY_MS = 250;
/** Authors whose identity logs are read before their events; those of more are read as they are needed. */
const MAX_ASKED_FIRST = 16;
/** A relay that was caught lying is read again later: an operator may have repaired it. */
const PAUSE_BACKOFF = { firstMs: 60_000, maxMs: 3_600_000 };

/** Reads one relay of a follow: verifies everything that it shows, and hands on what is good. */
export class RelayReader {
  readonly url: string;
  readonly #options: RelayReaderOptions;
  readonly #story: RelayStory;
  readonly #roots = new RootCache();
  readonly #backoff: Backoff;
  #cursor: string | undefined;
  #state: Pick<RelayState, "stream" | "key"> | undefined;
  #logCheck: LogCheck | undefined;
  #proofs: HeadProofs | undefined;
  /** Absent where nothing is to be proven. */
  #unproven: UnprovenEnds | undefined;
  #proofFault: AntsError | undefined;
  #lastProblem = "";
  isCaughtUp = false;

  constructor(options: RelayReaderOptions) {
    const { connection, ports, known, after } = options;
    this.url = connection.url;
    this.#options = options;
    this.#state = known;
    this.#cursor = known?.cursor;
    this.#story = new RelayStory(known === undefined && after === "start", known?.authors);
    this.#backoff = new Backoff(ports.clock, ports.random, PAUSE_BACKOFF);
  }

  /** Whether this relay keeps an author's chain, as far as it showed. */
  hosts(did: string): boolean {
    return this.#story.hosts(did);
  }

  /** Whether it has shown an author's chain up to this event. */
  reached(did: string, { epoch, seq }: ChainHead): boolean {
    const tip = this.#story.tip(did);
    return tip !== undefined && tip.seq >= seq && tip.epoch >= epoch;
  }

  /** Whether nothing more is to be had of it now: everything was read, or there is no connection. */
  get isExhausted(): boolean {
    return this.isCaughtUp || this.#options.connection.status.state !== "open";
  }

  /**
   * Reads until the signal aborts, the relay ended the follow as asked, or nothing can be read any more: then the
   * problem is returned.
   */
  async run(): Promise<AntsError | undefined> {
    const { signal, live, ports } = this.#options;
    const stopWatching = this.#options.connection.onStatus((status) => {
      if (status.state === "waiting" && live) this.#problem(status.error, "paused");
    });
    const pausing = new LinkedAbort(signal);
    try {
      while (!signal.aborted) {
        try {
          const info = await this.#open();
          await this.#read(info);
          if (!live) break;
        } catch (error) {
          if (signal.aborted) break;
          const failure = this.#proofFault ?? error;
          this.#proofFault = undefined;
          if (!isAntsError(failure)) throw failure;
          const verdict = this.#verdict(failure);
          if (verdict === "stopped") return failure;
          if (verdict === "paused") await this.#backoff.wait(pausing.signal).catch(() => undefined);
          // The connection has a backoff of its own; this only keeps a relay that ends every follow from a tight loop.
          else {
            const delayMs = RECONNECT_DELAY_MS * drawFraction(ports.random);
            await ports.clock.sleep(delayMs, pausing.signal).catch(() => undefined);
          }
        }
      }
      return undefined;
    } finally {
      pausing.dispose();
      stopWatching();
    }
  }

  /** What an error of a session means for the reading; problems are told of here. */
  #verdict(error: AntsError): "stopped" | "paused" | "reconnect" {
    if (CURSOR_CODES.has(error.code)) {
      this.#problem(this.#withEvidence(error), "stopped");
      return "stopped";
    }
    // A read of what is there now is not worth waiting for a repair.
    if (FAULT_CODES.has(error.code)) {
      const verdict = this.#options.live ? "paused" : "stopped";
      this.#problem(error, verdict);
      return verdict;
    }
    if (error.code === "connection-lost" || error.code === "request-timeout") return "reconnect";
    const isStopped = error.code === "relay-unreachable" || error.details.retryable === false;
    this.#problem(error, isStopped ? "stopped" : "paused");
    return isStopped ? "stopped" : "paused";
  }

  async #open(): Promise<RelayInfo> {
    const { connection, live, ports, signal } = this.#options;
    if (live) return connection.opened(signal);
    const { status } = connection;
    const late = () =>
      status.state === "waiting"
        ? status.error
        : new AntsError("relay-unreachable", `cannot reach the relay ${this.url} within ${PATIENCE_MS} ms`, {
            details: { url: this.url },
          });
    return withDeadline(ports.clock, PATIENCE_MS, signal, late, (signal) => connection.opened(signal));
  }

  async #read(info: RelayInfo): Promise<void> {
    const { connection, filter, live, allowGap, after, authLine, signal } = this.#options;
    this.#meet(info);
    this.isCaughtUp = false;
    if (authLine !== undefined) await requireAuthenticated(connection, authLine, signal);
    const abort = new LinkedAbort(signal);
    const fault = (error: AntsError) => {
      this.#proofFault = error;
      abort.abort(error);
    };
    try {
      const { status } = connection;
      if (status.state === "open") this.#head(status.head.checkpoint, fault, abort.signal);
      // Whoever is asked for by name is judged by all that this relay knows: what a rotate made void is void at once.
      const named = (filter.dids ?? []).slice(0, MAX_ASKED_FIRST);
      await Promise.all(named.map((did) => this.#options.identities.read(did, connection, abort.signal)));
      const from = this.#cursor ?? after;
      for await (const frame of connection.follow({ after: from, filter, live, allowGap, signal: abort.signal })) {
        await this.#frame(frame, fault, abort.signal);
      }
      await this.#proofs?.settled();
      if (this.#proofFault !== undefined) throw this.#proofFault;
      if (!live) this.#unproven?.end();
    } finally {
      abort.abort();
      await this.#proofs?.settled();
    }
  }

  /** The relay must be who it was, and its tree is checked from where it is known. */
  #meet({ stream, key }: RelayInfo): void {
    const before = this.#state;
    if (before !== undefined && before.stream !== stream) {
      throw new AntsError("stream-changed", `${this.url} has another log now: ${stream} instead of ${before.stream}`, {
        hint: "read it from the start, or drop it",
        details: { url: this.url, stream, expected: before.stream },
      });
    }
    if (before !== undefined && before.key !== key) {
      throw new AntsError("relay-key-changed", `${this.url} signs its tree heads with another key now`, {
        details: { url: this.url, stream, key, expected: before.key },
      });
    }
    this.#state = { stream, key };
    if (this.#logCheck !== undefined || this.#proofs !== undefined) return;
    const { known, filter, proofs, after, ports, signal } = this.#options;
    const relay = { url: this.url, stream, key };
    const isUnfiltered = Object.keys(filter).length === 0;
    if (isUnfiltered && (known?.frontier !== undefined || (known === undefined && after === "start"))) {
      this.#logCheck = new LogCheck(relay, known);
    } else if (proofs !== "none") {
      const checkpoint = known?.checkpoint === undefined ? {} : { checkpoint: known.checkpoint };
      const unproven = new UnprovenEnds({
        url: this.url,
        clock: ports.clock,
        signal,
        tell: (error) => this.#problem(error, "reading"),
      });
      this.#unproven = unproven;
      this.#proofs = new HeadProofs(new ProofCheck({ relay, ports, signal, ...checkpoint }), {
        samples: proofs,
        random: ports.random,
        proven: (size) => this.#save(unproven.proven(size)),
        failed: (error) => unproven.failed(error),
      });
    }
  }

  async #frame(frame: FollowFrame, fault: (error: AntsError) => void, signal: AbortSignal): Promise<void> {
    const { message, entries } = frame;
    const { delivery } = this.#options;
    switch (message.t) {
      case "entries":
        await this.#entries(message, entries);
        break;
      case "caught-up":
        this.#logCheck?.take([], message.cursor);
        this.#passed(message.cursor, [], []);
        this.isCaughtUp = true;
        delivery.push({ type: "caught-up", relay: this.url, cursor: message.cursor });
        this.#backoff.reset();
        if (this.#lastProblem.startsWith("relay-unreachable") || this.#lastProblem.startsWith("connection-lost")) {
          this.#lastProblem = "";
        }
        break;
      case "head":
        this.#logCheck?.take([], message.cursor);
        this.#passed(message.cursor, [], []);
        this.#head(message.checkpoint, fault, signal);
    }
    this.#options.progressed?.();
    await delivery.room(signal);
  }

  /**
   * A frame of entries. What verifies is handed on, whatever else is in the frame; the cursor moves only when all of
   * it verifies, and the log as a whole with it.
   */
  async #entries(message: EntriesMessage, lines: readonly Uint8Array[]): Promise<void> {
    const verified = verifySlots(this.url, this.#options.filter, this.#roots, message, lines);
    const { slots } = verified;
    let fault = verified.fault ?? this.#faultOfLog(slots, message.cursor);
    const shown: string[] = [];
    const authors = new Map<string, ChainHead>();
    for (const slot of slots) {
      const { at } = slot;
      if ("withheld" in slot) this.#withheld(slot.withheld);
      else if (slot.entry.type === "identity") await this.#identity(slot.entry, at);
      else if (slot.entry.type === "promise") {
        this.#options.delivery.push({ type: "promise", relay: this.url, at, promise: slot.entry });
      } else {
        fault = (await this.#event(slot.entry, at, fault === undefined)) ?? fault;
        shown.push(slot.entry.id);
        const tip = this.#story.tip(slot.entry.did);
        if (tip !== undefined) authors.set(slot.entry.did, tip);
      }
    }
    if (fault !== undefined) throw fault;
    this.#proofs?.served(placesOf(slots));
    this.#passed(message.cursor, shown, [...authors]);
  }

  /** Takes a frame into the log's tree; returns what is wrong with it. */
  #faultOfLog(slots: readonly Slot[], cursor: string): AntsError | undefined {
    try {
      this.#logCheck?.take(placesOf(slots), cursor);
      return undefined;
    } catch (error) {
      if (isAntsError(error)) return error;
      throw error;
    }
  }

  /** Hands on an event; returns what is wrong with it. A hole in a frame that is at fault needs no mention of its own. */
  async #event(parsed: ParsedEvent, at: number, tellsOmission: boolean): Promise<AntsError | undefined> {
    const { identities, chains, delivery, connection, others, signal, withheldBy } = this.#options;
    const { event } = parsed;
    const standing =
      identities.standingNow(event) ?? (await identities.standing(event, [connection, ...others()], signal));
    if (standing === undefined) return altered(this.url, event.id, `no operation of ${event.did} names its key`);
    if (event.to === undefined) {
      for (const relay of withheldBy.take(event.id)) delivery.push(withheldLie(relay, event));
    }
    if (chains === undefined || standing === "void") {
      const isGiven = delivery.has(event.id) || chains?.has(event) === true;
      if (!isGiven) delivery.push({ type: "event", event: parsed, relay: this.url, at, standing });
      return undefined;
    }
    const omission = this.#story.show(event);
    if (omission !== undefined && tellsOmission) {
      const { fromSeq, toSeq } = omission;
      const what = fromSeq === toSeq ? `event ${fromSeq}` : `events ${fromSeq} to ${toSeq}`;
      const details = { url: this.url, did: event.did, fromSeq, toSeq, before: event.id };
      const text = `${this.url} hides ${what} of ${event.did}`;
      this.#problem(new AntsError("relay-omitted", text, { details }), "reading");
    }
    const waiting = chains.give({ parsed, standing, relay: this.url, at });
    if (waiting !== undefined) await waiting;
    return undefined;
  }

  #withheld({ at, id, did, seq }: Withheld): void {
    const { chains, delivery, withheldBy } = this.#options;
    this.#story.withhold(did, seq, id);
    chains?.hide(did, seq, id);
    if (chains?.isPublic(did, seq, id)) delivery.push(withheldLie(this.url, { did, seq, id }));
    else if (withheldBy.add(id, this.url)) delivery.push({ type: "withheld", relay: this.url, at, did, seq, id });
  }

  async #identity({ operation, did }: ParsedIdentity, at: number): Promise<void> {
    const { identities, connection, delivery, signal } = this.#options;
    const log = identities.logOf(did);
    if (!log.has(operation.hash) && !identities.add(operation)) await identities.read(did, connection, signal);
    if (!log.has(operation.hash) || !identities.tell(operation.hash)) return;
    delivery.push({ type: "identity", relay: this.url, at, operation, resolution: log.resolution });
  }

  /** Everything up to a cursor was handed on. */
  #passed(cursor: string, shown: readonly string[], authors: readonly (readonly [string, ChainHead])[]): void {
    this.#cursor = cursor;
    const { stream, key } = this.#state!;
    const frontier = this.#logCheck === undefined ? {} : { frontier: this.#logCheck.frontier };
    const end = { relay: this.url, state: { stream, cursor, key, ...frontier }, authors, shown };
    this.#save(this.#unproven?.hold(end) ?? [end]);
  }

  /** What is proven, or needs no proof, becomes the state once the consumer has it. */
  #save(ends: readonly FrameEnd[]): void {
    const checkpoint = this.#logCheck?.checkpoint ?? this.#proofs?.checkpoint;
    for (const end of ends) {
      const state = checkpoint === undefined ? end.state : { ...end.state, checkpoint };
      this.#options.delivery.end({ ...end, state });
    }
  }

  /** A signed head: compared with the tree here, or proven in the background. */
  #head(note: string, fault: (error: AntsError) => void, signal: AbortSignal): void {
    this.#logCheck?.head(note);
    this.#proofs?.head(note, fault, signal);
  }

  /** Tells of a problem, once for as long as it stays the same. */
  #problem(error: AntsError, relayIs: ProblemItem["relayIs"]): void {
    const key = `${error.code} ${error.details.position ?? error.details.expected ?? error.details.before ?? ""}`;
    if (key === this.#lastProblem) return;
    this.#lastProblem = key;
    this.#options.delivery.push(problemOf(this.url, error, relayIs));
  }

  #withEvidence(error: AntsError): AntsError {
    const checkpoint = this.#logCheck?.checkpoint ?? this.#proofs?.checkpoint ?? this.#options.known?.checkpoint;
    if (checkpoint === undefined) return error;
    return new AntsError(error.code, error.message, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      details: { ...error.details, cursor: this.#cursor, checkpoint },
    });
  }
}
