import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { OwnerPlace } from "../support/owner-place.js";
import { PLANTED_SECRETS } from "../support/planted-secrets.js";

// Each step is a program that opens a vault.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let place: OwnerPlace;
let home: string;
let target: string;
const archives = () => (existsSync(target) ? readdirSync(target).filter((name) => name.endsWith(".age")) : []);
/** Long turns: a test that runs across the beginning of one would find jobs due. */
const RARE = '[schedule]\nhot = "4w"\ncold = "4w"\nverify = "4w"\nrehearse = "4w"\n';
const writePlan = (more = RARE) =>
  writeFileSync(join(home, ".ants/backup.toml"), `${more}\n[[target]]\nurl = '${target}'\n`);

beforeAll(async () => {
  place = await OwnerPlace.found("backup-schedule", 1);
  home = join(place.sandbox.work, "ants");
  target = join(place.sandbox.work, 'ba ck"ups$%');
  place.sandbox.env.ANTS_ALLOW_EPHEMERAL = "1";
});
afterAll(() => place[Symbol.asyncDispose]());

describe("what the secret scan keeps from being stored (B10, B15)", () => {
  const token = PLANTED_SECRETS.find(({ name }) => name === "github.classic")!.value.toString();
  const path = () => join(home, "MEMORY.md");

  test("a secret in a file stops the backup before anything is stored, and is named without its value", async () => {
    writePlan();
    writeFileSync(path(), `# What I know\n\nthe token is ${token}\n`);
    const { exit, stdout, stderr } = await place.sh("ants backup create --json");
    expect(exit).toBe(4);
    expect(JSON.parse(stderr.trim().split("\n").at(-1)!)).toMatchObject({
      code: "backup-secret-found",
      message: "this looks like a secret: MEMORY.md:3  github-token  ghp_… (36 characters); nothing was stored",
    });
    expect(stdout + stderr).not.toContain(token.slice(4, 20));
    expect(archives()).toEqual([]);
    expect(readdirSync(join(home, ".ants/backup-spool"))).toEqual([]);
    rmSync(path());
  });
});

describe("ants backup schedule (B8, B12)", () => {
  test("run --once makes both tiers, reads them back, and rehearses a restore", async () => {
    writePlan();
    type Runs = { runs: { job: string; outcome: string; archives: string[]; found?: string }[] };
    const { runs } = await place.done<Runs>("ants backup schedule run --once --json");
    expect(runs.map(({ job, outcome }) => `${job} ${outcome}`)).toEqual([
      "hot ok",
      "cold ok",
      "verify ok",
      "rehearse ok",
    ]);
    expect(new Set(runs.slice(0, 2).flatMap(({ archives }) => archives))).toEqual(new Set(archives()));
    expect(runs[2]!.archives.toSorted()).toEqual(archives().toSorted());
    // It was unpacked, compared with the relays, and nothing of it is left.
    expect(runs[3]).toMatchObject({ archives: runs[0]!.archives, found: expect.stringMatching(/relay/) });
    expect(existsSync(join(home, ".ants/backup-rehearsal"))).toBe(false);
  });

  test("a rehearsal finds how far a restored copy would be behind, disturbs nobody, and fails where none restores", async () => {
    const rehearse = '[schedule]\nhot = "off"\ncold = "off"\nverify = "off"\nrehearse = "4w"\n';
    await place.done("ants publish after-the-backup --json");
    rmSync(join(home, ".ants/backup-runs.ndjson"));
    writePlan(rehearse);
    type Runs = { runs: { job: string; outcome: string; code?: string; found?: string }[] };
    const { runs } = await place.done<Runs>("ants backup schedule run --once --json");
    expect(runs).toMatchObject([
      { job: "rehearse", outcome: "ok", found: expect.stringMatching(/^2 events and .* behind/) },
    ]);
    await place.done("ants publish nobody-was-displaced --json");
    const [hot] = archives().filter((name) => name.startsWith("ants-hot-"));
    const bytes = readFileSync(join(target, hot!));
    writeFileSync(join(target, hot!), bytes.subarray(0, bytes.length - 20));
    rmSync(join(home, ".ants/backup-runs.ndjson"));
    const failed = await place.sh("ants backup schedule run --once --json");
    expect(failed.exit).toBe(3);
    expect(JSON.parse(failed.stdout)).toMatchObject({ runs: [{ outcome: "failed", code: "backup-damaged" }] });
    expect(existsSync(join(home, ".ants/backup-rehearsal"))).toBe(false);
    writeFileSync(join(target, hot!), bytes);
  });

  test("makes and removes nothing in a home that sleeps or that the agent moved away from", async () => {
    const mark = join(home, ".ants/dormant.json");
    writePlan();
    rmSync(join(home, ".ants/backup-runs.ndjson"));
    const before = archives();
    writeFileSync(mark, "{}");
    for (const command of ["schedule run --once", "create", "prune --yes", "rewrap"])
      expect(await place.fails(`ants backup ${command} --json`), command).toBe("home-dormant");
    rmSync(mark);
    const moved = join(home, ".ants/moved.json");
    writeFileSync(moved, JSON.stringify({ state: "gone", request: "", instance: "x", bundle: "x", atMs: 0 }));
    expect(await place.fails("ants backup schedule run --once --json")).toBe("home-moved");
    rmSync(moved);
    expect(archives()).toEqual(before);
  });

  test("a job that fails is recorded, and tried again at another time", async () => {
    const [archive] = archives().filter((name) => name.startsWith("ants-hot-"));
    const bytes = readFileSync(join(target, archive!));
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(join(target, archive!), bytes);
    writeFileSync(join(home, ".ants/backup-runs.ndjson"), "");
    writePlan('[schedule]\nhot = "off"\ncold = "off"\nverify = "4w"\nrehearse = "off"\n');
    const { exit, stdout } = await place.sh("ants backup schedule run --once --json");
    expect(exit).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ runs: [{ job: "verify", outcome: "failed", code: "backup-damaged" }] });
    const early = await place.sh("ants backup schedule run --once");
    expect(early.stdout).toBe("nothing is due\n");
    expect(early.stderr).toContain("ants backup schedule run --now does it at once");
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(join(target, archive!), bytes);
    type Runs = { runs: { job: string; outcome: string }[] };
    const { runs } = await place.done<Runs>("ants backup schedule run --now --json");
    expect(runs).toMatchObject([{ job: "verify", outcome: "ok" }]);
  });

  test("run works until SIGTERM, alone in its home", async () => {
    rmSync(join(home, ".ants/backup-runs.ndjson"));
    rmSync(join(home, ".ants/backups.ndjson"));
    rmSync(target, { recursive: true });
    writePlan();
    const cli = join(import.meta.dirname, "../../dist/src/cli/main.js");
    const daemon = spawn(process.execPath, [cli, "backup", "schedule", "run"], {
      env: { ...process.env, ...place.sandbox.env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    for await (const chunk of daemon.stderr) {
      said += chunk;
      if (said.includes("next: ")) break;
    }
    expect(archives()).toHaveLength(2);
    expect(await place.fails("ants backup schedule run --json")).toBe("locked");
    expect(await place.done("ants backup schedule status --json")).toMatchObject({ running: true });
    const ended = once(daemon, "exit");
    daemon.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    expect(await place.done("ants backup schedule status --json")).toMatchObject({ running: false });
  });

  test("print makes units that systemd takes, with every path as it is", async () => {
    mkdirSync(target, { recursive: true });
    const absent = join(place.sandbox.work, "stick/that is not in");
    writeFileSync(join(home, ".ants/backup.toml"), `[[target]]\nurl = '${target}'\n[[target]]\nurl = '${absent}'\n`);
    const { files } = await place.done<{ files: string[] }>("ants backup schedule print --write units --json");
    expect(files.map((file) => file.replace(/.*\//, ""))).toEqual([
      "ants-backup-agent.service",
      "ants-backup-agent.timer",
    ]);
    const service = readFileSync(files[0]!, "utf8");
    // Without its "-", systemd starts no service while such a folder is missing.
    expect(service).toContain(`ReadWritePaths="-${target.replaceAll("%", "%%").replaceAll('"', '\\"')}"`);
    expect(service).toContain(`ReadWritePaths="-${absent}"`);
    expect(service).not.toMatch(/ReadWritePaths="[^-]/);
    expect(service).not.toContain("LoadCredential");
    // The service would have folders of its own in the place of these.
    if (/^(\/var)?\/tmp\//.test(realpathSync(home))) expect(service).not.toContain("PrivateTmp");
    writeFileSync(join(home, ".ants/backup.toml"), "");
    const text = await place.sh("env -u ANTS_PASSPHRASE_FILE ants backup schedule print");
    expect(text.stderr).toMatch(/names no target: name one first, and print the units again/);
    expect(text.stdout).toContain("LoadCredentialEncrypted=ants-passphrase:/etc/ants/passphrase.cred");
    expect((await place.sh("ants backup schedule print --user")).stdout).not.toContain("ProtectSystem");
    if (!existsSync("/usr/bin/systemd-analyze")) return;
    const said = execFileSync("sh", ["-c", 'systemd-analyze verify "$@" 2>&1 || true', "sh", ...files], {
      encoding: "utf8",
    });
    // These tests run as nobody, too, of whom systemd warns by itself.
    const ours = said
      .split("\n")
      .filter((line) => line.includes("ants-backup") && !line.includes("Special user nobody"));
    expect(ours).toEqual([]);
  });
});
