/**
 * The epochs that an instance has heard of, by who told it. Another attempt asks above all of them; where the agent
 * allows for `faults` relays that lie, above all that more than so many relays tell of, so that liars alone cannot
 * drive the number beyond what honest relays grant.
 */
export class EpochsSeen {
  #own: number;
  readonly #told = new Map<string, number>();

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

  /** The epoch to ask for next. */
  next(faults: number): number {
    const told = [...this.#told.values()].sort((a, b) => b - a)[faults] ?? 0;
    return Math.max(this.#own, told) + 1;
  }
}
