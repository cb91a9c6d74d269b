import type { Clock } from "../../../keys/ports.js";
import type { SimClock } from "../sim-clock.js";

/**
 * One operating-system process. Everything that reaches its code from outside (timers, messages, the ends of its
 * writes) goes through {@link deliver}: a process that is paused gets it when it wakes, in order, and one that is dead
 * never, so that its promises stay open for ever. That is all that kill -9 and SIGSTOP are.
 */
export class SimProcess {
  readonly name: string;
  /** Its own clock: the machine's time, its wall clock off by `skewMs`. */
  readonly clock: Clock;
  readonly #world: SimClock;
  #state: "running" | "paused" | "dead" = "running";
  #waiting: (() => void)[] = [];

  constructor(name: string, world: SimClock, skewMs = 0) {
    this.name = name;
    this.#world = world;
    this.clock = {
      nowMs: () => world.nowMs() + skewMs,
      monotonicMs: () => world.monotonicMs(),
      sleep: (durationMs, signal) => this.#sleep(durationMs, signal),
    };
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  get isPaused(): boolean {
    return this.#state === "paused";
  }

  /** Something reaches the process. */
  deliver(arrive: () => void): void {
    if (this.#state === "running") arrive();
    else if (this.#state === "paused") this.#waiting.push(arrive);
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  /** What came meanwhile arrives now, one after the other. */
  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const arrive of waiting) this.#world.at(0, () => this.deliver(arrive));
  }

  kill(): void {
    this.#state = "dead";
    this.#waiting = [];
  }

  #sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      let isOver = false;
      const onAbort = () => {
        isOver = true;
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const cancel = this.#world.at(durationMs, () =>
        this.deliver(() => {
          if (isOver) return;
          signal?.removeEventListener("abort", onAbort);
          resolve();
        }),
      );
    });
  }
}
