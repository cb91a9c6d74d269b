import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nodeDisk } from "../../keys/node/disk.js";
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
