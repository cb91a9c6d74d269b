import type { RelaySet } from "../../keys/identity/relay-set.js";

/** Above the chain's own epochs, a relay's word alone leads no further than this: far above what races leave behind. */
const MAX_LED_EPOCHS = 4_096;

/**
 * The epochs that an instance has heard of, by who told it. Another attempt asks above all of them. Of a set, `faults`
 * relays may lie: what more of that set tell of is believed at once.
 *
 * Where no more tell of it, an honest relay may have promised it all the same, and others be away. So once an attempt
 * was outbid, the next one asks above everything that was told of, but at most {@link MAX_LED_EPOCHS} above the chain: a
 * claim opens 2^20 epochs above its predecessor at most, so a relay that could lead an agent on at will could keep it from
 * ever claiming again, short of a rotate.
 */
export class EpochsSeen {
  #own: number;
  readonly #told = new Map<string, number>();
  #sets: readonly RelaySet[] = [];
  #isOutbid = false;

  /** `own`: the highest epoch known first-hand: in the chain, in the vault. */
  constructor(own: number) {
    this.#own = own;
  }

  /** This instance used (or asked for) an epoch itself. */
  used(epoch: number): void {
    this.#own = Math.max(this.#own, epoch);
  }

  /** A relay told of an epoch: promised, or of a head. */
  told(url: string, epoch: number | undefined): void {
    if (epoch !== undefined) this.#told.set(url, Math.max(epoch, this.#told.get(url) ?? 0));
  }

  /** These relays are asked. */
  among(sets: readonly RelaySet[]): void {
    this.#sets = sets;
  }

  /** The epoch that was asked for was promised to somebody else. */
  outbid(): void {
    this.#isOutbid = true;
  }

  /** The epoch to ask for next. `chainEpoch`: the highest of the own chain, all of whose claims were verified. */
  next(chainEpoch: number): number {
    const trusted = Math.max(this.#own, chainEpoch, ...this.#sets.map((set) => this.#trustedOf(set)));
    const led = Math.min(Math.max(0, ...this.#told.values()) + 1, chainEpoch + MAX_LED_EPOCHS);
    return Math.max(trusted + 1, this.#isOutbid ? led : 0);
  }

  /** What more relays of a set tell of than may lie. */
  #trustedOf({ relays, faults }: RelaySet): number {
    const told = relays.map(({ url }) => this.#told.get(url) ?? 0);
    return told.sort((a, b) => b - a)[faults] ?? 0;
  }
}
