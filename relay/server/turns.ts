/**
 * Whose turn it is: whoever has more to do than a moment's work waits in the line of its address, and between two
 * rounds of the event loop one of them goes on, each line in its turn. So a thousand readers who all have a whole log to
 * catch up with delay a publisher by one frame, not by a thousand, and one address that floods the relay delays
 * another by one turn.
 */
export class Turns {
  /** By address, the one whose turn is next first. */
  readonly #lines = new Map<string, (() => void)[]>();
  #isRunning = false;

  /** Resolves when it is the caller's turn. */
  next(address: string): Promise<void> {
    return new Promise((resolve) => {
      const line = this.#lines.get(address);
      if (line === undefined) this.#lines.set(address, [resolve]);
      else line.push(resolve);
      if (this.#isRunning) return;
      this.#isRunning = true;
      setImmediate(this.#letOneThrough);
    });
  }

  readonly #letOneThrough = (): void => {
    for (const [address, line] of this.#lines) {
      this.#lines.delete(address);
      const go = line.shift()!;
      if (line.length > 0) this.#lines.set(address, line);
      go();
      break;
    }
    this.#isRunning = this.#lines.size > 0;
    if (this.#isRunning) setImmediate(this.#letOneThrough);
  };
}
