import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../../../keys/bytes.js";
import { createNodeDisk, nodeDisk } from "../../../keys/node/disk.js";
import { createFile } from "../../../keys/node/whole-file.js";
import { leftovers, temporaryFolder } from "./temporary-folder.js";

let folder: string;
let path: string;

beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder, "file");
});

const modeOf = (name: string) => statSync(name).mode & 0o777;

describe("reading", () => {
  it("gives plain bytes, and undefined for what is not there", async () => {
    writeFileSync(path, "abc");
    expect(await nodeDisk.read(path)).toEqual(utf8("abc"));
    expect((await nodeDisk.read(path))?.constructor).toBe(Uint8Array);
    expect(await nodeDisk.read(`${path}x`)).toBeUndefined();
    await expect(nodeDisk.read(folder)).rejects.toMatchObject({ code: "disk-failed", details: { errno: "EISDIR" } });
  });

  it("lists names in order, and nothing where there is no folder", async () => {
    for (const name of ["b", "a", "c"]) writeFileSync(join(folder, name), "");
    expect(await nodeDisk.list(folder)).toEqual(["a", "b", "c"]);
    expect(await nodeDisk.list(join(folder, "absent"))).toEqual([]);
    await expect(nodeDisk.list(join(folder, "a"))).rejects.toMatchObject({ code: "disk-failed" });
  });
});

describe("appending", () => {
  it("creates the file for its owner only, and goes on at its end", async () => {
    await nodeDisk.append(path, utf8("one\n"));
    await nodeDisk.append(path, utf8("two\n"));
    await nodeDisk.append(path, new Uint8Array(0));
    expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
    expect(modeOf(path)).toBe(0o600);
  });

  it("keeps every one of many appends at once", async () => {
    const lines = Array.from({ length: 50 }, (_, i) => `${i}\n`);
    await Promise.all(lines.map((line) => nodeDisk.append(path, utf8(line))));
    expect(readFileSync(path, "utf8").split("\n").sort()).toEqual(lines.join("").split("\n").sort());
  });

  it("says that the folder is missing, or that the name leads nowhere", async () => {
    await expect(nodeDisk.append(join(folder, "no/file"), utf8("x"))).rejects.toMatchObject({ code: "disk-failed" });
    symlinkSync(join(folder, "absent"), path);
    await expect(nodeDisk.append(path, utf8("x"))).rejects.toMatchObject({ code: "disk-failed" });
  });
});

describe("replacing", () => {
  it("creates, replaces and sets the mode, whatever the umask", async () => {
    const before = process.umask(0o077);
    try {
      await nodeDisk.replace(path, utf8("one"), { mode: 0o644 });
      expect(modeOf(path)).toBe(0o644);
      await nodeDisk.replace(path, utf8("two"));
    } finally {
      process.umask(before);
    }
    expect(readFileSync(path, "utf8")).toBe("two");
    expect(modeOf(path)).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  it("puts a file in the place of a link, and leaves its target alone", async () => {
    writeFileSync(join(folder, "target"), "untouched");
    symlinkSync(join(folder, "target"), path);
    await nodeDisk.replace(path, utf8("new"));
    expect(readFileSync(join(folder, "target"), "utf8")).toBe("untouched");
    expect(readFileSync(path, "utf8")).toBe("new");
  });

  it("leaves nothing behind when it fails", async () => {
    mkdirSync(path);
    writeFileSync(join(path, "inside"), "");
    await expect(nodeDisk.replace(path, utf8("x"))).rejects.toMatchObject({ code: "disk-failed" });
    expect(readdirSync(folder)).toEqual(["file"]);
    await expect(nodeDisk.replace(join(folder, "no/file"), utf8("x"))).rejects.toMatchObject({ code: "disk-failed" });
  });

  it("sweeps what dead processes left, and nothing else", async () => {
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))![0];
    const random = "0123456789abcdef";
    const dead = 2 ** 22 + 1;
    const gone = [
      `.file.${namespace}-${dead}-${random}.tmp`,
      // This process's own, which it knows nothing of: an earlier process had the same id.
      `.file.${namespace}-${process.pid}-${random}.tmp`,
    ];
    const foreign = `.file.1-${dead}-${random}.tmp`;
    const kept = [
      `.file.${namespace}-${process.ppid}-${random}.tmp`,
      `.other.${namespace}-${dead}-${random}.tmp`,
      ".file.notes.tmp",
      `.file.${namespace}-${dead}-${random}.tmp.txt`,
    ];
    for (const name of [...gone, ...kept, foreign]) writeFileSync(join(folder, name), "");
    await nodeDisk.replace(path, utf8("x"));
    expect(readdirSync(folder).sort()).toEqual([...kept, foreign, "file"].sort());
    const hourAgo = Date.now() / 1000 - 3700;
    utimesSync(join(folder, foreign), hourAgo, hourAgo);
    await nodeDisk.replace(path, utf8("x"));
    expect(readdirSync(folder).sort()).toEqual([...kept, "file"].sort());
  });

  it("does not sweep what another write to the same name is writing", async () => {
    const texts = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(10_000));
    await Promise.all(texts.map((text) => nodeDisk.replace(path, utf8(text))));
    expect(texts).toContain(readFileSync(path, "utf8"));
    expect(leftovers(folder)).toEqual([]);
  });
});

describe("creating", () => {
  it("takes a free name only", async () => {
    await createFile(path, utf8("first"));
    await expect(createFile(path, utf8("second"))).rejects.toMatchObject({ code: "disk-exists" });
    expect(readFileSync(path, "utf8")).toBe("first");
    expect(modeOf(path)).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["file"]);
    symlinkSync(join(folder, "absent"), join(folder, "link"));
    await expect(createFile(join(folder, "link"), utf8("x"))).rejects.toMatchObject({ code: "disk-exists" });
    expect(readdirSync(folder)).toEqual(["file", "link"]);
  });

  it("lets one of many win", async () => {
    const tries = Array.from({ length: 20 }, (_, i) => createFile(path, utf8(`${i}`)).then(() => i));
    const won = (await Promise.allSettled(tries)).filter((result) => result.status === "fulfilled");
    expect(won).toHaveLength(1);
    expect(readFileSync(path, "utf8")).toBe(`${won[0]!.value}`);
    expect(leftovers(folder)).toEqual([]);
  });
});

describe("the rest of a disk", () => {
  it("cuts a file", async () => {
    writeFileSync(path, "abcdef");
    await nodeDisk.truncate(path, 2);
    expect(readFileSync(path, "utf8")).toBe("ab");
    await expect(nodeDisk.truncate(`${path}x`, 0)).rejects.toMatchObject({ code: "disk-failed" });
  });

  it("removes a file, or nothing", async () => {
    writeFileSync(path, "");
    await nodeDisk.remove(path);
    await nodeDisk.remove(path);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("makes folders for their owner only, or nothing", async () => {
    await nodeDisk.mkdir(join(folder, "a/b/c"));
    await nodeDisk.mkdir(join(folder, "a/b/c"));
    expect(["a", "a/b", "a/b/c"].map((name) => modeOf(join(folder, name)))).toEqual([0o700, 0o700, 0o700]);
    writeFileSync(path, "");
    await expect(nodeDisk.mkdir(join(path, "x"))).rejects.toMatchObject({ code: "disk-failed" });
  });

  it("names itself in its locks", async () => {
    const lock = await createNodeDisk({ label: "ants relay" }).lock(join(folder, "lock"));
    await expect(nodeDisk.lock(join(folder, "lock"))).rejects.toMatchObject({ details: { label: "ants relay" } });
    await lock.release();
  });

  it("says that access is denied", async (context) => {
    context.skip(process.geteuid?.() === 0, "root is denied nothing");
    writeFileSync(path, "");
    chmodSync(path, 0o000);
    await expect(nodeDisk.read(path)).rejects.toMatchObject({ code: "disk-denied", details: { errno: "EACCES" } });
  });
});
