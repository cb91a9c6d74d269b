import type { AntsChild } from "./ants-child.js";
import type { Company } from "./company.js";

/** Events written ahead of their commit: enough to fill batches, few enough that a killed relay is killed amid them. */
const MAX_AHEAD = 64;

/**
 * The agent of the demo: `ants publish --lines`, fed one event a line, no faster than a quorum of relays commits them.
 * `body.n` counts them from 0.
 */
export class Writer {
  readonly #child: AntsChild;
  readonly #total: number;
  readonly #waiting = new Set<() => void>();
  /** Ids in the order in which they were committed. */
  readonly committed: string[] = [];

  constructor(args: readonly string[], total: number, company: Company) {
    this.#total = total;
    this.#child = company.start(["publish", "-", "--lines", "--json", ...args], (line) => {
      this.committed.push((JSON.parse(line) as { id: string }).id);
      this.#changed();
    });
    this.#child.ended.finally(() => this.#changed());
  }

  /** Feeds all events; resolves when they are committed. The agent stays at work. */
  async write(): Promise<void> {
    for (let n = 0; n < this.#total; n++) {
      await this.reached(n - MAX_AHEAD);
      await this.#child.write(`${JSON.stringify({ n, text: `event ${n} of ${this.#total}` })}\n`);
    }
    await this.reached(this.#total);
  }

  /** Ends its input, and waits for its orderly end. */
  async end(): Promise<void> {
    this.#child.endInput();
    await this.#child.expectExit(0);
  }

  /** Resolves when so many events are committed; throws when the process ended before. */
  async reached(count: number): Promise<void> {
    let over = false;
    void this.#child.ended.then(() => {
      over = true;
    });
    while (this.committed.length < count) {
      if (over) throw this.#child.failure(`ended after ${this.committed.length} of ${this.#total} events`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #changed(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
