import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

/** Said by tests that cannot run here. */
export const NO_NETWORK = "neither root nor allowed to make namespaces: no network of its own for this test";

const PROGRAMS = ["ip", "nsenter", "unshare"];
const flags = [["-n"], ["-r", "-n"]].find((flags) => works("unshare", ...flags, "ip", "link", "set", "lo", "up"));
export const canHaveNetwork = flags !== undefined;

/** Programs among these that are not installed: a test that needs one of them says so. */
export function missing(...programs: readonly string[]): string[] {
  return [...PROGRAMS, ...programs].filter((program) => !works("which", program));
}

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number | null;
}

/** A network namespace with nothing but a loopback device, on which addresses of the public internet are put. */
export class OwnNetwork implements AsyncDisposable {
  readonly #holder: ChildProcess;
  readonly #children: ChildProcess[] = [];
  /** The command that runs what comes after it inside. */
  readonly under: readonly string[];

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
    const user = flags!.includes("-r") ? ["-U", "--preserve-credentials"] : [];
    this.under = ["nsenter", "-t", String(holder.pid), ...user, "-n", "--"];
  }

  static async start(addresses: readonly string[]): Promise<OwnNetwork> {
    const setUp = ["ip link set lo up", ...addresses.map((address) => `ip addr add ${address}/32 dev lo`)];
    const script = `${setUp.join(" && ")} && echo ready && exec sleep infinity`;
    const holder = spawn("unshare", [...flags!, "sh", "-ec", script], { stdio: ["ignore", "pipe", "inherit"] });
    await once(holder.stdout!, "data");
    return new OwnNetwork(holder);
  }

  /** Starts a program that runs until the network ends, once it does what `ready` asks. */
  async serve(command: readonly string[], ready: () => Promise<boolean>): Promise<ChildProcess> {
    const [program, ...args] = [...this.under, ...command];
    const child = spawn(program!, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#children.push(child);
    let errors = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    while (!(await ready())) {
      if (child.exitCode !== null) throw new Error(`${command[0]} ended before it was ready: ${errors}`);
    }
    return child;
  }

  /** Runs a program inside to its end. */
  async run(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const [program, ...args] = [...this.under, ...command];
    const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    const parts = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      parts.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      parts.stderr += text;
    });
    const [exit] = (await once(child, "close")) as [number | null];
    return { ...parts, exit };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#children, this.#holder].reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, "exit");
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await exited;
    }
  }
}

function works(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}
