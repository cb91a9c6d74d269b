import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
const ANTS = join(PACKAGE, "dist/src/cli/main.js");

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number | null;
}

/**
 * A person's machine in a folder: a home, an empty working directory, `ants` on the PATH, no terminal, and nothing of
 * the environment that runs the tests. It may lie in /tmp or in a container, where keygen refuses to work unless told.
 */
export class Sandbox {
  readonly root: string;
  readonly work: string;
  readonly env: Record<string, string>;
  readonly #relays: ChildProcess[] = [];

  constructor(name: string) {
    this.root = mkdtempSync(join(tmpdir(), `ants-${name}-`));
    this.work = join(this.root, "work");
    const bin = join(this.root, "bin");
    for (const folder of [this.work, bin, join(this.root, "home")]) mkdirSync(folder);
    writeFileSync(join(bin, "ants"), `#!/bin/sh\nexec "${process.execPath}" "${ANTS}" "$@"\n`);
    chmodSync(join(bin, "ants"), 0o755);
    this.env = {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: join(this.root, "home"),
      LANG: "C.UTF-8",
      ANTS_ALLOW_EPHEMERAL: "1",
      // A passphrase that costs little: a test opens a vault at every other command, and none is to be guessed.
      ANTS_KDF: "interactive",
    };
  }

  /** One bash script in the working directory; stdin is empty, and no terminal can be opened. */
  async sh(script: string, options: { timeoutMs?: number; cwd?: string } = {}): Promise<Outcome> {
    // A session of its own has no controlling terminal: /dev/tty cannot be opened there, whoever runs the tests.
    const child = spawn("bash", ["-c", script], {
      cwd: options.cwd ?? this.work,
      env: this.env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const timer = setTimeout(() => kill(child), options.timeoutMs ?? 120_000);
    const parts = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      parts.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      parts.stderr += text;
    });
    // "close" waits for every writer of the pipes (and may come with "exit"); background processes of the script end
    // with its group.
    const closed = once(child, "close");
    const [exit] = (await once(child, "exit")) as [number | null];
    clearTimeout(timer);
    kill(child);
    await closed;
    return { ...parts, exit };
  }

  /** Starts a relay process on a free port and returns its URL once it says that it is ready. */
  async relay(name: string): Promise<string> {
    const child = spawn(
      process.execPath,
      [ANTS, "relay", "--json", "--port", "0", "--log-level", "error", "--data", join(this.root, name)],
      {
        cwd: this.root,
        env: this.env,
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    this.#relays.push(child);
    for await (const line of createInterface({ input: child.stdout! })) {
      child.stdout!.resume();
      return (JSON.parse(line) as { url: string }).url;
    }
    throw new Error(`the relay ${name} ended before it was ready`);
  }

  /** Process ids of the relays, in the order in which they were started. */
  get relayPids(): number[] {
    return this.#relays.map(({ pid }) => pid!);
  }

  async close(): Promise<void> {
    for (const relay of this.#relays) {
      if (relay.exitCode !== null || relay.signalCode !== null) continue;
      relay.kill("SIGTERM");
      await once(relay, "exit");
    }
    // Processes that were told to end may still be writing.
    rmSync(this.root, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  }
}

function kill(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}
