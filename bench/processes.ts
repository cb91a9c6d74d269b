import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { AntsError } from "../keys/index.js";

/** A child process that said on its first line of output where it listens. */
export interface Listening extends AsyncDisposable {
  readonly url: string;
}

/** A relay process of its own with every rate limit off and its data in a new folder, removed at the end. */
export async function startRelayProcess(): Promise<Listening> {
  const data = await mkdtemp(path.join(tmpdir(), "ants-bench-"));
  const off = ["entries-per-second", "new-dids-per-hour", "backfill-bytes-per-minute"].flatMap((name) => [
    `--${name}`,
    "0",
  ]);
  const relay = await start("../src/cli/main.js", [
    "relay",
    "--json",
    "--port",
    "0",
    "--data",
    data,
    "--log-level",
    "error",
    ...off,
  ]);
  return {
    url: relay.url,
    [Symbol.asyncDispose]: async () => {
      await relay[Symbol.asyncDispose]();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/**
 * Runs a script of this build that prints {"url"} when it is ready, with this process's own options for Node: so
 * `node --cpu-prof dist/bench/main.js` profiles the relay, too.
 */
export async function start(script: string, args: readonly string[]): Promise<Listening> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, file, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await Promise.race([firstUrl(child), ended.then(() => undefined)]);
  if (url === undefined) throw new AntsError("internal", `${script} ended before it was ready`);
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function firstUrl(child: ChildProcess): Promise<string | undefined> {
  for await (const line of createInterface({ input: child.stdout! })) {
    child.stdout!.resume();
    return (JSON.parse(line) as { url: string }).url;
  }
  return undefined;
}
