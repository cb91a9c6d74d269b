import { abortable } from "./deadline.js";

/** Lets one waiter sleep until somebody opens the gate; opened once, it stays open until the next wait. */
export class Gate {
  #opened = false;
  #open: () => void = () => {};
  #waiting: Promise<void> | undefined;

  /** Wakes the waiter, or lets the next one pass at once. */
  open(): void {
    this.#opened = true;
    this.#open();
  }

  /** Resolves when the gate was opened since the last wait ended. Rejects with the signal's reason. */
  async wait(signal?: AbortSignal): Promise<void> {
    if (!this.#opened) {
      this.#waiting ??= new Promise((resolve) => {
        this.#open = resolve;
      });
      await abortable(this.#waiting, signal);
    }
    this.#opened = false;
    this.#waiting = undefined;
  }
}
