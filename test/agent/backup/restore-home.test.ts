import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { ageRecipient } from "../../../keys/age.js";
import { concat, utf8 } from "../../../keys/bytes.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { systemClock } from "../../../keys/ports.js";
import { x25519PublicKey } from "../../../keys/x25519.js";
import { prepareArchive } from "../../../src/agent/backup/prepare-archive.js";
import { readArchive } from "../../../src/agent/backup/read-archive.js";
import { restoreHome } from "../../../src/agent/backup/restore-home.js";
import { writeArchive } from "../../../src/agent/backup/write-archive.js";
import { dormantMark, requireAwake } from "../../../src/agent/dormant.js";
import { AgentHome } from "../../../src/agent/home.js";
import { ChainStore } from "../../../src/client/chain-store.js";
import { createBatch } from "../../../src/protocol/batch.js";
import { CLAIM_KIND, parseEvent } from "../../../src/protocol/event.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { foundAgent } from "../../support/test-agent.js";

const SECRET = new Uint8Array(32).fill(5);
const NAME = "ants-hot-20261121T120000Z-01234567.tar.age";
const keys = foundAgent([{ url: "ws://a.example", stream: "0123456789abcdef" }]);

let folder: string;
let archive: Uint8Array;

/** A home with a chain of three events, and an archive of it. */
beforeEach(async () => {
  folder = realpathSync(temporaryFolder());
  const path = join(folder, "original");
  const home = await AgentHome.create(
    nodeDisk,
    path,
    { did: keys.did, label: "test", founded: true },
    utf8(keys.genesis),
  );
  const chain = await ChainStore.open({
    disk: nodeDisk,
    folder: home.layout.chain,
    did: keys.did,
    keys: home.identity,
  });
  const body = { instance: "0123456789abcdef", label: "test", identity: home.identity.newest!.hash };
  const batch = createBatch({
    did: keys.did,
    seed: keys.seed,
    epoch: 1,
    drafts: [
      { kind: CLAIM_KIND, body, timeMs: 1_000 },
      { kind: "note", body: { n: 1 }, timeMs: 2_000 },
      { kind: "note", body: { n: 2 }, timeMs: 3_000 },
    ],
  });
  await chain.append(batch.map(({ line }) => parseEvent(utf8(line))));
  await chain.close();
  mkdirSync(join(path, "memory/empty"), { recursive: true });
  writeFileSync(join(path, "SOUL.md"), "I count.\n");
  writeFileSync(join(path, "memory/run.sh"), "#!/bin/sh\n");
  chmodSync(join(path, "memory/run.sh"), 0o755);
  symlinkSync("../SOUL.md", join(path, "memory/soul"));
  const content = await prepareArchive({
    home,
    tier: "hot",
    recipients: [ageRecipient(x25519PublicKey(SECRET))],
    signSeed: keys.seed,
    clock: systemClock,
    disk: nodeDisk,
    signal: new AbortController().signal,
  });
  const parts: Uint8Array[] = [];
  for await (const part of writeArchive(content, keys.seed)) parts.push(part);
  archive = concat(...parts);
});

async function* inBlocks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000);
}

async function restore(to: string, { bytes = archive, secret = SECRET, signal = new AbortController().signal } = {}) {
  const opened = await readArchive(inBlocks(bytes), [{ secret }]);
  return restoreHome({ archive: opened, name: NAME, to, clock: systemClock, signal });
}

/** What is in a folder beside the original. */
const others = (at = folder) => readdirSync(at).filter((name) => name !== "original");

describe("a restored home", () => {
  test("is the one that was archived, and sleeps", async () => {
    const to = join(folder, "deep/copy");
    const { home, lock, mark } = await restore(to);
    expect(home.path).toBe(to);
    await expect(home.lock()).rejects.toMatchObject({ code: "locked" });
    await lock.release();
    expect(mark).toMatchObject({ archive: NAME, tier: "hot", head: { epoch: 1, seq: 2, timeMs: 3_000 } });
    expect(await dormantMark(nodeDisk, home)).toEqual(mark);
    await expect(requireAwake(nodeDisk, home)).rejects.toMatchObject({ code: "home-dormant" });

    const at = (path: string) => [join(folder, "original", path), join(to, path)] as const;
    for (const path of ["SOUL.md", "memory/run.sh", ".ants/identity.ndjson"]) {
      const [before, after] = at(path);
      expect(readFileSync(after)).toEqual(readFileSync(before));
      expect(statSync(after).mode).toBe(statSync(before).mode);
    }
    const [chainBefore, chainAfter] = at(".ants/chain");
    for (const name of readdirSync(chainBefore)) {
      expect(readFileSync(join(chainAfter, name))).toEqual(readFileSync(join(chainBefore, name)));
    }
    expect(readlinkSync(join(to, "memory/soul"))).toBe("../SOUL.md");
    expect(readdirSync(join(to, "memory/empty"))).toEqual([]);
    expect(others(join(folder, "deep"))).toEqual(["copy"]);
  });

  test("can never begin a chain: its genesis was made elsewhere", async () => {
    const { home, lock } = await restore(join(folder, "copy"));
    await lock.release();
    expect((await AgentHome.open(nodeDisk, join(folder, "original"))).config.founded).toBe(true);
    expect(home.config).toEqual({ did: keys.did, label: "test", founded: false });
  });

  test("sleeps on where its mark was damaged", async () => {
    const { home, lock } = await restore(join(folder, "copy"));
    await lock.release();
    for (const text of ["", "{", "[]", "null", '{"archive":7}']) {
      writeFileSync(home.layout.dormant, text);
      await expect(requireAwake(nodeDisk, home), text).rejects.toMatchObject({ code: "home-dormant" });
    }
  });
});

describe("the place of a restore", () => {
  test("is a folder that is empty or not there, by its real name", async () => {
    mkdirSync(join(folder, "empty"));
    symlinkSync("empty", join(folder, "link"));
    const { home, lock } = await restore(join(folder, "link"));
    await lock.release();
    expect(home.path).toBe(join(folder, "empty"));
    for (const taken of ["empty", "original", "original/SOUL.md"]) {
      await expect(restore(join(folder, taken))).rejects.toMatchObject({ code: "restore-not-empty" });
    }
    expect(readFileSync(join(folder, "original/SOUL.md"), "utf8")).toBe("I count.\n");
  });

  test("is cleared of what a crash left, and of nothing else", async () => {
    mkdirSync(join(folder, ".copy.restoring/.ants"), { recursive: true });
    mkdirSync(join(folder, ".copy.restoring/memory"));
    writeFileSync(join(folder, ".copy.restoring/.ants/config.toml"), "did =");
    writeFileSync(join(folder, ".copy.restoring/half"), "ha");
    const { lock } = await restore(join(folder, "copy"));
    await lock.release();
    expect(others()).toEqual(["copy"]);
    expect(existsSync(join(folder, "copy/half"))).toBe(false);

    mkdirSync(join(folder, ".other.restoring"));
    writeFileSync(join(folder, ".other.restoring/mine"), "mine");
    await expect(restore(join(folder, "other"))).rejects.toMatchObject({ code: "restore-place" });
    expect(readFileSync(join(folder, ".other.restoring/mine"), "utf8")).toBe("mine");
  });

  test("is not filled through a link that somebody put beside it", async () => {
    mkdirSync(join(folder, "elsewhere"));
    symlinkSync("elsewhere", join(folder, ".copy.restoring"));
    await expect(restore(join(folder, "copy"))).rejects.toMatchObject({ code: "restore-place" });
    expect(readdirSync(join(folder, "elsewhere"))).toEqual([]);
  });

  test("is filled by one at a time", async () => {
    mkdirSync(join(folder, ".copy.restoring/.ants"), { recursive: true });
    const lock = await nodeDisk.lock(join(folder, ".copy.restoring/.ants/lock"));
    await expect(restore(join(folder, "copy"))).rejects.toMatchObject({ code: "locked" });
    await lock.release();
  });
});

describe("a restore that fails leaves nothing", () => {
  test("of an archive that was cut, at any place", async () => {
    for (let part = 0; part < 24; part++) {
      const bytes = archive.subarray(0, Math.floor((archive.length * part) / 24));
      await expect(restore(join(folder, "copy"), { bytes }), `${part}`).rejects.toMatchObject({
        code: "backup-damaged",
      });
      expect(others()).toEqual([]);
    }
  });

  test("of an archive with a byte that was changed, at any place", async () => {
    for (let part = 0; part < 48; part++) {
      const bytes = archive.slice();
      bytes[Math.floor((archive.length * part) / 48)]! ^= 1;
      await expect(restore(join(folder, "copy"), { bytes }), `${part}`).rejects.toMatchObject({
        code: expect.stringMatching(/^backup-(damaged|no-key)$/),
      });
      expect(others()).toEqual([]);
    }
  });

  test("with another key", async () => {
    const secret = new Uint8Array(32).fill(6);
    await expect(restore(join(folder, "copy"), { secret })).rejects.toMatchObject({ code: "backup-no-key" });
    expect(others()).toEqual([]);
  });

  test("that is interrupted", async () => {
    const signal = AbortSignal.abort(new TypeError("stop"));
    await expect(restore(join(folder, "copy"), { signal })).rejects.toThrow("stop");
    expect(others()).toEqual([]);
  });
});
