/** A bound on bytes that many connections hold together. */
export class ByteBudget {
  readonly limit: number;
  #used = 0;
  readonly #waiting = new Set<() => void>();

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  get isExceeded(): boolean {
    return this.#used >= this.limit;
  }

  /** Takes unconditionally: whoever must wait asks {@link isExceeded} first. */
  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (this.isExceeded || this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Calls `wake` once, when bytes were given back and the budget is not exceeded. */
  onceFree(wake: () => void): void {
    this.#waiting.add(wake);
  }

  /** Forgets a {@link onceFree}. */
  forget(wake: () => void): void {
    this.#waiting.delete(wake);
  }
}
