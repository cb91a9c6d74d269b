import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { AntsError } from "../../../keys/errors.js";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
/** Enough of a failed child's last words to see why. */
const MAX_STDERR_CHARACTERS = 4_000;

export interface ChildOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called for each line of stdout, in order. */
  readonly onLine?: (line: string) => void;
  /** Another program of this package that Node runs, instead of `ants`. */
  readonly program?: string;
  /** The command that it runs under: as another user, in another network. It must become the program, not start it. */
  readonly under?: readonly string[];
}

export interface ChildEnd {
  readonly exit: number | null;
  readonly killedBy: NodeJS.Signals | null;
}

/**
 * Another `ants` process: the same program as this one, with its own memory, so that killing it is really killing it.
 * Not for anything that a function call would do. Whoever starts it sees to its end: {@link Company}.
 */
export class AntsChild {
  readonly #child: ChildProcess;
  readonly #end: Promise<ChildEnd>;
  readonly #command: string;
  #stderr = "";

  constructor(args: readonly string[], options: ChildOptions) {
    const { program = MAIN, under = [] } = options;
    const name = args.find((arg) => !arg.startsWith("-")) ?? "";
    this.#command = program === MAIN ? `ants ${name}` : basename(program, ".js");
    const [first, ...rest] = [...under, process.execPath, program, ...args];
    this.#child = spawn(first!, rest, {
      env: { ...options.env },
      // The channel carries nothing: a child ends when it breaks, whatever ended this process.
      stdio: ["pipe", "pipe", "pipe", "ipc"],
    });
    // A child that is gone says so by its end; a write that raced with it is nobody's concern.
    this.#child.stdin!.on("error", () => {});
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARACTERS);
    });
    const lines = createInterface({ input: this.#child.stdout! });
    if (options.onLine !== undefined) lines.on("line", options.onLine);
    this.#end = Promise.all([once(this.#child, "exit"), once(lines, "close")]).then(([[exit, killedBy]]) => ({
      exit: exit as number | null,
      killedBy: killedBy as NodeJS.Signals | null,
    }));
    // Whoever asks hears of a child that could not be started; it must not end this process when nobody does.
    this.#end.catch(() => {});
  }

  /** Writes to its stdin; resolves when there is room for more. */
  async write(text: string): Promise<void> {
    if (!this.#child.stdin!.write(text)) await once(this.#child.stdin!, "drain");
  }

  endInput(): void {
    this.#child.stdin!.end();
  }

  signal(name: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(name);
  }

  /** 0 where it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The last of what it wrote to stderr. */
  get errors(): string {
    return this.#stderr;
  }

  /** How it ended, after its last line was handed over. */
  get ended(): Promise<ChildEnd> {
    return this.#end;
  }

  /** Waits for the end and throws AntsError "demo-child" with its last words unless it exited with one of `exits`. */
  async expectExit(...exits: readonly number[]): Promise<void> {
    const { exit, killedBy } = await this.#end;
    if (exit === null || !exits.includes(exit)) throw this.failure(`ended with ${exit ?? killedBy}`);
  }

  failure(what: string): AntsError {
    return new AntsError(
      "demo-child",
      `${this.#command} ${what}${this.#stderr === "" ? "" : `:\n${this.#stderr.trim()}`}`,
    );
  }
}
