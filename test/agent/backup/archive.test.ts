import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type Header, pack } from "tar-stream";
import { describe, expect, test } from "vitest";
import { nodeDisk } from "../../../keys/node/disk.js";
import { sealVault } from "../../../keys/node/vault.js";
import { formatVaultCopy } from "../../../keys/node/vault-copy.js";
import { systemClock } from "../../../keys/ports.js";
import { hostKey, hostKeys } from "../../../src/agent/backup/backup-keys.js";
import {
  type BackupManifest,
  encodeManifest,
  MAX_MANIFEST_BYTES,
  parseManifest,
  staysInside,
} from "../../../src/agent/backup/manifest.js";
import { Spool } from "../../../src/agent/backup/spool.js";
import { encrypted, writeArchive } from "../../../src/agent/backup/write-archive.js";
import { type BackupHome, backupHome, blocks, furnish, packed, prepared, unpacked } from "../../support/backup-home.js";

const noSleep = { ...systemClock, sleep: async () => {} };

describe("an archive of a home", () => {
  test("has every file, byte for byte, with its mode; folders and links stand in the manifest", async () => {
    const place = await backupHome();
    furnish(place.path);
    const bytes = await packed(place);
    // In blocks that fit nothing, as a network has them.
    const { manifest, contents } = await unpacked(blocks(bytes, 1_777), hostKeys(place.vault));
    for (const { path, mode, size } of manifest.files) {
      const original = readFileSync(join(place.path, path));
      expect(contents.get(path)?.equals(original), path).toBe(true);
      expect(size).toBe(original.length);
      if (path === "run.sh") expect(mode).toBe(0o755);
    }
    expect([...contents.keys()].sort()).toEqual(
      [
        ".ants/config.toml",
        ".ants/identity.ndjson",
        "SOUL.md",
        "large.bin",
        "memory/-rf *; 'quoted'\n.md",
        `memory/${"long-".repeat(40)}ü.md`,
        "nothing",
        "run.sh",
      ].sort(),
    );
    expect(manifest.folders.map(({ path }) => path)).toEqual([".ants", "memory", "memory/empty folder"]);
    expect(manifest.links).toEqual([{ path: "memory/soul", target: "../SOUL.md" }]);
    expect(manifest).toMatchObject({ did: place.vault.did, tier: "hot", label: "test" });
  });

  test("opens with the words and, a hot one, with this host's key; a cold one with the words only", async () => {
    const place = await backupHome();
    const [hot, cold] = [await packed(place, { tier: "hot" }), await packed(place, { tier: "cold" })];
    for (const bytes of [hot, cold]) await unpacked(blocks(bytes), [place.words]);
    await unpacked(blocks(hot), hostKeys(place.vault));
    await expect(unpacked(blocks(cold), hostKeys(place.vault))).rejects.toMatchObject({ code: "backup-no-key" });
    await expect(unpacked(blocks(hot), [])).rejects.toMatchObject({ code: "backup-no-key" });
  });

  test("of an earlier era opens with the keys that the vault kept", async () => {
    const place = await backupHome();
    const bytes = await packed(place);
    const { agreeSecret, stateKey } = place.vault;
    const rotated = { ...place.vault, stateKey: new Uint8Array(32).fill(8), earlier: [{ agreeSecret, stateKey }] };
    await unpacked(blocks(bytes), hostKeys(rotated));
    await expect(unpacked(blocks(bytes), [hostKey(rotated.stateKey)])).rejects.toMatchObject({ code: "backup-no-key" });
  });

  test("needs a vault that knows to whom", async () => {
    const place = await backupHome();
    const { backup: _, ...old } = place.vault;
    await expect(packed({ ...place, vault: old })).rejects.toMatchObject({ code: "backup-no-recipient" });
  });

  test("is not made where nobody could read it back", async () => {
    const place = await backupHome();
    const { manifest, files } = await prepared(place);
    const huge = { ...manifest, excluded: [{ path: "x", why: "y".repeat(MAX_MANIFEST_BYTES) }] };
    const written = writeArchive({ manifest: huge, files }, place.vault.signSeed);
    await expect(written.next()).rejects.toMatchObject({ code: "backup-too-large" });
  });

  test("in the spool: what reading the home throws is not said to be this disk's", async () => {
    const { home } = await backupHome();
    const spool = await Spool.open(nodeDisk, home.layout.state, systemClock);
    async function* failing() {
      yield new Uint8Array(10);
      throw new RangeError("the source broke");
    }
    const signal = new AbortController().signal;
    await expect(spool.take("x", failing(), { signal })).rejects.toThrow(new RangeError("the source broke"));
    expect(readdirSync(join(home.layout.state, "backup-spool"))).toEqual([]);
  });

  test("is made by a key that may sign only", async () => {
    const place = await backupHome();
    const vault = { ...place.vault, signSeed: new Uint8Array(32).fill(1) };
    await expect(packed({ ...place, vault })).rejects.toMatchObject({ code: "key-not-live" });
  });
});

describe("what is not in an archive", () => {
  test("is named in it, with the reason", async () => {
    const place = await backupHome();
    const { path, vault } = place;
    const sealed = sealVault(vault, { slots: [{ type: "phrase", entropy: new Uint8Array(32) }] });
    writeFileSync(join(path, "renamed.json"), sealed);
    writeFileSync(join(path, "copy.vault"), formatVaultCopy(sealed, vault, 0));
    writeFileSync(join(path, "own-vault.json"), "whatever");
    writeFileSync(join(path, ".SOUL.md.12-34-0011223344556677.tmp"), "half");
    writeFileSync(join(path, ".ants", "lock"), "");
    mkdirSync(join(path, ".ants", "backup-spool"));
    mkdirSync(join(path, "backups"));
    writeFileSync(join(path, "backups", "old"), "x");
    symlinkSync("/etc/passwd", join(path, "outside"));
    symlinkSync("../../..", join(path, ".ants", "up"));
    const server = createServer().listen(join(path, "socket"));
    await once(server, "listening");
    const exclude = new Map([
      [join(path, "own-vault.json"), "the vault"],
      [join(path, "backups"), "a target of backups"],
    ]);
    const { manifest, contents } = await unpacked(blocks(await packed(place, { exclude })), [place.words]);
    server.close();
    expect([...contents.keys()]).toEqual([".ants/identity.ndjson", ".ants/config.toml"]);
    expect(manifest.excluded.map((one) => one.path)).toEqual(
      [
        ".SOUL.md.12-34-0011223344556677.tmp",
        ".ants/backup-spool",
        ".ants/lock",
        ".ants/up",
        "backups",
        "copy.vault",
        "outside",
        "own-vault.json",
        "renamed.json",
        "socket",
      ].sort(),
    );
    expect(manifest.excluded.every(({ why }) => why !== "")).toBe(true);
  });

  test("are targets that a link leads to", async () => {
    const place = await backupHome();
    mkdirSync(join(place.path, "store"));
    writeFileSync(join(place.path, "store", "old"), "x");
    const away = `${place.path}-link`;
    symlinkSync(join(place.path, "store"), away);
    const { contents } = await unpacked(
      blocks(await packed(place, { exclude: new Map([[away, "a target of backups"]]) })),
      [place.words],
    );
    expect([...contents.keys()]).not.toContain("store/old");
  });

  test.each([
    ["a", "b", true],
    ["a/b", "../c", true],
    ["a", "..", false],
    ["a", "/etc", false],
    ["a/b", "../..", false],
    ["a/b", "c/../../..", false],
    ["a", "b/..", false],
    ["a", "", false],
  ])("a link at %s to %s stays inside: %s", (path, target, expected) => {
    expect(staysInside(path, target)).toBe(expected);
  });
});

describe("while the agent is at work", () => {
  test("a log ends at a line that was whole, though it grows and its last line is half there", async () => {
    const place = await backupHome();
    const log = join(place.path, ".ants/backups.ndjson");
    writeFileSync(log, '{"a":1}\n{"b":2}\n{"half');
    let grown = 0;
    const bytes = await packed(place, {
      onProgress: () => {
        if (grown++ < 50) appendFileSync(log, 'way":3}\n{"again');
      },
    });
    const { contents } = await unpacked(blocks(bytes), [place.words]);
    // Other files were read before it, so it had grown by then.
    const text = contents.get(".ants/backups.ndjson")!.toString();
    expect(text).toMatch(/^\{"a":1\}\n\{"b":2\}\n/);
    expect(text.endsWith("\n")).toBe(true);
    for (const line of text.trim().split("\n")) expect(line).toMatch(/^\{"(a|b|halfway|againway)":\d\}$/);
  });

  test("a file of lines that is not ours is taken whole, its last line too, also while it grows", async () => {
    const place = await backupHome();
    const [still, growing, bare] = ["still", "growing", "bare"].map((name) => join(place.path, `${name}.ndjson`));
    writeFileSync(still!, '{"a":1}\n{"b":2}');
    writeFileSync(bare!, "no newline at all");
    writeFileSync(growing!, '{"a":1}\n');
    const bytes = await packed(place, { clock: noSleep, onProgress: () => appendFileSync(growing!, '{"more":1}\n') });
    const { contents } = await unpacked(blocks(bytes), [place.words]);
    expect(contents.get("still.ndjson")?.toString()).toBe('{"a":1}\n{"b":2}');
    expect(contents.get("bare.ndjson")?.toString()).toBe("no newline at all");
    expect(contents.get("growing.ndjson")?.toString()).toMatch(/^\{"a":1\}\n(\{"more":1\}\n)*$/);
  });

  test("a log whose last line is not whole is cut there, wherever that is, and read once", async () => {
    const place = await backupHome();
    const log = join(place.path, ".ants/backup-notes.ndjson");
    for (const torn of [0, 1, 65_535, 65_536, 3_000_000]) {
      writeFileSync(log, `{"a":1}\n${"x".repeat(torn)}`);
      let read = 0;
      const { contents } = await unpacked(blocks(await packed(place, { onProgress: ({ bytes }) => (read = bytes) })), [
        place.words,
      ]);
      expect(contents.get(".ants/backup-notes.ndjson")?.toString()).toBe('{"a":1}\n');
      expect(read).toBeLessThan(5_000);
    }
    writeFileSync(log, "x".repeat(100_000));
    const { contents } = await unpacked(blocks(await packed(place)), [place.words]);
    expect(contents.get(".ants/backup-notes.ndjson")).toHaveLength(0);
  });

  test("a file that changes while it is read is read again", async () => {
    const place = await backupHome();
    const file = join(place.path, "state.bin");
    writeFileSync(file, Buffer.alloc(600_000, 1));
    let changes = 0;
    const bytes = await packed(place, {
      clock: noSleep,
      onProgress: () => {
        if (changes < 3) writeFileSync(file, Buffer.alloc(600_000, ++changes + 1));
      },
    });
    const { contents } = await unpacked(blocks(bytes), [place.words]);
    expect(contents.get("state.bin")?.equals(Buffer.alloc(600_000, 4))).toBe(true);
  });

  test("one that never holds still is said, and there is no archive", async () => {
    const place = await backupHome();
    const file = join(place.path, "busy");
    writeFileSync(file, "0");
    let n = 0;
    const options = { clock: noSleep, onProgress: () => writeFileSync(file, String(n++)) };
    await expect(packed(place, options)).rejects.toMatchObject({ code: "backup-changing", details: { path: "busy" } });
  });

  test("a large file that changes before it is packed makes no archive that says something else", async () => {
    const place = await backupHome();
    const file = join(place.path, "large");
    writeFileSync(file, Buffer.alloc(2_000_000, 1));
    const content = await prepared(place);
    writeFileSync(file, Buffer.alloc(2_000_000, 2));
    const written = (async () => {
      for await (const _ of writeArchive(content, place.vault.signSeed));
    })();
    await expect(written).rejects.toMatchObject({ code: "backup-changing" });
  });

  test("files and folders that are gone by then are not missed", async () => {
    const place = await backupHome();
    mkdirSync(join(place.path, "a"));
    mkdirSync(join(place.path, "b"));
    for (const name of ["a/1", "b/1"]) writeFileSync(join(place.path, name), "x");
    await packed(place, { onProgress: () => rmSync(join(place.path, "b"), { recursive: true, force: true }) });
  });

  test("a file that is replaced as ants replaces files is the old or the new one", async () => {
    const place = await backupHome();
    const file = join(place.path, "state.json");
    writeFileSync(file, "old");
    const bytes = await packed(place, {
      onProgress: () => {
        writeFileSync(`${file}.new`, "new");
        renameSync(`${file}.new`, file);
      },
    });
    const { contents } = await unpacked(blocks(bytes), [place.words]);
    expect(["old", "new"]).toContain(contents.get("state.json")?.toString());
  });
});

describe("damage", () => {
  test("every end that is missing is noticed, and every byte too many (flipped ones: test/system/backup-age.test.ts)", async () => {
    const place = await backupHome();
    writeFileSync(join(place.path, "large"), Buffer.alloc(200_000, 1));
    const bytes = await packed(place);
    for (let size = 0; size < bytes.length; size += 1_999)
      await expect(unpacked(blocks(bytes.subarray(0, size)), [place.words]), `${size} bytes`).rejects.toMatchObject({
        code: "backup-damaged",
      });
    await expect(unpacked(blocks(Buffer.concat([bytes, Buffer.from("x")])), [place.words])).rejects.toMatchObject({
      code: "backup-damaged",
    });
  });

  test("an error of the storage is the storage's, and no damage", async () => {
    const place = await backupHome();
    const bytes = await packed(place);
    async function* broken() {
      yield bytes.subarray(0, 1000);
      throw new RangeError("the network broke");
    }
    await expect(unpacked(broken(), [place.words])).rejects.toThrow("the network broke");
  });
});

/** An archive that its maker meant to be wrong: whoever knows a recipient can make one. */
async function forged(place: BackupHome, members: readonly (readonly [Partial<Header>, (string | Uint8Array)?])[]) {
  const tar = pack();
  for (const [header, body = ""] of members) tar.entry({ name: "", ...header }, Buffer.from(body as string));
  tar.finalize();
  const content = await prepared(place);
  const parts: Uint8Array[] = [];
  for await (const part of encrypted(tar as AsyncIterable<Uint8Array>, content.manifest.recipients)) parts.push(part);
  return Buffer.concat(parts);
}

describe("an archive that somebody made up", () => {
  async function pieces(
    place: BackupHome,
    change: (manifest: BackupManifest) => object = () => ({}),
    seed?: Uint8Array,
  ) {
    writeFileSync(join(place.path, "SOUL.md"), "soul");
    const { manifest } = await prepared(place);
    const line = encodeManifest({ ...manifest, ...change(manifest) }, seed ?? place.vault.signSeed);
    const file = (path: string): [Partial<Header>, Uint8Array] => [
      { name: `home/${path}` },
      readFileSync(join(place.path, path)),
    ];
    return {
      manifest: [{ name: "manifest.json" }, line] as [Partial<Header>, Uint8Array],
      identity: file(".ants/identity.ndjson"),
      folder: [{ name: "home/.ants/", type: "directory" }] as [Partial<Header>],
      config: file(".ants/config.toml"),
      soul: file("SOUL.md"),
    };
  }
  type Pieces = Awaited<ReturnType<typeof pieces>>;

  const bad: [string, (pieces: Pieces) => (readonly [Partial<Header>, (string | Uint8Array)?])[]][] = [
    ["without a manifest", (p) => [p.identity, p.folder, p.config, p.soul]],
    ["without its identity log", (p) => [p.manifest, p.folder, p.config, p.soul]],
    ["with a file missing", (p) => [p.manifest, p.identity, p.folder, p.config]],
    ["with a folder missing", (p) => [p.manifest, p.identity, p.config, p.soul]],
    ["with a file too many", (p) => [p.manifest, p.identity, p.folder, p.config, p.soul, [{ name: "home/more" }, "x"]]],
    ["with a file twice", (p) => [p.manifest, p.identity, p.folder, p.config, p.soul, p.soul]],
    ["with another content", (p) => [p.manifest, p.identity, p.folder, p.config, [{ name: "home/SOUL.md" }, "evil"]]],
    ["with an absolute path", (p) => [p.manifest, p.identity, p.folder, p.config, p.soul, [{ name: "/etc/x" }, "x"]]],
    [
      "with a path that leads out",
      (p) => [p.manifest, p.identity, p.folder, p.config, [{ name: "home/../x" }, "soul"]],
    ],
    [
      "with a link in the place of a file",
      (p) => [
        p.manifest,
        p.identity,
        p.folder,
        p.config,
        [{ name: "home/SOUL.md", type: "symlink", linkname: "/etc" }],
      ],
    ],
  ];

  test.each(bad)("%s is refused", async (_, members) => {
    const place = await backupHome();
    const bytes = await forged(place, members(await pieces(place)));
    await expect(unpacked(blocks(bytes), [place.words])).rejects.toMatchObject({ code: "backup-damaged" });
  });

  test("the same pieces in their order are taken", async () => {
    const place = await backupHome();
    const p = await pieces(place);
    const bytes = await forged(place, [p.manifest, p.identity, p.folder, p.config, p.soul]);
    expect((await unpacked(blocks(bytes), [place.words])).contents.size).toBe(3);
  });

  test("signed by another key, or by the key of another agent, is refused", async () => {
    const [place, other] = [await backupHome(), await backupHome()];
    const p = await pieces(place, undefined, other.vault.signSeed);
    const bytes = await forged(place, [p.manifest, p.identity, p.folder, p.config, p.soul]);
    await expect(unpacked(blocks(bytes), [place.words])).rejects.toMatchObject({ code: "backup-damaged" });
    // With the other's whole identity in it, but this agent's DID.
    cpSync(join(other.path, ".ants/identity.ndjson"), join(place.path, "other"));
    const swapped: [Partial<Header>, Uint8Array] = [p.identity[0], readFileSync(join(place.path, "other"))];
    const second = await forged(place, [p.manifest, swapped, p.folder, p.config, p.soul]);
    await expect(unpacked(blocks(second), [place.words])).rejects.toMatchObject({ code: "backup-damaged" });
  });

  const hash = "0".repeat(64);
  test.each([
    ["../x", {}],
    ["/etc/x", {}],
    ["a//b", {}],
    ["a/./b", {}],
    ["", {}],
    ["a\0b", {}],
    ["SOUL.md/below-a-file", {}],
    ["SOUL.md", {}],
  ])("a manifest with the path %j is refused", async (path) => {
    const place = await backupHome();
    const extra = { path, size: 0, sha256: hash, mode: 0o600 };
    const p = await pieces(place, ({ files }) => ({ files: [...files, extra] }));
    expect(() => parseManifest(p.manifest[1])).toThrow(expect.objectContaining({ code: "backup-damaged" }));
  });

  test("one of a later version says so", async () => {
    const place = await backupHome();
    const { signedLine } = await import("../../../keys/signed-line.js");
    const { TAG_BYTES } = await import("../../../keys/tags.js");
    const line = signedLine(TAG_BYTES.backup, { type: "backup", v: 2 }, place.vault.signSeed);
    expect(() => parseManifest(line)).toThrow(expect.objectContaining({ code: "backup-version" }));
  });
});

test("a file that may not be read is an error, and no archive without it", async ({ skip }) => {
  skip(process.geteuid?.() === 0, "root may read everything");
  const place = await backupHome();
  writeFileSync(join(place.path, "closed"), "x");
  chmodSync(join(place.path, "closed"), 0);
  await expect(packed(place)).rejects.toMatchObject({ code: "disk-denied" });
});
