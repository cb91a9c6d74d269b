import type { Clock, Random } from "../../keys/ports.js";

/** Where waiting starts: a relay that restarts is back within a second. */
const FIRST_DELAY_MS = 250;
/** Where waiting stops growing: a relay that was away for hours is found again within half a minute. */
const MAX_DELAY_MS = 30_000;

/**
 * Full jitter: a uniform draw between 0 and a bound that doubles with every attempt, so that many clients of a relay
 * that restarts come back spread out and not in waves.
 */
export class Backoff {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #firstMs: number;
  readonly #maxMs: number;
  #attempt = 0;

  constructor(clock: Clock, random: Random, options: { firstMs?: number; maxMs?: number } = {}) {
    this.#clock = clock;
    this.#random = random;
    this.#firstMs = options.firstMs ?? FIRST_DELAY_MS;
    this.#maxMs = options.maxMs ?? MAX_DELAY_MS;
  }

  /** Attempts since the last success. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Draws the next delay in milliseconds and counts the attempt. */
  nextDelayMs(): number {
    const boundMs = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt += 1;
    return Math.floor(boundMs * drawFraction(this.#random));
  }

  /** Waits for the next delay. Rejects with the signal's reason. */
  wait(signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(this.nextDelayMs(), signal);
  }

  /** The thing worked: the next failure waits briefly again. */
  reset(): void {
    this.#attempt = 0;
  }
}

/** The longest pause that a relay can impose; also far below what a timer overflows at (2^31 ms), which fires at once. */
const MAX_ASKED_PAUSE_MS = 3_600_000;

/** Whoever asks for less would have its clients go round in circles. */
const MIN_ASKED_PAUSE_MS = 50;

/** How long to wait where a relay asked for it (`retryAfterMs`); undefined where it didn't. */
export function pauseAskedFor(retryAfterMs: unknown): number | undefined {
  if (typeof retryAfterMs !== "number" || Number.isNaN(retryAfterMs)) return undefined;
  return Math.min(Math.max(MIN_ASKED_PAUSE_MS, retryAfterMs), MAX_ASKED_PAUSE_MS);
}

/** A uniform number in [0, 1) from 32 random bits. */
export function drawFraction(random: Random): number {
  const [a, b, c, d] = random.bytes(4);
  return (a! * 0x1000000 + b! * 0x10000 + c! * 0x100 + d!) / 0x100000000;
}
