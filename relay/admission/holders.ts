import type { Clock } from "../../keys/ports.js";
import { HOLDER_SILENCE_MS } from "../../src/protocol/limits.js";

/** When each pen's holder was last seen, by this relay's monotonic clock. Courtesy, not safety: lost at a restart. */
export class Holders {
  readonly #clock: Clock;
  readonly #seen = new Map<string, { readonly instance: string; readonly atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The instance wrote, or keeps an authenticated connection. Later calls for one DID replace earlier ones. */
  saw(did: string, instance: string): void {
    this.#seen.delete(did);
    this.#seen.set(did, { instance, atMs: this.#clock.monotonicMs() });
    for (const [oldest, { atMs }] of this.#seen) {
      if (this.#clock.monotonicMs() - atMs <= HOLDER_SILENCE_MS) break;
      this.#seen.delete(oldest);
    }
  }

  /** How many milliseconds ago this instance was seen; undefined where that is too long ago to matter. */
  seenMs(did: string, instance: string): number | undefined {
    const seen = this.#seen.get(did);
    if (seen === undefined || seen.instance !== instance) return undefined;
    const agoMs = Math.round(this.#clock.monotonicMs() - seen.atMs);
    return agoMs <= HOLDER_SILENCE_MS ? agoMs : undefined;
  }
}
