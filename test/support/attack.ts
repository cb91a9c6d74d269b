import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const ATTACKER = fileURLToPath(new URL("attacker.mjs", import.meta.url));

/** What the relay told the attacker. */
export interface AttackReport {
  /** Refusals by code, other messages by type. */
  readonly codes: Readonly<Record<string, number>>;
  /** Ends by WebSocket close code or HTTP status. */
  readonly closes: Readonly<Record<string, number>>;
  readonly opened: number;
  readonly closed: number;
  readonly sent: number;
  readonly seconds: number;
}

/** An attack by another process from an address of its own. */
export class Attack implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  /** Resolves when the relay has closed every connection of the attack; only bare connections are counted. */
  readonly ended: Promise<unknown>;
  #report: AttackReport | undefined;

  private constructor(child: ChildProcess, lines: Interface) {
    this.#child = child;
    this.#lines = lines;
    this.ended = once(lines, "line");
  }

  /** Resolves when it is under way. */
  static async start(name: string, url: string, localAddress: string): Promise<Attack> {
    const child = spawn(process.execPath, [ATTACKER, name, url, localAddress], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout! });
    await once(lines, "line");
    return new Attack(child, lines);
  }

  /** Ends it, with every connection that it still holds. */
  async stop(): Promise<AttackReport> {
    if (this.#report !== undefined) return this.#report;
    const line = once(this.#lines, "line");
    this.#child.stdin!.write("\n");
    this.#report = JSON.parse(String((await line)[0])) as AttackReport;
    await once(this.#child, "exit");
    return this.#report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }
}
