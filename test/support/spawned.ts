import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A program of test/system/programs that prints lines. */
export class Spawned implements AsyncDisposable {
  /** Every line that it printed. */
  readonly said: string[] = [];
  readonly exited: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor(program: string, args: readonly string[]) {
    const path = fileURLToPath(new URL(`../system/programs/${program}`, import.meta.url));
    this.#child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    this.exited = once(this.#child, "close") as unknown as Spawned["exited"];
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.said.push(line);
      for (const look of [...this.#waiting]) look();
    });
  }

  /** Resolves when it said so many lines that begin with a word, or has ended. */
  async hears(word: string, count = 1): Promise<void> {
    const enough = () => this.said.filter((line) => line.split(" ")[0] === word).length >= count;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (enough()) resolve();
      };
      this.#waiting.add(look);
      void this.exited.then(() => resolve());
      look();
    });
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
