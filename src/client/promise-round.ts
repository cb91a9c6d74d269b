import { AntsError, isAntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { type RelaySet, relaySetOf, relaySetsBetween } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { ChainHead } from "../protocol/event.js";
import { MAX_BRANCHES_TOLD } from "../protocol/limits.js";
import type { PromisedMessage, RefusedMessage } from "../protocol/messages.js";
import { createPromise } from "../protocol/promise.js";
import { Backoff, pauseAskedFor } from "./backoff.js";
import { fetchChain } from "./chain-fetch.js";
import type { TreeEvent } from "./chain-tree.js";
import type { RelayConnection } from "./connection.js";
import { relayProtocol } from "./connection-errors.js";
import { LinkedAbort, withDeadline } from "./deadline.js";
import type { EpochsSeen } from "./epochs-seen.js";
import { type BaseCandidate, chooseBase, TWO_HISTORIES } from "./fork-choice.js";
import { fetchIdentity, publishIdentity } from "./identity-exchange.js";
import { onAbort } from "./on-abort.js";
import { authLineOf, type PenContext, requireState } from "./pen-context.js";
import type { PenHolder } from "./pen-holder.js";
import { hasQuorum, relayKey, relaysOf } from "./quorum.js";
import { grantedAnswer, isFatal, knowsAll, type RelayAnswer, refusedAnswer } from "./relay-answer.js";

export type RoundOutcome =
  | {
      readonly kind: "granted";
      /** What the claim builds on: the highest of the granted heads and the own chain; undefined where there is none. */
      readonly base: TreeEvent | undefined;
      /** The newest operation that was known when it was decided; the claim names it. */
      readonly operation: ParsedOperation;
      /** Every relay set of which a quorum must acknowledge the claim; the newest is among them. */
      readonly sets: readonly RelaySet[];
      /** Heads of the relays that promised, by relay key. */
      readonly heads: ReadonlyMap<string, ChainHead | undefined>;
    }
  | { readonly kind: "held"; readonly holder: PenHolder }
  | { readonly kind: "outbid"; readonly answers: ReadonlyMap<string, RelayAnswer> }
  /** The chain went on past the hand-over that was named: more relays say so than may lie. */
  | { readonly kind: "handover-used" }
  /** A quorum of some set cannot be had, or not in time. */
  | ({ readonly kind: "no-quorum"; readonly answers: ReadonlyMap<string, RelayAnswer> } & Partial<
      typeof TWO_HISTORIES
    >);

/** Why a holder that seems alive may be passed over. */
interface Reasons {
  /** An earlier run of this home. */
  readonly after?: string;
  /** Id of the holder's own hand-over. */
  readonly handover?: string;
}

interface AskedLine {
  readonly line: string;
  readonly reasons: Reasons;
}

export interface RoundOptions {
  readonly epoch: number;
  readonly takeover: boolean;
  /** Id of the hand-over to this instance. */
  readonly handover?: string;
  /** Ids of the claims that this attempt signed in earlier rounds. */
  readonly ownClaims?: ReadonlySet<string>;
  readonly seen: EpochsSeen;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Asks every relay of every relevant set for the promise of one epoch, reads what they hold, and answers as soon as it
 * is decided: a quorum of each set granted, or that cannot come about any more. Which sets are relevant follows from
 * the newest claim that was read, so more relays may be asked as more is learnt (protocol.md, "The pen").
 *
 * Throws `key-not-live`, `identity-conflicted`, `identity-operation-unknown`, or the signal's reason.
 */
export async function promiseRound(context: PenContext, options: RoundOptions): Promise<RoundOutcome> {
  const round = new PromiseRound(context, options);
  return round.run();
}

class PromiseRound {
  readonly #context: PenContext;
  readonly #options: RoundOptions;
  readonly #answers = new Map<string, RelayAnswer>();
  /** What each relay was asked with last. */
  readonly #lines = new Map<string, AskedLine>();
  readonly #asking: Promise<void>[] = [];
  readonly #abort: LinkedAbort;
  #settle: (outcome: RoundOutcome) => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(context: PenContext, options: RoundOptions) {
    this.#context = context;
    this.#options = options;
    this.#abort = new LinkedAbort(options.signal);
  }

  async run(): Promise<RoundOutcome> {
    const { timeoutMs, signal } = this.#options;
    const { clock } = this.#context.ports;
    const tooLate = new AntsError("no-quorum", "not enough relays answered in time");
    try {
      return await withDeadline(
        clock,
        timeoutMs,
        signal,
        () => tooLate,
        (signal) => {
          return new Promise<RoundOutcome>((resolve, reject) => {
            this.#settle = resolve;
            this.#fail = reject;
            onAbort(signal, () => reject(signal.reason));
            this.#evaluate();
          });
        },
      );
    } catch (error) {
      if (error === tooLate) return this.#undecided();
      throw error;
    } finally {
      this.#abort.abort();
      await Promise.all(this.#asking);
    }
  }

  /** Looks at all answers so far: asks whom it must, and settles when nothing that may still come can matter. */
  #evaluate(): void {
    try {
      const choice = this.#base();
      const base = choice === "undecided" ? this.#context.chain.head : choice;
      const from = this.#claimedUnder(base);
      const isKnown = from === undefined || this.#context.identity.has(from);
      const sets = this.#sets(isKnown ? from : undefined);
      this.#options.seen.among(sets);
      for (const relay of relaysOf(sets)) {
        const key = relayKey(relay);
        const answer = this.#answers.get(key);
        // A relay that promised before more was learnt is told of it, with the identical line: does its promise stand?
        if (answer !== undefined && (answer.state !== "granted" || knowsAll(answer, this.#context.identity))) continue;
        this.#answers.set(key, { state: "asking" });
        this.#asking.push(this.#ask(relay, key));
      }
      if (!isKnown) {
        // A crash left a claim on this disk whose operation is not: a relay that has the claim has that as well.
        if (this.#isAsking) return;
        // Whoever promised more, or holds for another, told nothing of it; asked anew, above what was promised, it does.
        if ([...this.#answers.values()].some(({ state }) => state === "outbid" || state === "held")) {
          this.#settle(this.#undecided());
          return;
        }
        this.#sets(from);
      }
      const granted = (key: string) => this.#answers.get(key)?.state === "granted";
      if (choice === "undecided") {
        if (!this.#isAsking) this.#settle(this.#undecided());
      } else if (sets.every((set) => hasQuorum(set, granted))) {
        this.#settle({ kind: "granted", operation: this.#context.identity.newest!, base, sets, heads: this.#heads() });
        return;
      }
      const possible = (key: string) => granted(key) || this.#answers.get(key)?.state === "asking";
      if (!sets.every((set) => hasQuorum(set, possible))) this.#settle(this.#undecided());
    } catch (error) {
      this.#fail(error);
    }
  }

  get #isAsking(): boolean {
    return [...this.#answers.values()].some(({ state }) => state === "asking");
  }

  /** Why there is no quorum: a live holder (more say so than may lie) says most, then a race, then the rest. */
  #undecided(): RoundOutcome {
    const answers = [...this.#answers.values()];
    const { faults } = this.#context.identity.newest!.op;
    const held = answers.filter((answer) => answer.state === "held");
    if (held.length > faults) return { kind: "held", holder: held[0]!.holder };
    if (answers.some(({ state }) => state === "outbid")) return { kind: "outbid", answers: this.#answers };
    const used = answers.filter((answer) => answer.state === "refused" && answer.error.code === "handover-used");
    if (used.length > faults) return { kind: "handover-used" };
    const isForked = this.#base() === "undecided";
    return { kind: "no-quorum", answers: this.#answers, ...(isForked ? TWO_HISTORIES : {}) };
  }

  #base(): TreeEvent | "undecided" | undefined {
    const { chain, identity } = this.#context;
    const { tree, head } = chain;
    const candidates: BaseCandidate[] = head === undefined ? [] : [{ event: head }];
    for (const [relay, named] of this.#heads()) {
      const event = named === undefined ? undefined : tree.find(named.id, named.seq);
      if (event !== undefined) candidates.push({ event, relay });
    }
    const isKnown = (relay: string) => this.#answers.get(relay)?.state === "granted";
    const setOf = (event: TreeEvent) => {
      const hash = this.#claimedUnder(event);
      const operation = identity.operations().find((operation) => operation.hash === hash);
      return operation === undefined ? undefined : relaySetOf(operation);
    };
    return chooseBase({ tree, candidates, isKnown, setOf });
  }

  /** The operation that the newest claim before a place was made under. */
  #claimedUnder(place: ChainHead | undefined): string | undefined {
    const { chain } = this.#context;
    const claim = place === undefined ? undefined : chain.tree.claimBefore(place);
    return claim === undefined ? undefined : chain.claim(claim.id)?.identity;
  }

  #sets(from: string | undefined): RelaySet[] {
    const { identity } = this.#context;
    const state = requireState(this.#context);
    const sets = relaySetsBetween(state, from);
    const newest = relaySetOf(identity.newest!);
    if (newest.relays.length > 0) return [...sets, newest];
    throw new AntsError("no-relays", `the identity of ${this.#context.did} names no relay`, {
      hint: "name relays in the identity log first",
    });
  }

  #heads(): Map<string, ChainHead | undefined> {
    const heads = new Map<string, ChainHead | undefined>();
    for (const [key, answer] of this.#answers) if (answer.state === "granted") heads.set(key, answer.head);
    return heads;
  }

  /** Asks one relay until it gave an answer that counts, or the round is over; never rejects. */
  async #ask(relay: RelayAddress, key: string): Promise<void> {
    const { signal } = this.#abort;
    const { ports, relays, identity } = this.#context;
    const connection = relays.get(relay.url);
    const backoff = new Backoff(ports.clock, ports.random, { firstMs: 250, maxMs: 2_000 });
    // Asked again, it must be the identical line: any other would ask for what is promised already.
    let { line, reasons } = this.#lines.get(key) ?? this.#promiseLine(relay, key, reasonsOf(this.#options));
    let published = 0;
    while (!signal.aborted) {
      try {
        const info = await connection.opened(signal);
        if (info.stream !== relay.stream) {
          this.#answer(key, { state: "wrong-stream", stream: info.stream });
          return;
        }
        // With the newest identity operation, and the ends of all other branches; the relay stores them first.
        const { head, ends } = requireState(this.#context);
        const told = ends.includes(head) ? new Set([head, ...ends]) : ends;
        const { size } = identity;
        const request = [line, ...[...told].slice(0, MAX_BRANCHES_TOLD).map(({ line }) => line)];
        const { message, entries } = await connection.promise(request, { signal });
        if (message.t === "promised") {
          if (message.epoch !== this.#options.epoch) throw relayProtocol(relay.url, "promised another epoch");
          await this.#learn(connection, message, entries);
          const answer = grantedAnswer(message);
          const isAllTold = identity.size === size;
          if (isAllTold && !knowsAll(answer, identity)) throw relayProtocol(relay.url, "lacks what it was sent");
          this.#answer(key, answer);
          return;
        }
        this.#saw(relay.url, message);
        let answer = await this.#refused(connection, relay, message, reasons);
        if (answer === "ask-again" && published++ < MOST_PUBLISHED) continue;
        if (answer === "ask-again") answer = refusedAnswer(message);
        if (answer !== undefined && "reasons" in answer) {
          ({ line, reasons } = this.#promiseLine(relay, key, answer.reasons));
        } else if (answer !== undefined) {
          this.#answer(key, answer);
          return;
        } else await ports.clock.sleep(pauseAskedFor(message.retryAfterMs) ?? backoff.nextDelayMs(), signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!isAntsError(error) || isFatal(error)) {
          this.#fail(error);
          return;
        }
        if (error.code === "relay-omitted" || error.code === "relay-altered") {
          this.#answer(key, { state: "refused", error });
          return;
        }
        this.#answers.set(key, { state: "asking", error });
        if (connection.status.state === "closed") return;
        await backoff.wait(signal).catch(() => undefined);
      }
    }
  }

  #answer(key: string, answer: RelayAnswer): void {
    this.#answers.set(key, answer);
    this.#evaluate();
  }

  #saw(url: string, { promised, head }: Pick<RefusedMessage, "promised" | "head">): void {
    this.#options.seen.told(url, promised);
    this.#options.seen.told(url, head?.epoch);
  }

  #promiseLine({ stream }: RelayAddress, key: string, reasons: Reasons): AskedLine {
    const { did, instance, seed, ports } = this.#context;
    const { epoch, takeover } = this.#options;
    const timeMs = ports.clock.nowMs();
    const line = createPromise({ did, epoch, stream, instance, timeMs, takeover, seed, ...reasons });
    const asked = { line, reasons };
    this.#lines.set(key, asked);
    return asked;
  }

  /**
   * "ask-again" now, other reasons to ask again with, an answer that counts, or undefined: ask again later.
   */
  async #refused(
    connection: RelayConnection,
    relay: RelayAddress,
    message: RefusedMessage,
    reasons: Reasons,
  ): Promise<RelayAnswer | "ask-again" | { readonly reasons: Reasons } | undefined> {
    const { earlierInstances, identity } = this.#context;
    const { signal } = this.#abort;
    switch (message.code) {
      case "held": {
        const { holder, seenMs } = message.details ?? {};
        const instance = typeof holder === "string" ? holder : "unknown";
        if (reasons.after === undefined && earlierInstances.has(instance)) {
          return { reasons: { ...reasons, after: instance } };
        }
        return {
          state: "held",
          holder: { instance, relay: relay.url, ...(typeof seenMs === "number" ? { seenMs } : {}) },
        };
      }
      case "handover-used":
        // Where this process's own claim follows the hand-over, it is the holder there already.
        return reasons.handover !== undefined && this.#options.ownClaims?.has(message.head?.id ?? "")
          ? { reasons: {} }
          : refusedAnswer(message);
      case "fenced":
      case "epoch-order":
        return { state: "outbid" };
      case "wrong-stream":
        return { state: "wrong-stream", stream: connection.relay?.stream ?? "unknown" };
      case "identity-needed": {
        const refusal = await publishIdentity(connection, identity, signal);
        if (refusal === undefined) return "ask-again";
        return refusal.retryable ? undefined : refusedAnswer(refusal);
      }
      case "key-not-live":
        await this.#readIdentity(connection);
        requireState(this.#context);
        return refusedAnswer(message);
      default:
        return message.retryable ? undefined : refusedAnswer(message);
    }
  }

  /** Takes in what a promise came with: a newer identity operation, and the events that lead to the relay's head. */
  async #learn(connection: RelayConnection, message: PromisedMessage, entries: readonly Uint8Array[]): Promise<void> {
    const { chain, identity, outbox } = this.#context;
    const { signal } = this.#abort;
    const before = new Set(identity.operations());
    for (const line of entries) identity.add(line);
    const named = [message.identity, ...(message.branches ?? [])];
    const isKnown = () => named.every((hash) => identity.has(hash));
    if (!isKnown()) await fetchIdentity(connection, identity, signal);
    await this.#identityGrew(before);
    if (!isKnown()) throw relayProtocol(connection.url, "named operations that it does not send");
    const { head } = message;
    if (head !== undefined && chain.tree.find(head.id, head.seq) === undefined) {
      // Its own addressed events are served to an authenticated agent only.
      await connection.authenticate(authLineOf(this.#context), { signal });
      await fetchChain({ connection, chain, outbox, wanted: head, signal });
    }
    // Every claim's operation, not the newest one's alone: a relay takes the chain only with all of them.
    for (const named of chain.operationsNamed()) {
      if (identity.has(named)) continue;
      await this.#readIdentity(connection);
      break;
    }
  }

  async #readIdentity(connection: RelayConnection): Promise<void> {
    const { identity } = this.#context;
    const before = new Set(identity.operations());
    await fetchIdentity(connection, identity, this.#abort.signal);
    await this.#identityGrew(before);
  }

  async #identityGrew(before: ReadonlySet<unknown>): Promise<void> {
    const { identity, chain, identityGrew } = this.#context;
    const added = identity.operations().filter((operation) => !before.has(operation));
    if (added.length === 0) return;
    chain.keysChanged();
    await identityGrew(added);
    this.#evaluate();
  }
}

/** A relay that lacks something of the identity is sent all of it; one that lacks something then does not take it. */
const MOST_PUBLISHED = 3;

function reasonsOf({ handover }: RoundOptions): Reasons {
  return handover === undefined ? {} : { handover };
}
