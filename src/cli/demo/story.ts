import type { Output } from "../output.js";
import { painted } from "../text.js";

export interface Moment {
  readonly seconds: number;
  readonly what: string;
}

/** What happened, as it happens: a line each with the seconds since the start; with --json kept for the end. */
export class Story {
  readonly moments: Moment[] = [];
  readonly #out: Output;
  readonly #started = performance.now();

  constructor(out: Output) {
    this.#out = out;
  }

  get seconds(): number {
    return Math.round((performance.now() - this.#started) / 10) / 100;
  }

  async tell(what: string): Promise<void> {
    const { seconds } = this;
    this.moments.push({ seconds, what });
    if (this.#out.json) return;
    await this.#out.line([painted("dim", `${seconds.toFixed(2).padStart(6)} s`), `  ${what}`]);
  }

  async heading(text: string): Promise<void> {
    if (this.#out.json) return;
    await this.#out.line("");
    await this.#out.line(painted("bold", text));
  }
}
