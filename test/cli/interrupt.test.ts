import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Prng } from "../keys/prng.js";
import { Sandbox } from "../transcripts/sandbox.js";

/** The moments are drawn at random over a command's whole life: this seed repeats them, as far as a machine does. */
const SEED = Number(process.env.ANTS_SEED ?? 20_261_121);
/** More of them find more; three are what a check of every change can afford. */
const ROUNDS = Number(process.env.ANTS_ROUNDS ?? 2);
const ANTS = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

const prng = new Prng(SEED);
let sandbox: Sandbox;
let relays: string[];

interface Ended {
  readonly exit: number | null;
  readonly killedBy: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

class Ants {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";

  constructor(...args: string[]) {
    const startedMs = performance.now();
    this.child = spawn(process.execPath, [ANTS, ...args], {
      cwd: sandbox.work,
      env: sandbox.env,
      stdio: ["ignore", "pipe", "pipe"],
      // Without a terminal, as for every other command of these tests.
      detached: true,
    });
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.child, "close").then(([exit, killedBy]) => ({
      exit: exit as number | null,
      killedBy: killedBy as NodeJS.Signals | null,
      stdout: this.stdout,
      stderr: this.stderr,
      tookMs: performance.now() - startedMs,
    }));
  }

  /** Resolves when stdout has something. */
  async spoke(): Promise<void> {
    while (this.stdout === "") await once(this.child.stdout!, "data");
  }
}

async function run(...args: string[]): Promise<Ended> {
  return new Ants(...args).ended;
}

/** Runs a command to its end and requires that it succeeds. */
async function succeed(...args: string[]): Promise<Ended> {
  const ended = await run(...args);
  expect(ended.exit, `ants ${args.join(" ")}\n${ended.stdout}${ended.stderr}`).toBe(0);
  return ended;
}

/** Runs a command and sends it a signal at a random moment of its first `lifeMs`. */
async function interrupted(round: number, lifeMs: number, ...args: string[]): Promise<Ended> {
  const ants = new Ants(...args);
  const signal = SIGNALS[round % 2]!;
  const delayMs = prng.below(Math.ceil(lifeMs));
  const timer = setTimeout(() => ants.child.kill(signal), delayMs);
  const ended = await ants.ended;
  clearTimeout(timer);
  const context = `ants ${args.join(" ")}, ${signal} after ${delayMs} ms of ${Math.round(lifeMs)}\n${ended.stderr}`;
  // Before a handler is there, and after the work is done, a signal ends the process as it ends any.
  if (ended.killedBy !== null) expect(ended.killedBy, context).toBe(signal);
  // A doctor who finds no backups ends with 1.
  else expect(args[0] === "doctor" ? [1, 130] : [0, 130], context).toContain(ended.exit);
  expect(temporaryFiles(), context).toEqual([]);
  return ended;
}

/** Everything below the sandbox that looks like a file on its way to be another one. */
function temporaryFiles(): string[] {
  return readdirSync(sandbox.root, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(tmp|partial)$/.test(name),
  );
}

/** Processes that name this sandbox's folder for temporary files on their command line. */
function processesIn(folder: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return line.includes(folder) ? [line.replaceAll("\0", " ")] : [];
      } catch {
        return [];
      }
    });
}

beforeAll(async () => {
  console.info(`interruptions: ANTS_SEED=${SEED}`);
  sandbox = new Sandbox("interrupt");
  writeFileSync(join(sandbox.work, "passphrase"), "correct horse battery staple\n", { mode: 0o600 });
  writeFileSync(join(sandbox.work, "other"), "another passphrase than before\n", { mode: 0o600 });
  sandbox.env.ANTS_PASSPHRASE_FILE = join(sandbox.work, "passphrase");
  const temporary = join(sandbox.root, "temporary");
  mkdirSync(temporary);
  sandbox.env.TMPDIR = temporary;
  relays = await Promise.all(["relay-1", "relay-2", "relay-3"].map((name) => sandbox.relay(name)));
  await succeed("keygen", "--phrase-file", "words", ...relays.flatMap((url) => ["--relay", url]));
});

afterAll(() => sandbox.close());

describe("a signal at any moment", { timeout: 600_000 }, () => {
  test("leaves keygen with an agent or with nothing", async () => {
    const keygen = (n: string | number) => [
      ...["keygen", "--home", `home-${n}`, "--vault", `vault-${n}.json`, "--phrase-file", `words-${n}`],
      ...relays.flatMap((url) => ["--relay", url]),
    ];
    const { tookMs } = await succeed(...keygen("first"));
    for (let round = 0; round < ROUNDS; round++) {
      await interrupted(round, tookMs, ...keygen(round));
      if (!existsSync(join(sandbox.work, `home-${round}/.ants/config.toml`))) {
        expect(existsSync(join(sandbox.work, `words-${round}`)), `words of nobody, round ${round}`).toBe(false);
        await succeed(...keygen(round));
      }
      const of = ["--home", `home-${round}`, "--vault", `vault-${round}.json`];
      await succeed("vault", "verify", ...of);
      await succeed("vault", "verify", ...of, "--phrase-file", `words-${round}`);
    }
  });

  test("leaves what a second keygen explains, also when it is kill -9", async () => {
    const keygen = (n: number) => [
      ...["keygen", "--home", `killed-${n}`, "--vault", `killed-${n}.json`, "--phrase-file", `killed-${n}-words`],
      ...relays.flatMap((url) => ["--relay", url]),
    ];
    const lifeMs = 2_000;
    for (let round = 0; round < ROUNDS; round++) {
      const ants = new Ants(...keygen(round));
      const timer = setTimeout(() => ants.child.kill("SIGKILL"), prng.below(lifeMs));
      await ants.ended;
      clearTimeout(timer);
      if (existsSync(join(sandbox.work, `killed-${round}/.ants/config.toml`))) {
        await succeed("vault", "verify", "--home", `killed-${round}`, "--vault", `killed-${round}.json`);
        continue;
      }
      const again = await run(...keygen(round));
      if (again.exit === 0) continue;
      // Words or a vault were on the disk already: only a person can know that they are nobody's.
      expect(again.exit).toBe(4);
      expect(again.stderr).toMatch(/there is something already|refused to overwrite/);
      await succeed(...keygen(round).map((word) => word.replace(/^(killed-\d+)(-words|\.json)$/, "$1-again$2")));
    }
  });

  test("leaves the chain whole after publish", async () => {
    const { tookMs } = await succeed("publish", "hello");
    for (let round = 0; round < ROUNDS; round++) {
      const { exit, stdout } = await interrupted(round, tookMs, "publish", `round ${round}`);
      await succeed("log", "verify");
      const { stdout: log } = await succeed("log", "cat");
      if (exit === 0) expect(stdout).toMatch(/^[0-9a-f]{64} /);
      if (exit === 0) expect(log).toContain(`round ${round}`);
    }
    await succeed("publish", "afterwards");
  });

  test("leaves follow --state where it was: every event once", async () => {
    const bodies = (text: string) => text.split("\n").flatMap((line) => (line.includes('"kind":"tick"') ? [line] : []));
    writeFileSync(join(sandbox.work, "ticks"), Array.from({ length: 200 }, (_, n) => `${n}\n`).join(""));
    await succeed("publish", "--lines", "--file", "ticks", "--kind", "tick");
    const follow = ["follow", "--state", "place", "--json", "--kind", "tick"];
    const { tookMs } = await succeed(...follow.with(2, "first-place"), "--until-caught-up");
    const seen: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const ended = await interrupted(round, tookMs, ...follow);
      seen.push(...bodies(ended.stdout));
    }
    seen.push(...bodies((await succeed(...follow, "--until-caught-up")).stdout));
    const numbers = seen.map((line) => (JSON.parse(line) as { body: { text: string } }).body.text);
    expect(numbers).toEqual(Array.from({ length: 200 }, (_, n) => String(n)));
  });

  test("leaves the vault open to one passphrase after vault passwd", async () => {
    const change = (to: string) => ["vault", "passwd", "--new-passphrase-file", to];
    let [present, next] = ["passphrase", "other"];
    const { tookMs } = await succeed(...change("passphrase"));
    for (let round = 0; round < ROUNDS; round++) {
      sandbox.env.ANTS_PASSPHRASE_FILE = join(sandbox.work, present);
      const { exit } = await interrupted(round, tookMs, ...change(next));
      sandbox.env.ANTS_PASSPHRASE_FILE = join(sandbox.work, next);
      const changed = (await run("vault", "verify")).exit === 0;
      if (exit === 0) expect(changed).toBe(true);
      if (changed) [present, next] = [next, present];
      sandbox.env.ANTS_PASSPHRASE_FILE = join(sandbox.work, present);
      await succeed("vault", "verify");
    }
    if (present !== "passphrase") await succeed(...change("passphrase"));
    sandbox.env.ANTS_PASSPHRASE_FILE = join(sandbox.work, "passphrase");
  });

  test("leaves a relay's folder to be opened again", async () => {
    const relay = ["relay", "--json", "--port", "0", "--log-level", "error", "--data", "relay-data"];
    const first = new Ants(...relay);
    const startedMs = performance.now();
    await first.spoke();
    const readyMs = performance.now() - startedMs;
    first.child.kill("SIGTERM");
    expect(await first.ended).toMatchObject({ exit: 0 });
    for (let round = 0; round < ROUNDS; round++) await interrupted(round, readyMs * 1.2, ...relay);
    const last = new Ants(...relay);
    await last.spoke();
    last.child.kill("SIGINT");
    expect(await last.ended).toMatchObject({ exit: 130 });
    await succeed("relay", "verify", "relay-data");
  });

  test.each(["doctor", "log verify", "log cat", "whoami"])("ends ants %s", async (command) => {
    const words = command.split(" ");
    const ends = command === "doctor" ? run : succeed;
    const before = await ends(...words);
    for (let round = 0; round < 2; round++) await interrupted(round, before.tookMs, ...words);
    expect((await ends(...words)).exit).toBe(before.exit);
  });

  test("ends the demonstration with all its processes and files, also when it comes twice", async () => {
    const temporary = sandbox.env.TMPDIR!;
    for (let round = 0; round < 4; round++) {
      const demo = new Ants("demo", "--events", "200");
      // From the first line on there are relays; a fresh process is only a program that is being loaded.
      if (round > 0) await demo.spoke();
      await sleep(prng.below(2_500));
      demo.child.kill(SIGNALS[round % 2]);
      if (round % 2 === 1) demo.child.kill("SIGTERM");
      const { exit, stderr, stdout } = await demo.ended;
      expect([0, 130], stdout + stderr).toContain(exit);
      expect(processesIn(temporary), `round ${round}`).toEqual([]);
      expect(readdirSync(temporary), `round ${round}`).toEqual([]);
    }
  });

  test("ends publish that waits for relays which are gone, and says that it is not lost", async () => {
    for (const pid of sandbox.relayPids.slice(1)) process.kill(pid, "SIGKILL");
    for (let round = 0; round < 3; round++) {
      const { exit } = await interrupted(round, 3_000, "publish", "to nobody", "--timeout", "60");
      expect(exit).not.toBe(0);
      await succeed("log", "verify");
    }
    await succeed("vault", "verify");
  });
});
