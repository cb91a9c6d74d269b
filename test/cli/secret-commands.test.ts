import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openVault } from "ants-agent/keys/node";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { lengthText, momentOf, spanOf } from "../../src/cli/when.js";
import { works } from "../keys/node/run.js";
import { foundInSandbox, PASSPHRASE } from "../support/sandbox-agent.js";
import { type Outcome, Sandbox } from "../transcripts/sandbox.js";
import { Pty } from "./pty.js";

let sandbox: Sandbox;
let vault: string;
/** The agent as it was founded: every test begins with it, and with the relay's memory of the tests before. */
let founded: string;
let n = 0;

beforeAll(async () => {
  sandbox = new Sandbox("secrets");
  vault = await foundInSandbox(sandbox, [await sandbox.relay("relay")]);
  founded = join(sandbox.root, "founded");
  writeFileSync(join(sandbox.root, "passphrase"), PASSPHRASE, { mode: 0o600 });
  sandbox.env.ANTS_PASSPHRASE_FILE = join(sandbox.root, "passphrase");
});
afterAll(() => sandbox.close());
beforeEach(() => {
  n += 1;
});

async function sh(script: string, expected = 0): Promise<Outcome> {
  const outcome = await sandbox.sh(script, { timeoutMs: 100_000 });
  expect(outcome.exit, outcome.stderr).toBe(expected);
  return outcome;
}

/** Versions of a secret in the vault's file, newest first. */
function versionsOf(name: string): { number: number; value: string }[] {
  const opened = openVault(readFileSync(vault), { passphrase: PASSPHRASE });
  const versions = opened.content.secrets[name]?.credentials[0]?.versions ?? [];
  const found = versions.map(({ number, value }) => ({ number, value: Buffer.from(value).toString() }));
  opened.close();
  return found;
}

describe("an old copy of the whole agent (B17)", { timeout: 600_000 }, () => {
  test("is told by the relays what was recorded since; cut off from them, it says what it cannot know", async () => {
    await sh("echo one | ants secret set api");
    cpSync(sandbox.env.HOME!, founded, { recursive: true });
    await sh("echo two | ants secret rotate api");
    const old = { home: join(founded, "ants"), vault: vault.replace(sandbox.env.HOME!, founded) };
    const flags = `--home ${old.home} --vault ${old.vault}`;
    const { stderr } = await sh(`ants secret get api ${flags} --json`, 4);
    expect(stderr).toContain('"code":"secret-stale"');
    // Offline is said, and then only what is here counts.
    expect((await sh(`ants secret get api ${flags} --offline`)).stdout).toBe("one");
    process.kill(sandbox.relayPids[0]!, "SIGSTOP");
    try {
      const cut = await sh(`ants secret get api ${flags} --timeout 1`);
      expect(cut.stdout).toBe("one");
      expect(cut.stderr).toContain("0 of 1 relays answered");
    } finally {
      process.kill(sandbox.relayPids[0]!, "SIGCONT");
    }
    rmSync(founded, { recursive: true });
  });
});

describe("ants secret exec", { timeout: 600_000 }, () => {
  test("passes signals on, and ends as its command ends", async () => {
    await sh("echo v | ants secret set signals --offline --quiet");
    for (const [signal, exit] of [
      ["SIGTERM", 10],
      ["SIGHUP", 11],
      ["SIGUSR2", 12],
    ] as const) {
      const script =
        "trap 'exit 10' TERM; trap 'exit 11' HUP; trap 'exit 12' USR2; echo ready; while :; do read -t 1 _; done";
      const child = spawn(
        "bash",
        ["-c", `exec ants secret exec --offline --secret signals -- bash -c "$SCRIPT" < <(sleep 60)`],
        {
          cwd: sandbox.work,
          env: { ...sandbox.env, SCRIPT: script },
          stdio: ["ignore", "pipe", "inherit"],
          detached: true,
        },
      );
      const exited = once(child, "exit");
      for await (const line of createInterface({ input: child.stdout! })) if (line === "ready") break;
      child.kill(signal);
      expect(await exited).toEqual([exit, null]);
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // Nothing of it is left.
      }
    }
    await sh("ants secret exec --offline --secret signals -- sh -c 'kill -KILL $$'", 137);
    await sh("ants secret exec --offline --secret signals -- /", 126);
  });

  test("takes no variable of ants itself, and warns of those that choose the code that runs", async () => {
    await sh("echo v | ants secret set named --offline --quiet");
    const exec = "ants secret exec --offline --secret";
    for (const variable of ["ANTS_HOME", "ANTS_PASSPHRASE"]) {
      expect((await sh(`${exec} named=${variable} -- true`, 2)).stderr).toContain(variable);
    }
    await sh("echo v | ants secret set ants.home --offline --quiet");
    await sh(`${exec} ants.home -- true`, 2);
    for (const variable of ["LD_LIBRARY_PATH", "BASH_ENV", "DYLD_INSERT_LIBRARIES"]) {
      expect((await sh(`${exec} named=${variable} -- true`)).stderr).toContain(`warning: ${variable}`);
    }
    expect((await sh(`${exec} named -- true`)).stderr).not.toContain("warning:");
  });

  test("gives a clean environment when it is asked for one, and never the way to the passphrase", async () => {
    await sh("echo v | ants secret set plain --offline --quiet");
    const env = (flags: string) =>
      sh(`OTHER=1 ANTS_PASSPHRASE_COMMAND= ants secret exec --offline --secret plain ${flags} -- env`);
    const names = (outcome: Outcome) => outcome.stdout.split("\n").map((line) => line.split("=")[0]!);
    const all = names(await env(""));
    expect(all).toEqual(expect.arrayContaining(["OTHER", "PLAIN", "PATH", "ANTS_ALLOW_EPHEMERAL"]));
    expect(all.filter((name) => name.startsWith("ANTS_PASSPHRASE"))).toEqual([]);
    expect(
      names(await env("--only"))
        .filter(Boolean)
        .sort(),
    ).toEqual(["HOME", "LANG", "PATH", "PLAIN"]);
  });

  test("is killed with nothing left behind: neither a value on disk nor a lock", async () => {
    await sh("echo v | ants secret set killed --offline --quiet");
    const script = "exec ants secret exec --offline --secret killed -- sh -c 'echo ready; exec sleep 60'";
    const child = spawn("bash", ["-c", script], {
      ...{ cwd: sandbox.work, env: sandbox.env, stdio: ["ignore", "pipe", "inherit"], detached: true },
    });
    for await (const line of createInterface({ input: child.stdout! })) if (line === "ready") break;
    process.kill(-child.pid!, "SIGKILL");
    await sh("echo w | ants secret rotate killed --offline --quiet");
    expect(versionsOf("killed")).toEqual([{ number: 2, value: "w" }]);
  });
});

describe("killed at any moment", { timeout: 600_000 }, () => {
  test("a rotation leaves the old version or the new one, and the next change finishes it", async () => {
    await sh("echo start | ants secret set crash");
    let { number } = versionsOf("crash")[0]!;
    let killed = 0;
    for (const afterMs of [500, 800, 1_100, 1_400]) {
      const child = spawn("bash", ["-c", "exec ants secret rotate crash"], {
        ...{ cwd: sandbox.work, env: sandbox.env, stdio: ["pipe", "ignore", "ignore"], detached: true },
      });
      child.stdin!.end(`after ${afterMs}\n`);
      const exited = once(child, "exit");
      const timer = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), afterMs);
      const [, signal] = await exited;
      clearTimeout(timer);
      if (signal !== null) killed += 1;
      const [latest] = versionsOf("crash");
      expect([number, number + 1]).toContain(latest!.number);
      expect((await sh("ants secret get crash --json")).stdout).toContain(`"version":${latest!.number}`);
      number = latest!.number;
    }
    expect(killed).toBeGreaterThan(0);
    await sh("echo end | ants secret rotate crash --timeout 90");
    expect(versionsOf("crash")).toEqual([{ number: number + 1, value: "end" }]);
  });
});

describe("at a terminal", { timeout: 600_000 }, () => {
  test("a value is asked for twice and never shown, and is not shown by get without --show", async (context) => {
    if (!works("script", "--version")) context.skip("script (util-linux) is not installed");
    const env = { ...sandbox.env };
    const set = new Pty("ants secret set typed --offline --quiet", env);
    await set.waitFor("Value of typed (not shown): ");
    set.type("an invented value\r");
    await set.waitFor("The same again: ");
    set.type("an invented value\r");
    expect(await set.end()).toBe(0);
    expect(set.shown).not.toContain("invented");
    expect(versionsOf("typed")).toEqual([{ number: 1, value: "an invented value" }]);

    const get = new Pty("ants secret get typed --offline --json", env);
    expect(await get.end()).toBe(4);
    expect(get.shown).toContain('"secret-on-terminal"');
    expect(get.shown).not.toContain("invented");
    const show = new Pty("ants secret get typed --offline --show", env);
    expect(await show.end()).toBe(0);
    expect(show.shown).toContain("an invented value\r\n");

    const other = new Pty("ants secret rm typed --offline --quiet", env);
    await other.waitFor("Type typed to go on");
    other.type("another\r");
    expect(await other.end()).toBe(4);
    const rm = new Pty("ants secret rm typed --offline --quiet", env);
    await rm.waitFor("Type typed to go on");
    rm.type("typed\r");
    expect(await rm.end()).toBe(0);
    expect((await sh("ants secret get typed --offline --json", 4)).stderr).toContain('"code":"secret-stale"');
    expect((await sh("ants secret set void --json < /dev/null", 2)).stderr).toContain('"code":"secret-empty"');
  });
});

describe("what a value is", { timeout: 600_000 }, () => {
  test("is every byte of the input, but for the newline after a single line of text", async () => {
    const given: [string, string, string][] = [
      ["line", "printf 'token\\n'", "token"],
      ["windows", "printf 'token\\r\\n'", "token"],
      ["exact", "printf 'token\\n'", "token\n"],
      ["lines", "printf 'a\\nb\\n'", "a\nb\n"],
      ["bytes", "printf '\\001\\n'", "\u0001\n"],
    ];
    for (const [name, command, expected] of given) {
      const exact = name === "exact" ? "--exact" : "";
      await sh(`${command} | ants secret set v${n}.${name} --offline --quiet ${exact}`);
      expect(versionsOf(`v${n}.${name}`), name).toEqual([{ number: 1, value: expected }]);
    }
  });

  test("has spans and moments that mean one thing", () => {
    expect(["45s", "30m", "12h", "90d", "1w", "d", "1.5d", "-1d"].map(spanOf)).toEqual([
      ...[45_000, 1_800_000, 43_200_000, 7_776_000_000, undefined, undefined, undefined, undefined],
    ]);
    expect(momentOf("1d", 1_000)).toBe(86_401_000);
    expect(momentOf("2027-01-31", 0)).toBe(Date.UTC(2027, 0, 31));
    expect(momentOf("2027-01-31T12:00:00Z", 0)).toBe(Date.UTC(2027, 0, 31, 12));
    for (const wrong of ["2027-01-31 12:00", "2027-13-01", "31.1.2027", "tomorrow", ""])
      expect(momentOf(wrong, 0)).toBeUndefined();
    expect([60_000, -7_200_000, 3 * 86_400_000].map(lengthText)).toEqual(["1 minute", "2 hours", "3 days"]);
  });
});
