/**
 * Whose turn it is: whoever has more to do than a moment's work waits in the line of its address, and between two
 * rounds of the event loop one of them goes on, each line in its turn. So a thousand readers who all have a whole log to
 * catch up with delay a publisher by one frame, not by a thousand, and one address that floods the relay delays
 * another by one turn.
 */

/** Short work of several waits for no round of its own until this time is used up: a round costs some microseconds too. */
const SLICE_MS = 0.5;

interface Waiting {
  readonly go: () => void;
  /** What it does goes on after `go` returned. */
  readonly isLong: boolean;
}

export class Turns {
  /** By address, the one whose turn is next first. */
  readonly #lines = new Map<string, Waiting[]>();
  #isRunning = false;

  /** Resolves when it is the caller's turn; nobody else has one in this round. */
  next(address: string): Promise<void> {
    return new Promise((resolve) => this.#wait(address, { go: resolve, isLong: true }));
  }

  /** Calls `work` when it is its turn: short work, done when it returns. */
  run(address: string, work: () => void): void {
    this.#wait(address, { go: work, isLong: false });
  }

  #wait(address: string, waiting: Waiting): void {
    const line = this.#lines.get(address);
    if (line === undefined) this.#lines.set(address, [waiting]);
    else line.push(waiting);
    if (this.#isRunning) return;
    this.#isRunning = true;
    setImmediate(this.#round);
  }

  readonly #round = (): void => {
    const untilMs = performance.now() + SLICE_MS;
    let isOver = false;
    while (!isOver && this.#lines.size > 0) {
      const { go, isLong } = this.#takeNext();
      go();
      isOver = isLong || performance.now() >= untilMs;
    }
    this.#isRunning = this.#lines.size > 0;
    if (this.#isRunning) setImmediate(this.#round);
  };

  #takeNext(): Waiting {
    const [[address, line]] = this.#lines as unknown as [[string, Waiting[]]];
    this.#lines.delete(address);
    const waiting = line.shift()!;
    if (line.length > 0) this.#lines.set(address, line);
    return waiting;
  }
}
