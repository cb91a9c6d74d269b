import type { AntsChild } from "./ants-child.js";
import type { Company } from "./company.js";

/** A reader of the demo: `ants follow` over all relays, with its place kept in a file. */
export class Reader {
  readonly #child: AntsChild;
  /** The `n` of every event that it was given, in order. */
  readonly numbers: number[] = [];
  #onLine: () => void = () => {};

  constructor(args: readonly string[], company: Company) {
    this.#child = company.start(["follow", "--json", ...args], (line) => {
      const event = JSON.parse(line) as { type: string; body?: { n: number } };
      if (event.type !== "event") return;
      this.numbers.push(event.body?.n ?? -1);
      this.#onLine();
    });
  }

  /** Interrupts it, as Ctrl-C does, once it has read so many events; resolves when it is gone. */
  async stopAfter(count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onLine = () => {
        if (this.numbers.length >= count) resolve();
      };
      this.#onLine();
      this.#child.ended.then(() => reject(this.#child.failure(`ended after ${this.numbers.length} events`)), reject);
    });
    this.#child.signal("SIGINT");
    await this.#child.expectExit(130);
  }

  /** Waits until it has read everything and ended by itself. */
  async finish(): Promise<void> {
    await this.#child.expectExit(0);
  }
}
