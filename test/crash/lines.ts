import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A running program of these tests, asked and answered line by line. */
export class LineProgram {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly #answers: AsyncIterator<string>;

  constructor(name: string, args: readonly string[], options: SpawnOptions = {}) {
    this.child = spawn(process.execPath, [programPath(name), ...args], {
      ...options,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.exited = once(this.child, "exit");
    this.#answers = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  say(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  /** The next line, or undefined when the program is gone. */
  async answer(): Promise<string | undefined> {
    const next = await this.#answers.next();
    return next.done === true ? undefined : next.value;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}

export function programPath(name: string): string {
  return fileURLToPath(new URL(`./programs/${name}`, import.meta.url));
}
