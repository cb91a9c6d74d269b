import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ANTS = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

export interface RelayProcessOptions {
  readonly data: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A program and its arguments that runs the relay, such as strace. */
  readonly under?: readonly string[];
}

/** `ants relay` as a process of its own, on a port that the system chose. */
export class RelayProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  /** ws://… */
  readonly url: string;
  readonly stream: string;
  readonly position: number;
  /** What it wrote to stderr so far. */
  readonly errors: string[];
  readonly exited: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>;
  readonly #isUnder: boolean;

  private constructor(
    child: ChildProcess,
    ready: { url: string; stream: string; position: number },
    exited: RelayProcess["exited"],
    errors: string[],
    isUnder: boolean,
  ) {
    this.#isUnder = isUnder;
    this.child = child;
    this.url = ready.url;
    this.stream = ready.stream;
    this.position = ready.position;
    this.exited = exited;
    this.errors = errors;
  }

  /** Resolves when the relay says that it is ready; rejects with what it printed when it ends before that. */
  static async start({ data, flags = [], env = {}, under = [] }: RelayProcessOptions): Promise<RelayProcess> {
    const command = [...under, process.execPath, ANTS, "relay", "--json", "--port", "0", "--data", data, ...flags];
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    const exited = once(child, "exit") as unknown as RelayProcess["exited"];
    const errors: string[] = [];
    child.stderr!.setEncoding("utf8").on("data", (text: string) => errors.push(text));
    const ready = await new Promise<string | undefined>((resolve) => {
      let text = "";
      child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
      });
      void exited.then(() => resolve(undefined));
    });
    if (ready === undefined) throw new Error(`the relay ended before it was ready: ${errors.join("")}`);
    return new RelayProcess(child, JSON.parse(ready), exited, errors, under.length > 0);
  }

  /** http://… */
  get httpUrl(): string {
    return this.url.replace(/^ws/, "http");
  }

  /** Sends the signal to the relay, also where another program runs it, and waits for the end. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<readonly [number | null, NodeJS.Signals | null]> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const { pid } = this.child;
      const below = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
      if (this.#isUnder && below.length > 0) process.kill(Number(below[0]), signal);
      else this.child.kill(signal);
    }
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
  }
}

/** Flags that lift every rate: for tests that load a relay. */
export const NO_RATES = [
  ...["--entries-per-second", "0", "--new-dids-per-hour", "0"],
  ...["--backfill-bytes-per-minute", "0", "--connections-per-second", "0", "--log-level", "error"],
];
