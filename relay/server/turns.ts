/**
 * Whose frame is next: readers wait in one line, and one of them is let through between two rounds of the event loop.
 * So a thousand readers who all have a whole log to catch up with delay a publisher by one frame, not by a thousand.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #isRunning = false;

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#isRunning) return;
      this.#isRunning = true;
      setImmediate(this.#letOneThrough);
    });
  }

  readonly #letOneThrough = (): void => {
    this.#waiting.shift()?.();
    this.#isRunning = this.#waiting.length > 0;
    if (this.#isRunning) setImmediate(this.#letOneThrough);
  };
}
