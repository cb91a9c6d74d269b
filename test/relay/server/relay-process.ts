import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A relay in a process of its own, on the package as it is built. */
export class RelayProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  url = "";
  /** The log's length when it started. */
  position = 0;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.exited = once(child, "exit");
  }

  /** Starts it with settings of a test relay; `shell` is run before, in the same process (limits). */
  static async start(config: object, shell = ""): Promise<RelayProcess> {
    const program = fileURLToPath(new URL("./programs/relay.mjs", import.meta.url));
    const command = `${shell}\nexec "$0" "$@"`;
    const args = ["-c", command, process.execPath, program, JSON.stringify({ config })];
    const relay = new RelayProcess(spawn("/bin/bash", args, { stdio: ["ignore", "pipe", "inherit"] }));
    for await (const line of createInterface({ input: relay.child.stdout! })) {
      Object.assign(relay, JSON.parse(line));
      break;
    }
    if (relay.url === "") throw new Error("the relay ended before it was ready");
    relay.child.stdout!.resume();
    return relay;
  }

  get httpUrl(): string {
    return this.url.replace(/^ws/, "http");
  }

  async stop(): Promise<void> {
    this.child.kill("SIGTERM");
    await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}
