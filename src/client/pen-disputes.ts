import type { RelaySet } from "../../keys/identity/relay-set.js";
import { hasQuorum, relayKey } from "./quorum.js";

/**
 * Which relays say that an epoch is over while it is in use. Of a set, `faults` relays may lie: so many cannot end the
 * epoch, one more can, since one of those tells the truth (docs/decisions/0012). Until then it is only confirmed while
 * a quorum has acknowledged something after the last relay contradicted.
 */
export class PenDisputes {
  readonly #disputing = new Set<string>();
  /** Relays that acknowledged what was sent after the last dispute began. */
  readonly #confirming = new Set<string>();
  #begun = 0;

  /** How many disputes have begun; what is sent carries this number. */
  get begun(): number {
    return this.#begun;
  }

  /** A relay (by its key) contradicts. True when it is the first to, or the next: then the others must be asked. */
  contradicts(key: string): boolean {
    if (this.#disputing.has(key)) return false;
    this.#disputing.add(key);
    this.#confirming.clear();
    this.#begun += 1;
    return true;
  }

  /**
   * A relay acknowledged what was sent when so many disputes had begun. An older acknowledgement says nothing: it may
   * have been under way when a quorum promised a newer epoch. An honest relay that ever contradicted never does it.
   */
  confirms(key: string, afterDispute: number): void {
    if (afterDispute < this.#begun) return;
    this.#disputing.delete(key);
    if (this.#disputing.size > 0) this.#confirming.add(key);
  }

  /** Whether more relays of one of these sets contradict than may lie. */
  endIt(sets: readonly RelaySet[]): boolean {
    return sets.some(
      ({ relays, faults }) => relays.filter((relay) => this.#disputing.has(relayKey(relay))).length > faults,
    );
  }

  /** Whether nobody contradicts, or a quorum of the set confirmed since. */
  isConfirmed(set: RelaySet): boolean {
    return this.#disputing.size === 0 || hasQuorum(set, (key) => this.#confirming.has(key));
  }
}
