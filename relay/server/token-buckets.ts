/** A token bucket for each key (an agent, an address), in bounded memory. */
import type { Clock } from "../../keys/ports.js";

/** Buckets kept at once, about 100 bytes each; a bucket that is full again is no different from none. */
const MAX_BUCKETS = 65_536;

/** Tokens (and milliseconds) that sums of fractions may be off by. */
const ROUNDING = 1e-6;

interface Bucket {
  tokens: number;
  atMs: number;
}

export class TokenBuckets {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #buckets = new Map<string, Bucket>();

  /** `perSecond` refills, `burst` is the most that is saved up. */
  constructor(rate: { perSecond: number; burst: number }, clock: Pick<Clock, "monotonicMs">) {
    this.#perMs = rate.perSecond / 1000;
    this.#burst = rate.burst;
    this.#clock = clock;
  }

  /** Buckets remembered now. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes `amount` tokens and returns 0, or takes nothing and returns the milliseconds after which it would work.
   * More than the burst is given to a full bucket, which then owes the rest: a frame is never impossible.
   */
  take(key: string, amount: number): number {
    const bucket = this.#bucket(key);
    const missing = Math.min(amount, this.#burst) - bucket.tokens;
    if (missing > ROUNDING) return Math.max(1, Math.ceil(missing / this.#perMs - ROUNDING));
    bucket.tokens -= amount;
    return 0;
  }

  /** Takes `amount` tokens for something that has happened: what is not there is owed. */
  owe(key: string, amount: number): void {
    this.#bucket(key).tokens -= amount;
  }

  /** Gives back what was taken for something that then did not happen. */
  giveBack(key: string, amount: number): void {
    const bucket = this.#bucket(key);
    bucket.tokens = Math.min(this.#burst, bucket.tokens + amount);
  }

  #bucket(key: string): Bucket {
    const nowMs = this.#clock.monotonicMs();
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_BUCKETS) this.#makeRoom(nowMs);
      bucket = { tokens: this.#burst, atMs: nowMs };
    } else {
      // The map's order is that of last use, so that making room meets the oldest first.
      this.#buckets.delete(key);
      bucket.tokens = Math.min(this.#burst, bucket.tokens + (nowMs - bucket.atMs) * this.#perMs);
      bucket.atMs = nowMs;
    }
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #makeRoom(nowMs: number): void {
    for (const [key, { tokens, atMs }] of this.#buckets) {
      if (tokens + (nowMs - atMs) * this.#perMs >= this.#burst) this.#buckets.delete(key);
    }
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size < MAX_BUCKETS) break;
      this.#buckets.delete(key);
    }
  }
}
