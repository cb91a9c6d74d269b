import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hex, utf8 } from "../../../../keys/bytes.js";
import { canonicalize, type JsonObject } from "../../../../keys/canonical.js";
import { publicKeyFromSeed } from "../../../../keys/ed25519/index.js";
import { createIdentity, rotateIdentity } from "../../../../keys/identity/create.js";
import { parseOperation } from "../../../../keys/identity/operation.js";
import { Frontier } from "../../../../keys/merkle/frontier.js";
import { encodeMultikey } from "../../../../keys/multikey.js";
import type { Random } from "../../../../keys/ports.js";
import { scanFile } from "../../../../src/agent/backup/scan/scan-file.js";
import { createBatch } from "../../../../src/protocol/batch.js";
import { checkpointOrigin, signCheckpoint } from "../../../../src/protocol/checkpoint.js";
import { formatCursor } from "../../../../src/protocol/cursor.js";
import { PLANTED_SECRETS } from "../../../support/planted-secrets.js";

/** The same at each run, and another one for each home. */
class Drawn implements Random {
  #count = 0;
  constructor(readonly seed: string) {}
  bytes(length: number): Uint8Array {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, () =>
      createHash("sha256")
        .update(`own ${this.seed} ${this.#count++}`)
        .digest(),
    );
    return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
  }
  hash(): string {
    return hex(this.bytes(32));
  }
}

const STREAM = "0123456789abcdef";
const RELAYS = ["wss://a.example", "ws://127.0.0.1:7411"];

/** Every file that ants writes into a home, with all that it may hold. */
function ownFiles(seed: string): Record<string, string> {
  const random = new Drawn(seed);
  const [sign, later, recovery] = [random.bytes(32), random.bytes(32), random.bytes(32)];
  const genesis = createIdentity({
    signSeeds: [sign, random.bytes(32)],
    agree: random.bytes(32),
    recoveryKeys: [recovery, random.bytes(32), random.bytes(32)].map((seed) => publicKeyFromSeed(seed)),
    escrow: random.bytes(32),
    relays: [{ url: RELAYS[0]!, stream: STREAM }],
    timeMs: 1_790_000_000_000,
  });
  const rotated = rotateIdentity({
    parent: parseOperation(utf8(genesis.line)),
    revealSeeds: [recovery],
    newSignSeeds: [later],
    nextRecoveryKeys: [publicKeyFromSeed(random.bytes(32))],
    timeMs: 1_790_000_001_000,
  });
  const { did } = genesis;
  const heads = Array.from({ length: 3 }, (_, seq) => ({ epoch: 1, seq, id: random.hash() }));
  const events = createBatch({
    did,
    seed: sign,
    epoch: 2,
    after: heads[2]!,
    drafts: Array.from({ length: 5 }, (_, n) => ({
      kind: n === 0 ? "ants.step" : "note",
      body: { text: `did the thing ${n}` },
      timeMs: 1_790_000_002_000 + n,
      salt: true,
    })),
    random,
  }).map(({ line }) => line);
  const frontier = Frontier.from(7, [random.bytes(32), random.bytes(32), random.bytes(32)]);
  const relayState = (url: string) => ({
    stream: STREAM,
    cursor: formatCursor({ stream: STREAM, position: 7, root: random.hash() }),
    key: encodeMultikey(publicKeyFromSeed(later)),
    frontier: frontier.toJSON(),
    checkpoint: signCheckpoint({ origin: checkpointOrigin(url, STREAM), size: 7, root: random.bytes(32) }, later),
    authors: { [did]: heads[1] },
  });
  const state = {
    v: 1,
    relays: Object.fromEntries(RELAYS.map((url) => [url, relayState(url)])),
    delivered: Object.fromEntries(RELAYS.map((url) => [url, [random.hash(), random.hash(), random.hash()]])),
    agents: { [did]: { operations: [genesis.line, rotated.line], tip: heads[2] } },
  };
  const cursors = `${JSON.stringify({ v: 1, follows: { inbox: state, [`all of ${did}`]: state } })}\n`;
  const name = `ants-hot-20261121T120000Z-${hex(random.bytes(8))}.tar.age`;
  const target = "/media/stick/backups";
  const recipients = [encodeMultikey(random.bytes(32), "x25519")];
  const notes: JsonObject[] = [
    { note: "stored", name, target, size: 12_345, sha256: random.hash(), recipients, head: heads[2]! },
    { note: "verified", name, target, time: 1_790_000_003_000, level: "whole" },
    {
      note: "missing",
      name,
      target: "s3://bucket/agent?endpoint=https://s3.example&region=x",
      time: 1_790_000_004_000,
    },
    { note: "removed", name, target },
  ];
  const mark = {
    url: RELAYS[0]!,
    stream: STREAM,
    acknowledged: heads[2]!,
    readTo: formatCursor({ stream: STREAM, position: 3, root: random.hash() }),
  };
  const letters = heads.map(({ seq, id }) => ({ id, seq: seq + 1, time: 1_790_000_000_000, to: [did], have: RELAYS }));
  return {
    ".ants/config.toml": `# An agent's home. The key is not here: it is in the vault.\ndid = "${did}"\nlabel = "scout"\nfounded = true\n`,
    ".ants/identity.ndjson": `${genesis.line}\n${rotated.line}\n`,
    ".ants/identity.proposed": rotated.line,
    ".ants/identity.ending": `${rotated.line}\n`,
    ".ants/chain/0000000000000000.ndjson": `${events.join("\n")}\n`,
    [`.ants/outbox/${STREAM}.json`]: `${canonicalize(mark as unknown as JsonObject)}\n`,
    ".ants/outbox/drafts/0000000001.json": `${canonicalize({ v: 1, salt: Buffer.from(random.bytes(16)).toString("base64url"), afterEpoch: 2, rotations: 0, draft: { kind: "note", body: { text: "hello" }, private: true, to: [did] } } as unknown as JsonObject)}\n`,
    ".ants/outbox/messages/deliveries.json": `${JSON.stringify({ v: 1, upTo: heads[2], open: letters, written: [did] })}\n`,
    ".ants/inbox/inbox.ndjson": `${[
      { type: "inbox", v: 1, id: hex(random.bytes(8)) },
      ...events.map((line, n) => ({
        type: "message",
        n: n + 1,
        event: JSON.parse(line),
        relay: RELAYS[1]!,
        standing: "live",
      })),
      { type: "read", n: [1, 2] },
      { type: "block", did },
    ]
      .map((record) => canonicalize(record as unknown as JsonObject))
      .join("\n")}\n`,
    ".ants/inbox/cursors.json": cursors,
    ".ants/inbox/lock": `${JSON.stringify({ pid: 4711, since: "2026-11-21T12:00:00.000Z", label: "ants" })}\n`,
    ".ants/cursors.json": cursors,
    "work/reader.json": cursors,
    [`.ants/known/${did.slice("did:ants:".length)}.ndjson`]: `${genesis.line}\n${rotated.line}\n`,
    ".ants/instances.ndjson": `${JSON.stringify({ boot: random.hash(), instance: hex(random.bytes(8)) })}\n`,
    ".ants/left-behind-told": `\n${heads.map(({ id }) => `${id}\n`).join("")}\n${random.hash()}\n`,
    ".ants/dormant.json": `${JSON.stringify({ restoredMs: 1_790_000_000_000, archive: name, tier: "hot", madeMs: 1_790_000_000_000, head: { ...heads[1], timeMs: 1 } })}\n`,
    ".ants/moved.json": `${JSON.stringify({ state: "gone", request: random.hash(), instance: hex(random.bytes(8)), bundle: "/home/anna/bundle", atMs: 1, handover: random.hash() })}\n`,
    ".ants/backup.toml": `[[target]]\nurl = "${target}"\ntier = ["hot", "cold"]\n\n[schedule]\nhot = "1h"\n`,
    ".ants/backup-allow": `notes/2026-11-20.md : random-hex : ${hex(random.bytes(6))}\n`,
    ".ants/backups.ndjson": notes.map((note) => `${canonicalize(note)}\n`).join(""),
    ".ants/backup-runs.ndjson": `${JSON.stringify({ job: "hot", startedMs: 1, endedMs: 2, outcome: "failed", code: "backup-target", message: `${name} at ${target}: no`, archives: [name], took: [target] })}\n`,
  };
}

const alarms = (path: string, text: string) =>
  scanFile(path, Buffer.from(text)).map(({ line, rule }) => `${path}:${line} ${rule}`);

describe("what ants itself keeps in a home", () => {
  test("is no secret, whatever was drawn", () => {
    const found = Array.from({ length: 12 }, (_, seed) => Object.entries(ownFiles(`${seed}`)))
      .flat()
      .flatMap(([path, text]) => alarms(path, text));
    expect([...new Set(found)]).toEqual([]);
  });

  test("is looked at all the same: a secret in any of its files is found", () => {
    const texts = PLANTED_SECRETS.filter(({ isText }) => isText);
    for (const [path, text] of Object.entries(ownFiles("planted"))) {
      const missed = texts.filter(({ value }) => {
        const field = `"note":${JSON.stringify(`see ${value}`)},`;
        // In a field that is none of theirs, in each line; where there are no fields, in a line of its own.
        const planted = text.includes("{") ? text.replace(/^\{/gm, `{${field}`) : `${text}note ${value}\n`;
        return alarms(path, planted).length === 0;
      });
      expect(missed.map(({ name }) => `${name} in ${path}`)).toEqual([]);
    }
  });

  test("is its own by its form there only: the same hash elsewhere in it, or in a user's file, is found", () => {
    const hash = new Drawn("elsewhere").hash();
    expect(alarms(".ants/left-behind-told", `${hash}\n`)).toEqual([]);
    expect(alarms(".ants/left-behind-told", `x ${hash}\n`)).toEqual([".ants/left-behind-told:1 random-hex"]);
    expect(alarms("left-behind-told", `${hash}\n`)).toEqual(["left-behind-told:1 random-hex"]);
    expect(alarms(".ants/cursors.json", `{"v":1,"follows":{"note":"${hash}"}}\n`)).toEqual([
      ".ants/cursors.json:1 random-hex",
    ]);
  });
});
