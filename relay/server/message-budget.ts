/** Messages that one address gets handled at once; what is more waits for its turn. */

/** Enough that nobody who behaves waits: 16 small messages take about a millisecond. */
const MESSAGES_PER_ROUND = 16;

export class MessageBudget {
  /** By address: messages of the present round of the event loop. */
  readonly #taken = new Map<string, number>();

  /** Whether one more message of this address may be handled now. */
  take(address: string): boolean {
    if (this.#taken.size === 0) setImmediate(() => this.#taken.clear());
    const taken = this.#taken.get(address) ?? 0;
    if (taken >= MESSAGES_PER_ROUND) return false;
    this.#taken.set(address, taken + 1);
    return true;
  }
}
