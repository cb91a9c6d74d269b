import type { Clock } from "../../keys/ports.js";
import { HOLDER_SILENCE_MS } from "../../src/protocol/limits.js";

/** Instances that are remembered at once, over all agents: a thousand new ones a second for as long as one counts. */
const MAX_SEEN = 65_536;

/**
 * When the instances of agents were last seen, by this relay's monotonic clock. Courtesy, not safety: lost at a restart.
 * Each instance for itself: one that only reads, or asks how things stand, takes nothing from the holder of the pen.
 */
export class Holders {
  readonly #clock: Clock;
  /** By DID and instance, the one that was seen longest ago first. */
  readonly #seen = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The instance wrote, or keeps an authenticated connection. */
  saw(did: string, instance: string): void {
    const key = `${did} ${instance}`;
    this.#seen.delete(key);
    this.#seen.set(key, this.#clock.monotonicMs());
    for (const [oldest, atMs] of this.#seen) {
      if (this.#seen.size <= MAX_SEEN && this.#clock.monotonicMs() - atMs <= HOLDER_SILENCE_MS) break;
      this.#seen.delete(oldest);
    }
  }

  /** How many milliseconds ago this instance was seen; undefined where that is too long ago to matter. */
  seenMs(did: string, instance: string): number | undefined {
    const atMs = this.#seen.get(`${did} ${instance}`);
    if (atMs === undefined) return undefined;
    const agoMs = Math.round(this.#clock.monotonicMs() - atMs);
    return agoMs <= HOLDER_SILENCE_MS ? agoMs : undefined;
  }
}
