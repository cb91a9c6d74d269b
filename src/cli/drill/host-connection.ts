import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { AntsError } from "../../../keys/errors.js";
import { systemClock } from "../../../keys/ports.js";
import type { ChildEnd, ChildOptions } from "../demo/ants-child.js";
import { VERSION } from "../version.js";
import type { HostChild } from "./drill-host.js";
import type { HostAnswer, HostOrder } from "./host-orders.js";

/** A host as somebody names it: [user@]host[:port]. */
export interface SshAddress {
  readonly to: string;
  readonly port?: string;
}

export interface SshSettings {
  /** A private key file. */
  readonly identity?: string;
  /** Instead of ~/.ssh/config. */
  readonly config?: string;
  /** The command that is `ants` there, its words separated by blanks. */
  readonly remoteAnts: string;
  readonly signal: AbortSignal;
}

type OrderBody = HostOrder extends infer Order ? (Order extends HostOrder ? Omit<Order, "id"> : never) : never;
type Heard = (answer: Exclude<HostAnswer, { ready: unknown }>) => void;

/** Asks for nothing: nobody sits at a drill. A host that is gone is given up. */
const OPTIONS = ["BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4"];
const MAX_STDERR_CHARACTERS = 4_000;
/** The service there clears away when its stdin ends. */
const GOODBYE_MS = 20_000;

/** One ssh to a host, and the service of the drill that it runs there. */
export class HostConnection implements AsyncDisposable {
  /** The host's disk. */
  readonly folder: string;
  readonly #ssh: ChildProcess;
  readonly #waiting: Map<number, Heard>;
  readonly #lost: Promise<never>;
  #last = 0;

  private constructor(ssh: ChildProcess, folder: string, waiting: Map<number, Heard>, lost: Promise<never>) {
    this.#ssh = ssh;
    this.folder = folder;
    this.#waiting = waiting;
    this.#lost = lost;
  }

  /** Throws AntsError "drill-network" where the host cannot be reached, or no `ants` of this version is there. */
  static async open({ to, port }: SshAddress, settings: SshSettings): Promise<HostConnection> {
    const { identity, config, remoteAnts, signal } = settings;
    signal.throwIfAborted();
    const args = [
      ...(config === undefined ? [] : ["-F", config]),
      ...(identity === undefined ? [] : ["-i", identity]),
      ...OPTIONS.flatMap((option) => ["-o", option]),
      ...(port === undefined ? [] : ["-p", port]),
    ];
    const command = [...remoteAnts.split(/\s+/).filter(Boolean), "drill", "--serve"].map(quoted).join(" ");
    const ssh = spawn("ssh", [...args, "-T", "--", to, command], {
      stdio: ["pipe", "pipe", "pipe"],
      signal,
      killSignal: "SIGKILL",
    });
    ssh.stdin.on("error", () => {});
    let errors = "";
    ssh.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(-MAX_STDERR_CHARACTERS);
    });
    const lost = Promise.race([
      once(ssh, "close").then(([code]) => `the connection ended with ${code}`),
      once(ssh, "error").then(([error]) => (error as Error).message),
    ]).then((why): never => {
      throw unreachable(to, errors.trim() || why);
    });
    lost.catch(() => {});
    const waiting = new Map<number, Heard>();
    const ready = new Promise<{ readonly folder: string; readonly version: string }>((resolve) => {
      createInterface({ input: ssh.stdout }).on("line", (line) => {
        // Before the service speaks a login may greet.
        if (!line.startsWith("{")) return;
        const answer = answerOf(line);
        if (answer === undefined) return;
        if ("ready" in answer) resolve(answer.ready);
        else waiting.get(answer.id)?.(answer);
      });
    });
    const { folder, version } = await Promise.race([ready, lost]);
    const connection = new HostConnection(ssh, folder, waiting, lost);
    if (version === VERSION) return connection;
    await connection[Symbol.asyncDispose]();
    throw new AntsError("drill-network", `${to} has ants ${version}, and this is ${VERSION}`, {
      hint: "install the same version there, or name it: --remote-ants 'npx ants-agent@VERSION'",
      details: { host: to, version },
    });
  }

  /** Gives an order that is answered once. Throws "drill-network". */
  async ask(order: OrderBody): Promise<string | readonly string[] | null> {
    const id = ++this.#last;
    const answer = new Promise<string | readonly string[] | null>((resolve, reject) => {
      this.#waiting.set(id, (said) => {
        if ("value" in said) resolve(said.value);
        else if ("failed" in said) reject(new AntsError("drill-network", `on the host: ${said.failed}`));
      });
    });
    this.#send({ id, ...order } as HostOrder);
    try {
      return await Promise.race([answer, this.#lost]);
    } finally {
      this.#waiting.delete(id);
    }
  }

  start(
    order: Omit<Extract<HostOrder, { do: "start" }>, "id" | "do">,
    onLine: NonNullable<ChildOptions["onLine"]> = () => {},
  ): HostChild {
    const id = ++this.#last;
    let errors = "";
    const end = new Promise<ChildEnd>((resolve, reject) => {
      this.#waiting.set(id, (said) => {
        if ("line" in said) onLine(said.line);
        else if ("exit" in said) {
          errors = said.errors;
          resolve({ exit: said.exit, killedBy: said.killedBy });
        } else if ("failed" in said) reject(new AntsError("drill-network", `on the host: ${said.failed}`));
      });
    });
    const ended = Promise.race([end, this.#lost]);
    ended.then(
      () => this.#waiting.delete(id),
      () => this.#waiting.delete(id),
    );
    this.#send({ id, do: "start", ...order });
    const tell = (body: OrderBody): void => this.#send({ id: ++this.#last, ...body } as HostOrder);
    const what = order.program ?? `ants ${order.args.find((arg) => !arg.startsWith("-")) ?? ""}`;
    const failure = (how: string): AntsError =>
      new AntsError("demo-child", `${what} ${how}${errors === "" ? "" : `:\n${errors.trim()}`}`);
    return {
      write: async (text) => tell({ do: "input", of: id, text }),
      endInput: () => tell({ do: "end-input", of: id }),
      signal: (name) => tell({ do: "signal", of: id, name }),
      pid: 0,
      get errors() {
        return errors;
      },
      ended,
      expectExit: async (...exits) => {
        const { exit, killedBy } = await ended;
        if (exit === null || !exits.includes(exit)) throw failure(`ended with ${exit ?? killedBy}`);
      },
      failure,
    };
  }

  /** Everything of the drill is removed there. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ssh.exitCode !== null || this.#ssh.signalCode !== null) return;
    const closed = once(this.#ssh, "close");
    this.#ssh.stdin!.end();
    const patience = new AbortController();
    systemClock.sleep(GOODBYE_MS, patience.signal).then(
      () => this.#ssh.kill("SIGKILL"),
      () => undefined,
    );
    await closed.catch(() => undefined);
    patience.abort();
  }

  #send(order: HostOrder): void {
    this.#ssh.stdin!.write(`${JSON.stringify(order)}\n`);
  }
}

/** Undefined for a line that only looks like an answer. */
function answerOf(line: string): HostAnswer | undefined {
  try {
    return JSON.parse(line) as HostAnswer;
  } catch {
    return undefined;
  }
}

/** As one word of a shell, whatever is in it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function unreachable(host: string, why: string): AntsError {
  return new AntsError("drill-network", `the drill cannot work on ${host}: ${why}`, {
    hint: `see that ssh -o BatchMode=yes ${host} ants --version works, or say what ants is there: --remote-ants COMMAND`,
    details: { host },
  });
}
