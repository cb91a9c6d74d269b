import type { RelaySet } from "../../keys/identity/relay-set.js";
import type { Clock } from "../../keys/ports.js";
import { hasQuorum, relayKey } from "./quorum.js";

/** When something was sent, by both clocks of a host; each in milliseconds. */
export interface SentAt {
  readonly monotonicMs: number;
  readonly nowMs: number;
}

/**
 * How long a relay's word holds that the epoch stands: with a quorum of words no older than this, effects are allowed. An
 * idle holder asks every 5 s (`IDLE_QUESTION_MS` of a lane), so that two questions in a row may be lost, and a relay may
 * take some seconds for its answer. Not more: so long an instance that is cut off from its relays goes on with effects.
 */
export const CONFIRMED_FOR_MS = 15_000;

/**
 * When each relay was last sent what it then acknowledged in this epoch. It counts from the sending: an answer may have
 * lain in a buffer while this process was paused, and says what was so when the relay gave it, which was after the sending.
 */
export class PenContact {
  readonly #clock: Clock;
  readonly #heard = new Map<string, SentAt>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A relay (by its key) acknowledged what was sent then. */
  confirms(key: string, sent: SentAt): void {
    const known = this.#heard.get(key);
    if (known === undefined || sent.monotonicMs >= known.monotonicMs) this.#heard.set(key, sent);
  }

  /** Whether a quorum of each of these sets acknowledged what it was sent within {@link CONFIRMED_FOR_MS}. */
  isFresh(sets: readonly RelaySet[]): boolean {
    return sets.every((set) => hasQuorum(set, (key) => this.#isFresh(key)));
  }

  /** How many relays of a set did. */
  freshIn({ relays }: RelaySet): number {
    return relays.filter((relay) => this.#isFresh(relayKey(relay))).length;
  }

  /**
   * Both clocks must say so. The monotonic one goes on while the process is stopped, but on many systems not while the
   * machine sleeps; the wall clock does then. One that jumps forward costs a question; one that jumps back, nothing.
   */
  #isFresh(key: string): boolean {
    const sent = this.#heard.get(key);
    if (sent === undefined) return false;
    const ageMs = Math.max(this.#clock.monotonicMs() - sent.monotonicMs, this.#clock.nowMs() - sent.nowMs);
    return ageMs <= CONFIRMED_FOR_MS;
  }
}
