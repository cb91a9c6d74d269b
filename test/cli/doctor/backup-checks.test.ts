import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { canonicalize, type JsonObject } from "../../../keys/canonical.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { archiveName, type BackupTier } from "../../../src/agent/backup/archive-name.js";
import type { RunRecord } from "../../../src/agent/backup/schedule.js";
import { AgentHome } from "../../../src/agent/home.js";
import type { CommandContext } from "../../../src/cli/context.js";
import { type BackupCheckOptions, checkBackups } from "../../../src/cli/doctor/backup-checks.js";

const fixture = fileURLToPath(new URL("../../fixtures/homes/scout", import.meta.url));
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

let root: string;
let home: string;
let target: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "ants-backup-checks-"));
  home = join(root, "scout");
  target = join(root, "backups");
  cpSync(fixture, home, { recursive: true });
  mkdirSync(target);
});
afterEach(() => rmSync(root, { recursive: true }));

const plan = (more = "") => writeFileSync(join(home, ".ants/backup.toml"), `${more}\n[[target]]\nurl = '${target}'\n`);

interface Made {
  readonly tier: BackupTier;
  readonly ageMs: number;
  readonly verifiedAgoMs?: number;
  readonly isWrong?: true;
  readonly isGone?: true;
  readonly isCut?: true;
}

/** Archives as the schedule leaves them behind: a file at the target, and what the home remembers of it. */
function made(...archives: readonly Made[]): void {
  const nowMs = Date.now();
  const lines = archives.flatMap(({ tier, ageMs, verifiedAgoMs, isWrong, isGone, isCut }, i) => {
    const name = archiveName(tier, nowMs - ageMs, `0000000${i}`);
    if (isGone !== true) writeFileSync(join(target, name), isCut === true ? "" : "an archive");
    const url = target;
    const notes: JsonObject[] = [
      { note: "stored", name, target: url, size: 10, sha256: "0".repeat(64), recipients: [`age1-${tier}`] },
    ];
    if (verifiedAgoMs !== undefined)
      notes.push({ note: "verified", name, target: url, time: nowMs - verifiedAgoMs, level: "whole" });
    if (isWrong === true) notes.push({ note: "failed", name, target: url, time: nowMs });
    return notes.map((note) => `${canonicalize(note)}\n`);
  });
  writeFileSync(join(home, ".ants/backups.ndjson"), lines.join(""));
  ran({ job: "rehearse", startedMs: nowMs - 3 * DAY, outcome: "ok", archives: ["ants-hot-…"], found: "as new" });
}

/** What the schedule noted of its runs, all of it. */
function ran(...records: readonly Partial<RunRecord>[]): void {
  const lines = records.map((record) => `${JSON.stringify({ endedMs: record.startedMs, ...record })}\n`);
  writeFileSync(join(home, ".ants/backup-runs.ndjson"), lines.join(""));
}

/** All as it should be. */
const HEALTHY: readonly Made[] = [
  { tier: "cold", ageMs: 3 * DAY, verifiedAgoMs: 5 * HOUR },
  { tier: "hot", ageMs: 20 * MINUTE, verifiedAgoMs: 10 * MINUTE },
];

/** What is not ok, "level check: found", and that each of it comes with a way out. */
async function wrongs(options: Partial<BackupCheckOptions> = {}): Promise<string[]> {
  const context = { home, env: {}, signal: new AbortController().signal } as unknown as CommandContext;
  const findings = await checkBackups(context, await AgentHome.open(nodeDisk, home), { timeoutMs: 5_000, ...options });
  for (const { level, fix } of findings) expect(fix === undefined).toBe(level === "ok");
  return findings
    .filter(({ level }) => level !== "ok")
    .map(({ level, check, found }) => `${level} ${check}: ${found}`.replaceAll(root, ""));
}

describe("ants doctor looks at backups, and is red (B13)", () => {
  test("without a plan, whatever was made by hand", async () => {
    made(...HEALTHY);
    expect(await wrongs()).toEqual([
      "broken backup plan: there is none: when this disk is lost, all that no relay has is lost with it (the last archive was made by hand, 20 minutes ago)",
    ]);
  });

  test("not when all is well", async () => {
    plan();
    made(...HEALTHY);
    expect(await wrongs()).toEqual([]);
  });

  test("when the verify job is deleted from the plan", async () => {
    plan('[schedule]\nverify = "off"\n');
    made(...HEALTHY);
    expect(await wrongs()).toEqual(["broken verified backup: nobody reads backups back: the plan has no verify job"]);
  });

  test("when whatever ran the verify job is gone: two days later", async () => {
    plan();
    made({ tier: "cold", ageMs: 3 * DAY, verifiedAgoMs: 2.5 * DAY }, { tier: "hot", ageMs: 20 * MINUTE });
    expect(await wrongs()).toEqual([
      "broken verified backup: /backups was read back 3 days ago; the plan does it every 24 hours",
    ]);
  });

  test("when nothing was ever read back", async () => {
    plan();
    made({ tier: "cold", ageMs: DAY }, { tier: "hot", ageMs: MINUTE });
    expect(await wrongs()).toEqual(["broken verified backup: nothing was ever read back from /backups"]);
  });

  test("when what was read back is wrong", async () => {
    plan();
    made(HEALTHY[0]!, { ...HEALTHY[1]!, isWrong: true });
    expect(await wrongs()).toEqual([
      "broken hot backup: there is none at /backups",
      expect.stringMatching(/^broken verified backup: ants-hot-.* is not what was stored$/),
    ]);
  });

  test("when the rehearse job is deleted from the plan, never ran, or did not run for two weeks (B12)", async () => {
    plan('[schedule]\nrehearse = "off"\n');
    made(...HEALTHY);
    const found = async () => (await wrongs()).filter((line) => line.includes("rehearsed restore"));
    expect(await found()).toEqual([
      "broken rehearsed restore: nobody tries whether a backup can be restored: the plan has no rehearse job",
    ]);
    plan();
    ran({ job: "rehearse", startedMs: Date.now() - 15 * DAY, outcome: "ok", archives: ["ants-hot-x"] });
    expect(await found()).toEqual([
      "broken rehearsed restore: ants-hot-x was restored and thrown away 15 days ago; the plan does it every 7 days",
    ]);
    ran({ job: "rehearse", startedMs: Date.now() - DAY, outcome: "failed", message: "it is damaged" });
    expect(await found()).toEqual(["broken rehearsed restore: no restore was ever rehearsed"]);
  });

  test("when a cold archive is gone, though a newer hot one is there; not when it was damaged and removed by hand", async () => {
    plan();
    made({ ...HEALTHY[0]!, isGone: true }, HEALTHY[1]!);
    expect(await wrongs()).toEqual([
      "broken cold backup: there is none at /backups",
      expect.stringMatching(/^broken backup target \/backups: ants-cold-.* was stored there and is gone$/),
    ]);
    const older = { tier: "cold", ageMs: 10 * DAY, verifiedAgoMs: 9 * DAY } as const;
    made({ ...older, isWrong: true }, ...HEALTHY);
    expect(await wrongs()).toEqual([
      expect.stringMatching(/^broken verified backup: ants-cold-.* is not what was stored$/),
    ]);
    rmSync(target, { recursive: true });
    mkdirSync(target);
    made({ ...older, isWrong: true, isGone: true }, ...HEALTHY);
    expect(await wrongs()).toEqual([]);
  });

  test("when all that is new is from a time that has not come", async () => {
    plan();
    made({ tier: "hot", ageMs: 5 * HOUR, verifiedAgoMs: -300 * DAY }, HEALTHY[0]!, { tier: "hot", ageMs: -300 * DAY });
    expect(await wrongs()).toEqual([
      "broken hot backup: the newest one at /backups is 5 hours old; the plan makes one every 60 minutes",
      expect.stringMatching(/^advice backup clock: ants-hot-.* is of a time that has not come/),
    ]);
  });

  test("when the newest one is old, and when there is none", async () => {
    plan();
    made({ tier: "hot", ageMs: 3 * HOUR, verifiedAgoMs: HOUR });
    expect(await wrongs()).toEqual([
      "broken hot backup: the newest one at /backups is 3 hours old; the plan makes one every 60 minutes",
      "broken cold backup: there is none at /backups",
    ]);
  });

  test("when the plan makes no archive at all", async () => {
    plan('[schedule]\nhot = "off"\ncold = "off"\n');
    made(...HEALTHY);
    const found = await wrongs();
    expect(found[0]).toBe("broken backup plan: 1 target, and nothing that makes an archive by itself");
    expect(found.slice(1).every((line) => line.startsWith("advice "))).toBe(true);
  });

  test("when the last run of a job failed, with its reason", async () => {
    plan();
    made(...HEALTHY);
    const rehearsed = { job: "rehearse", startedMs: Date.now() - DAY, outcome: "ok" } as const;
    ran(rehearsed, { job: "hot", startedMs: Date.now() - HOUR, outcome: "failed", message: "no room" });
    expect(await wrongs()).toEqual(["broken backup job hot: the last run failed 60 minutes ago: no room"]);
  });

  test("when a target does not answer, or lost what it had", async () => {
    plan();
    made(...HEALTHY);
    rmSync(target, { recursive: true });
    writeFileSync(target, "no folder");
    expect((await wrongs())[0]).toMatch(/^broken backup target \/backups: /);
    rmSync(target);
    mkdirSync(target);
    made(HEALTHY[0]!, { ...HEALTHY[1]!, isGone: true });
    expect(await wrongs()).toEqual([
      "broken hot backup: there is none at /backups",
      expect.stringMatching(/^broken backup target \/backups: ants-hot-.* was stored there and is gone$/),
    ]);
  });

  test("when a target has less of the newest archive than was stored, before anybody reads it back", async () => {
    plan();
    const cut = { tier: "hot", ageMs: 20 * MINUTE, isCut: true } as const;
    made(HEALTHY[0]!, { ...HEALTHY[1]!, ageMs: 3 * HOUR }, cut);
    expect(await wrongs()).toEqual([
      "broken hot backup: the newest one at /backups is 3 hours old; the plan makes one every 60 minutes",
      expect.stringMatching(/^broken backup target \/backups: ants-hot-.* has 0 bytes there, and 10 were stored$/),
    ]);
  });

  test("when the plan cannot be read", async () => {
    plan("[schedule]\nhot = 5\n");
    expect((await wrongs())[0]).toMatch(/^broken backup plan: .*schedule\.hot/);
  });

  test("and says when archives are encrypted to keys of before", async () => {
    plan();
    made(...HEALTHY);
    const recipients = new Map<BackupTier, readonly string[]>([
      ["hot", ["age1-hot"]],
      ["cold", ["age1-new"]],
    ]);
    expect(await wrongs({ recipients })).toEqual([
      "advice backup recipients: 1 archive is encrypted to other keys than those of today: the words or the host's key changed",
    ]);
    expect(await wrongs({ recipients: new Map() })).toEqual([
      "broken backup recipients: the vault does not know to whom backups are encrypted",
    ]);
    expect(await wrongs({ recipients: recipients.set("cold", ["age1-cold"]) })).toEqual([]);
  });
});
