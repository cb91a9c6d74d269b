import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { canonicalize, type JsonObject } from "../../keys/canonical.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { archiveName } from "../../src/agent/backup/archive-name.js";
import { Sandbox } from "../transcripts/sandbox.js";

interface Status {
  readonly relays: readonly { url: string; state: string; behind?: { events: number; oldestMs: number } }[];
  readonly furthest?: { url: string; events: number; oldestMs: number };
  readonly complete: number;
  readonly queued: { events: readonly { url: string; events: number }[] };
}

const folder = mkdtempSync(join(tmpdir(), "ants-agent-status-"));
const data = join(folder, "late");
let sandbox: Sandbox;
let relays: TestRelay[];
let late: TestRelay;

beforeAll(async () => {
  sandbox = new Sandbox("agent-status");
  relays = [await startTestRelay(), await startTestRelay()];
  late = await startTestRelay({ config: { data } });
  writeFileSync(join(sandbox.work, "passphrase"), "correct horse battery staple\n", { mode: 0o600 });
  sandbox.env.ANTS_PASSPHRASE_FILE = join(sandbox.work, "passphrase");
  const named = [...relays, late].map(({ url }) => `--relay ${url}`).join(" ");
  expect((await sandbox.sh(`ants keygen ${named} --phrase-file words && ants publish one`)).exit).toBe(0);
});
afterAll(async () => {
  await Promise.all([...relays, late].map((relay) => relay[Symbol.asyncDispose]()));
  await sandbox.close();
  rmSync(folder, { recursive: true });
});

test("ants status says how far behind the furthest relay is, and tells it from one that is away (B2)", async () => {
  const port = Number(new URL(late.url).port);
  const url = late.url;
  await late[Symbol.asyncDispose]();
  expect((await sandbox.sh("ants publish two && ants publish three")).exit).toBe(0);
  const away = await sandbox.sh("ants status --json");
  expect(away.exit).toBe(3);
  expect(statesOf(away.stdout)).toEqual(["reached", "reached", "unreachable"]);
  // Back, with what it had: "one" and its claim. It lacks two events and the claims of their turns.
  late = await startTestRelay({ config: { data, port } });
  const { exit, stdout } = await sandbox.sh("ants status --json");
  expect(exit).toBe(0);
  const status = JSON.parse(stdout) as Status;
  expect(status).toMatchObject({
    complete: 2,
    furthest: { url, events: 4 },
    queued: { events: [{ url, events: 4 }] },
  });
  expect(status.furthest!.oldestMs).toBeGreaterThan(0);
  // A copy that no relay has answered, like one that was restored: what a relay has does not wait for it.
  const copied = await sandbox.sh("cp -r ~/ants copy && rm copy/.ants/outbox/*.json && ants --home copy status --json");
  expect(JSON.parse(copied.stdout)).toMatchObject({ queued: { events: [{ url, events: 4 }] } });
  expect((await sandbox.sh("ants status")).stdout).toContain(`the furthest behind is ${url}, by 4 events and`);
});

test("ants status counts what waits for a quorum and is not signed yet", async () => {
  const drafts = join(sandbox.env.HOME!, "ants/.ants/outbox/drafts");
  mkdirSync(drafts, { recursive: true });
  writeFileSync(join(drafts, "0000000001.json"), "{}");
  writeFileSync(join(drafts, "0000000002.json"), "{}");
  try {
    expect(JSON.parse((await sandbox.sh("ants status --json")).stdout)).toMatchObject({ queued: { drafts: 2 } });
    expect((await sandbox.sh("ants status")).stdout).toContain("2 events not signed yet");
  } finally {
    rmSync(drafts, { recursive: true });
  }
}, 60_000);

test("ants status says which archives are gone from where they were stored, and which are not", async () => {
  const notes = join(sandbox.env.HOME!, "ants/.ants/backups.ndjson");
  const plan = join(sandbox.env.HOME!, "ants/.ants/backup.toml");
  const names = [0, 1, 2].map((n) => archiveName("hot", Date.now() - (4 - n) * 86_400_000, `0000000${n}`));
  const stored = names.map((name) => ({
    note: "stored",
    name,
    target: "/media/stick",
    size: 10,
    sha256: "0".repeat(64),
    recipients: ["age1-hot"],
  }));
  const noted = async (...more: JsonObject[]) => {
    writeFileSync(notes, [...stored, ...more].map((note) => `${canonicalize(note)}\n`).join(""));
    return /^ {2}backup {2}(.*)$/m.exec((await sandbox.sh("ants status")).stdout)?.[1];
  };
  const gone = (name: string) => ({ note: "missing", name, target: "/media/stick", time: Date.now() });
  try {
    const one = await noted(gone(names[2]!));
    expect(one).toBe(
      "hot 3 days old at 1 target, never read back, 1 GONE from where it was stored (ants doctor); there is no plan (ants doctor)",
    );
    expect(await noted(gone(names[1]!), gone(names[2]!))).toMatch(
      /^hot 4 days old .* 2 GONE from where they were stored/,
    );
    const back = { note: "listed", name: names[2]!, target: "/media/stick", time: Date.now() };
    expect(await noted(gone(names[2]!), back)).toMatch(
      /^hot 2 days old at 1 target, never read back; there is no plan/,
    );
    // With a plan, what lies elsewhere is none of its backups.
    writeFileSync(plan, '[[target]]\nurl = "/media/other"\n');
    expect(await noted()).toBe("none");
    writeFileSync(plan, '[[target]]\nurl = "/media/stick"\n');
    expect(await noted()).toBe("hot 2 days old at 1 target, never read back");
  } finally {
    rmSync(notes);
    rmSync(plan, { force: true });
  }
}, 60_000);

test("ants status says what is wrong with the plan for backups, and everything else as always", async () => {
  const plan = join(sandbox.env.HOME!, "ants/.ants/backup.toml");
  writeFileSync(plan, '[[targt]]\nurl = "/media/stick"\n');
  try {
    const { exit, stdout } = await sandbox.sh("ants status --json");
    expect(exit).toBe(3);
    const { relays: asked, backups } = JSON.parse(stdout) as Status & { backups: object };
    expect(asked.map(({ state }) => state)).toEqual(["reached", "reached", "reached"]);
    expect(backups).toMatchObject({
      fault: { code: "backup-config", message: expect.stringContaining("targt") },
      jobs: [],
    });
    expect((await sandbox.sh("ants status")).stdout).toMatch(/^ {2}backup {2}none; the plan cannot be read: .*targt/m);
  } finally {
    rmSync(plan);
  }
}, 60_000);

test("ants status says when a process is at work in this home", async () => {
  const lock = await nodeDisk.lock(join(sandbox.env.HOME!, "ants/.ants/lock"));
  const { stdout } = await sandbox.sh("ants status --json");
  await lock.release();
  const { pen } = JSON.parse(stdout) as { pen: { at: string; holder: string; turn: { epoch: number } } };
  expect(pen).toMatchObject({ at: "here", turn: { epoch: 3 } });
  expect(pen.holder).toContain(`process ${process.pid}`);
});

function statesOf(json: string): string[] {
  return (JSON.parse(json) as Status).relays.map(({ state }) => state);
}
