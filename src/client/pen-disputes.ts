import type { RelaySet } from "../../keys/identity/relay-set.js";
import type { PenLoss } from "./pen-loss.js";
import { hasQuorum, relayKey } from "./quorum.js";

/**
 * Which relays say that an epoch is over while it is in use. Of a set, `faults` relays may lie: so many cannot end the
 * epoch, one more can, since one of those tells the truth (docs/decisions/0012). Until then it is only confirmed while
 * a quorum has acknowledged something after the last relay contradicted.
 *
 * A relay that promised a newer epoch and has no claim of it may have promised to a start that the others refused. While
 * so few have that the others are a quorum, nobody can have claimed on it, and the epoch goes on with these others.
 */
export class PenDisputes {
  readonly #epoch: number;
  readonly #disputing = new Map<string, PenLoss>();
  /** Relays that acknowledged what was sent after the last dispute began. */
  readonly #confirming = new Set<string>();
  #begun = 0;

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** How many disputes have begun; what is sent carries this number. */
  get begun(): number {
    return this.#begun;
  }

  /** What each relay that contradicts says. */
  get contradictions(): readonly PenLoss[] {
    return [...this.#disputing.values()];
  }

  /**
   * A relay (by its key) contradicts. True when it says more than is known of it, a newer epoch for example: then the
   * others must be asked (again), since what they confirmed was before that.
   */
  contradicts(key: string, loss: PenLoss): boolean {
    const known = this.#disputing.get(key);
    const isMore =
      known === undefined || epochTold(loss) > epochTold(known) || (this.#isClaimed(loss) && !this.#isClaimed(known));
    if (!isMore) return false;
    this.#disputing.set(key, loss);
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

  /**
   * Whether it is over: more relays of one of these sets contradict than may lie. Once the epoch is in use, promises that
   * no claim followed count only where they leave less than a quorum: before that another attempt costs nothing.
   */
  endIt(sets: readonly RelaySet[], isInUse: boolean): boolean {
    return sets.some(({ relays, faults, quorum }) => {
      const told = relays.map((relay) => this.#disputing.get(relayKey(relay))).filter((loss) => loss !== undefined);
      const claimed = told.filter((loss) => this.#isClaimed(loss));
      return claimed.length > faults || told.length > (isInUse ? relays.length - quorum : faults);
    });
  }

  /** Whether nobody contradicts, or a quorum of the set confirmed since. */
  isConfirmed(set: RelaySet): boolean {
    return this.#disputing.size === 0 || hasQuorum(set, (key) => this.#confirming.has(key));
  }

  /** Whether it takes more than a promise to say this: a claim of a newer epoch, another event, another key. */
  #isClaimed(loss: PenLoss): boolean {
    return loss.reason !== "fenced" || (loss.head?.epoch ?? 0) > this.#epoch;
  }
}

function epochTold(loss: PenLoss): number {
  return loss.reason === "fenced" ? Math.max(loss.promised ?? 0, loss.head?.epoch ?? 0) : 0;
}
