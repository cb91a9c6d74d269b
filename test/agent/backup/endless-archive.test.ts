import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pack } from "tar-stream";
import { describe, expect, test } from "vitest";
import { utf8 } from "../../../keys/bytes.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { systemClock, systemRandom } from "../../../keys/ports.js";
import { taggedName, tagKeys } from "../../../src/agent/backup/archive-tag.js";
import { Catalogue } from "../../../src/agent/backup/catalogue.js";
import { encodeManifest } from "../../../src/agent/backup/manifest.js";
import { readArchive } from "../../../src/agent/backup/read-archive.js";
import type { BackupTarget } from "../../../src/agent/backup/target.js";
import { verifyBackup } from "../../../src/agent/backup/verify-backup.js";
import { encrypted } from "../../../src/agent/backup/write-archive.js";
import { backupHome, blocks, packed, prepared, unpacked } from "../../support/backup-home.js";

/** More than any test waits for, and little enough to fail by rather than by a full memory. */
const MUCH = 64 * 2 ** 20;

/** A beginning, and then the same again and again; and how much of it was taken. */
function endless(beginning: Uint8Array, again: Uint8Array) {
  const given = { bytes: 0 };
  async function* bytes() {
    for (let block = beginning; given.bytes < MUCH; block = again) {
      given.bytes += block.length;
      yield block;
    }
  }
  return { bytes, given };
}

describe("an archive without an end", () => {
  test.each([
    ["of one line", "-> ", "A"],
    ["of recipients", "", "-> X25519 AAAA\nAAAA\n"],
    ["whose last line does not end", "-> X25519 AAAA\nAAAA\n--- ", "A"],
  ])("in its header, %s, is damaged before much of it is in memory", async (_, beginning, again) => {
    const { words } = await backupHome();
    const source = endless(utf8(`age-encryption.org/v1\n${beginning}`), utf8(again.repeat(1_000)));
    await expect(unpacked(source.bytes(), [words])).rejects.toMatchObject({ code: "backup-damaged" });
    expect(source.given.bytes).toBeLessThan(2 ** 20);
  });

  test("in a file that its manifest has as a small one hands on no more than that", async () => {
    const place = await backupHome();
    writeFileSync(join(place.path, "small"), "x".repeat(100));
    const { manifest, files } = await prepared(place);
    const identity = files[0]!;
    const tar = pack();
    const line = encodeManifest(manifest, place.vault.signSeed);
    tar.entry({ name: "manifest.json" }, Buffer.from(line));
    const log: Uint8Array[] = [];
    for await (const block of identity.bytes()) log.push(block);
    tar.entry({ name: `home/${identity.path}` }, Buffer.concat(log));
    tar.entry({ name: "home/small" }, Buffer.alloc(5_000_000, "x"));
    tar.finalize();
    const source = encrypted(tar as AsyncIterable<Uint8Array>, manifest.recipients);
    const archive = await readArchive(source, [place.words]);
    let handedOn = 0;
    const reading = (async () => {
      for await (const { path, bytes } of archive.files)
        for await (const block of bytes) if (path === "small") handedOn += block.length;
    })();
    await expect(reading).rejects.toMatchObject({ code: "backup-damaged" });
    expect(handedOn).toBeLessThanOrEqual(100);
  });

  test("after what was stored is not read on, where only its bytes can be compared", async () => {
    const place = await backupHome();
    const archive = await packed(place, { tier: "cold" });
    const name = taggedName("cold", (await prepared(place)).manifest.timeMs, systemRandom, tagKeys(place.vault));
    const source = endless(archive, new Uint8Array(65_536));
    let gets = 0;
    const target = {
      url: "ssh://host/store",
      get: async () => (++gets === 1 ? blocks(archive) : source.bytes()),
    } as Partial<BackupTarget> as BackupTarget;
    const catalogue = new Catalogue(nodeDisk, place.home.layout.state);
    const sha256 = createHash("sha256").update(archive).digest("hex");
    const stored = { note: "stored", name, target: target.url, size: archive.length, sha256, recipients: [] } as const;
    await catalogue.note(stored);
    await expect(verifyBackup({ target, name, catalogue, clock: systemClock })).rejects.toMatchObject({
      code: "backup-damaged",
    });
    expect(gets).toBe(2);
    expect(source.given.bytes).toBeLessThan(archive.length + 2 ** 20);
  });
});
