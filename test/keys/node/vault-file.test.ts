import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../../../keys/bytes.js";
import { lockFile } from "../../../keys/node/lock.js";
import { readVaultFile, updateVaultFile, writeVaultFile } from "../../../keys/node/vault-file.js";
import { canMount, NO_NAMESPACES, program, run, runWithMounts } from "./run.js";
import { temporaryFolder } from "./temporary-folder.js";

const NOT_ROOT = "only root can give files away";
const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;

let folder: string;
let path: string;

beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder, "vault.json");
});

const write = (text: string, options = {}) => writeVaultFile(path, utf8(text), { allowEphemeral: true, ...options });

describe("a vault file", () => {
  it("is written for its owner only, in folders for its owner only, and read back", async () => {
    path = join(folder, "new/ants/vault.json");
    await write("content");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "new")).mode & 0o777).toBe(0o700);
    expect(await readVaultFile(path)).toEqual(utf8("content"));
    expect(readdirSync(join(folder, "new/ants"))).toEqual(["vault.json"]);
  });

  it("is never overwritten unless told", async () => {
    await write("first");
    await expect(write("second")).rejects.toMatchObject({ code: "vault-exists", hint: expect.stringMatching(/never/) });
    expect(readFileSync(path, "utf8")).toBe("first");
    await write("second", { overwrite: true });
    expect(readFileSync(path, "utf8")).toBe("second");
    expect(readdirSync(folder)).toEqual(["vault.json"]);
  });

  it("is never created over anything else either", async () => {
    for (const name of ["folder", "link"]) {
      path = join(folder, name);
      if (name === "folder") mkdirSync(path);
      else symlinkSync(join(folder, "absent"), path);
      await expect(write("x")).rejects.toMatchObject({ code: "vault-exists" });
    }
  });

  it("is refused in a place that does not last, unless told", async () => {
    const ephemeral = "/dev/shm/ants-test/vault.json";
    await expect(writeVaultFile(ephemeral, utf8("x"))).rejects.toMatchObject({ code: "vault-ephemeral" });
    await expect(writeVaultFile(ephemeral, utf8("x"), { overwrite: true })).rejects.toMatchObject({
      code: "vault-ephemeral",
    });
  });

  it("that is missing is said to be, with the ways to get it back", async () => {
    await expect(readVaultFile(path)).rejects.toMatchObject({
      code: "vault-missing",
      hint: expect.stringMatching(/copy.*ants recover.*ants keygen/),
    });
  });

  it.each([0o640, 0o604, 0o666, 0o601, 0o610, 0o660, 0o777])("with mode %o is refused", async (mode) => {
    await write("x");
    chmodSync(path, mode);
    const refused = { code: "vault-mode", hint: expect.stringContaining(`chmod 600 ${path}`) };
    await expect(readVaultFile(path)).rejects.toMatchObject(refused);
    await expect(write("y", { overwrite: true })).rejects.toMatchObject(refused);
    expect(readFileSync(path, "utf8")).toBe("x");
  });

  it("may be stricter than 0600", async () => {
    await write("x");
    chmodSync(path, 0o400);
    expect(await readVaultFile(path)).toEqual(utf8("x"));
  });

  it("is refused behind a symbolic link", async () => {
    await write("x");
    const link = join(folder, "link");
    symlinkSync(path, link);
    await expect(readVaultFile(link)).rejects.toMatchObject({ code: "vault-symlink" });
    await expect(writeVaultFile(link, utf8("y"), { overwrite: true })).rejects.toMatchObject({ code: "vault-symlink" });
    expect(readFileSync(path, "utf8")).toBe("x");
  });

  it("is refused when it is a folder, a pipe, a socket or a device, without waiting", async () => {
    mkdirSync(join(folder, "folder"));
    spawnSync("mkfifo", ["-m", "600", join(folder, "pipe")]);
    const server = createServer().listen(join(folder, "socket"));
    for (const name of [join(folder, "folder"), join(folder, "pipe"), join(folder, "socket"), "/dev/null"]) {
      await expect(readVaultFile(name), name).rejects.toMatchObject({ code: "vault-not-file" });
      await expect(writeVaultFile(name, utf8("x"), { overwrite: true }), name).rejects.toMatchObject({
        code: "vault-not-file",
      });
    }
    server.close();
  });

  it("of another user is refused", async (context) => {
    context.skip(!isRoot, NOT_ROOT);
    await write("x");
    chownSync(path, NOBODY, NOBODY);
    const refused = { code: "vault-owner", hint: expect.stringContaining("chown 0") };
    await expect(readVaultFile(path)).rejects.toMatchObject(refused);
    await expect(write("y", { overwrite: true })).rejects.toMatchObject(refused);
  });

  it("of another user, which may not even be opened, is refused for that reason", async (context) => {
    context.skip(isRoot, "root may open everything");
    await expect(readVaultFile("/etc/shadow")).rejects.toMatchObject({ code: "vault-owner" });
  });

  it("that is far too large is not read into memory", async () => {
    await write("");
    truncateSync(path, 2 ** 40);
    await expect(readVaultFile(path)).rejects.toMatchObject({ code: "vault-format" });
  });
});

describe("where a vault cannot be written", () => {
  it("a folder without write permission is said to be one, and nothing changes", (context) => {
    mkdirSync(join(folder, "mine"));
    path = join(folder, "mine/vault.json");
    // Root is denied nothing: another user tries in its place, who may reach the folder.
    const user = isRoot ? [String(NOBODY)] : [];
    for (const name of isRoot ? [folder, join(folder, "mine")] : []) chownSync(name, NOBODY, NOBODY);
    const attempt = (mode: string) =>
      JSON.parse(run(process.execPath, [program("write-vault.mjs"), path, "10", mode, ...user]).stdout) as object;
    const first = attempt("create");
    context.skip(!("ok" in first), "the user nobody cannot reach the folder of the tests");
    chmodSync(join(folder, "mine"), 0o500);
    expect(attempt("overwrite")).toMatchObject({ code: "disk-denied", hint: expect.stringContaining("ls -la") });
    expect(readFileSync(path, "utf8")).toBe("a".repeat(10));
    expect(readdirSync(join(folder, "mine"))).toEqual(["vault.json"]);
    chmodSync(join(folder, "mine"), 0o700);
  });

  it("a read-only file system is said to be one", (context) => {
    context.skip(!canMount, NO_NAMESPACES);
    const { stdout } = runWithMounts(
      `mount -t tmpfs -o size=1m none $2; ${process.execPath} $1 $2/vault.json 10 create
       mount -o remount,ro,bind $2; ${process.execPath} $1 $2/vault.json 20 overwrite
       ${process.execPath} $1 $2/other.json 20 create; ls -A $2; wc -c < $2/vault.json`,
      program("write-vault.mjs"),
      folder,
    );
    const [first, second, third, ...rest] = stdout.trim().split("\n");
    expect(JSON.parse(first!)).toEqual({ ok: true });
    for (const line of [second!, third!]) {
      expect(JSON.parse(line)).toMatchObject({ code: "disk-read-only", hint: expect.stringContaining("remount") });
    }
    expect(rest).toEqual(["vault.json", "10"]);
  });

  it("a full disk is said to be one; the old vault stays, and no temporary file", (context) => {
    context.skip(!canMount, NO_NAMESPACES);
    const { stdout } = runWithMounts(
      `mount -t tmpfs -o size=64k none $2; ${process.execPath} $1 $2/vault.json 10000 create
       head -c 32768 /dev/zero > $2/ballast
       ${process.execPath} $1 $2/vault.json 40000 overwrite; ${process.execPath} $1 $2/other.json 40000 create
       ls -A $2; wc -c < $2/vault.json; rm $2/ballast; ${process.execPath} $1 $2/vault.json 40000 overwrite`,
      program("write-vault.mjs"),
      folder,
    );
    const [first, second, third, ballast, name, size, last] = stdout.trim().split("\n");
    expect(JSON.parse(first!)).toEqual({ ok: true });
    for (const line of [second!, third!]) {
      expect(JSON.parse(line)).toMatchObject({ code: "disk-full", hint: expect.stringContaining("df -h") });
    }
    expect([ballast, name, size]).toEqual(["ballast", "vault.json", "10000"]);
    expect(JSON.parse(last!)).toEqual({ ok: true });
  });
});

describe("updating a vault file", () => {
  it("reads, changes and writes while nobody else does", async () => {
    await write("0");
    const increments = Array.from({ length: 10 }, () =>
      updateVaultFile(path, (present) => utf8(String(Number(new TextDecoder().decode(present)) + 1))),
    );
    await Promise.all(increments);
    expect(readFileSync(path, "utf8")).toBe("10");
    expect(readdirSync(folder)).toEqual(["vault.json", "vault.json.lock"]);
  });

  it("says who holds it when it waited long enough", async () => {
    await write("0");
    const lock = await lockFile(`${path}.lock`, { label: "somebody" });
    const update = updateVaultFile(path, (present) => present, { waitMs: 0 });
    await expect(update).rejects.toMatchObject({ code: "locked", details: { label: "somebody" } });
    await lock.release();
  });

  it("lets go when the change fails, and changes nothing", async () => {
    await write("0");
    const failure = new Error("no");
    const failing = updateVaultFile(path, () => {
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    await updateVaultFile(path, () => utf8("1"), { waitMs: 0 });
    expect(readFileSync(path, "utf8")).toBe("1");
  });

  it("makes nothing where there is no vault", async () => {
    await expect(updateVaultFile(path, (present) => present)).rejects.toMatchObject({ code: "vault-missing" });
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(path, "", { mode: 0o644 });
    await expect(updateVaultFile(path, (present) => present)).rejects.toMatchObject({ code: "vault-mode" });
  });
});
