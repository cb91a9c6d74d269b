import type { Clock } from "../../keys/ports.js";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  /** Undefined once it is cancelled: time passes over it as if it had never been. */
  fire: (() => void) | undefined;
}

/** Cancels what was to be called back. */
export type CancelTimer = () => void;

/**
 * Time that passes only when nothing else is left to do: {@link run} lets all work that is ready finish, then jumps to
 * the next timer. Everything simulated (network, disk, pauses) sleeps on one of these, so a run has one exact order.
 */
export class SimClock implements Clock {
  #nowMs = 0;
  #order = 0;
  /** A binary heap by (atMs, order). */
  readonly #timers: Timer[] = [];
  readonly #epochMs: number;

  /** `epochMs`: what the wall clock says at the start. */
  constructor(epochMs = 1_700_000_000_000) {
    this.#epochMs = epochMs;
  }

  nowMs(): number {
    return this.#epochMs + Math.floor(this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const cancel = this.at(durationMs, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
    });
  }

  /** Calls back after `delayMs`; of those due at the same time, in the order of the calls. */
  at(delayMs: number, fire: () => void): CancelTimer {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fire };
    this.#push(timer);
    return () => {
      timer.fire = undefined;
    };
  }

  /** Lets time pass until the promise settles. Throws when `maxMs` of simulated time are not enough. */
  async run<T>(promise: Promise<T>, maxMs = 600_000): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    const endMs = this.#nowMs + maxMs;
    for (;;) {
      await quiet();
      if (settled) return promise;
      const next = this.#next();
      if (next === undefined) throw new Error("the simulation came to rest, and what was waited for did not happen");
      if (next.atMs > endMs) throw new Error(`${maxMs} ms of simulated time were not enough`);
      this.#step();
    }
  }

  /** Lets `durationMs` pass. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    for (;;) {
      await quiet();
      const next = this.#next();
      if (next === undefined || next.atMs > endMs) break;
      this.#step();
    }
    this.#nowMs = endMs;
  }

  /** The next timer that was not cancelled. */
  #next(): Timer | undefined {
    while (this.#timers.length > 0 && this.#timers[0]!.fire === undefined) this.#pop();
    return this.#timers[0];
  }

  #step(): void {
    const { atMs, fire } = this.#pop();
    this.#nowMs = atMs;
    fire?.();
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let i = heap.push(timer) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = timer;
  }

  #pop(): Timer {
    const heap = this.#timers;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
        if (!isBefore(heap[child]!, last)) break;
        heap[i] = heap[child]!;
        i = child;
      }
      heap[i] = last;
    }
    return first;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Resolves when every promise that is ready has been followed to its end. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
