import { mkdirSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openTarget } from "../../../src/agent/backup/target.js";
import { backupTargetContract, NAMES, read, targetOptions, uploadOf } from "../../contracts/backup-target.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";

describe("a folder as a target", () => {
  backupTargetContract(async () => {
    const folder = join(temporaryFolder(), "an 'odd' folder");
    return {
      open: (options) => openTarget(folder, options),
      litter: async (name) => writeFileSync(join(folder, name), "x"),
    };
  });

  test("is private, and its archives are", async () => {
    const folder = join(temporaryFolder(), "backups");
    await openTarget(`file://${folder}`, targetOptions()).put(NAMES[0], uploadOf(Buffer.from("x")));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, NAMES[0])).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual([NAMES[0]]);
  });

  test("is made, but not the folders above it: a disk may not be mounted", async () => {
    const target = openTarget(join(temporaryFolder(), "not-mounted", "backups"), targetOptions());
    await expect(target.put(NAMES[0], uploadOf(Buffer.from("x")))).rejects.toMatchObject({ code: "backup-target" });
    await expect(target.list()).rejects.toMatchObject({ code: "backup-target-missing" });
  });

  test("what a crash left goes after a day, and nothing else does", async () => {
    const folder = temporaryFolder();
    const target = openTarget(folder, targetOptions());
    await target.put(NAMES[0], uploadOf(Buffer.from("x")));
    const dayAgo = Date.now() / 1000 - 25 * 3600;
    const parts = [`.${NAMES[1]}.0011223344556677.part`, `.${NAMES[2]}.8899aabbccddeeff.part`];
    for (const name of [...parts, ".hidden", NAMES[1]]) writeFileSync(join(folder, name), "x");
    for (const name of [parts[0]!, ".hidden", NAMES[0], NAMES[1]]) utimesSync(join(folder, name), dayAgo, dayAgo);
    expect(await target.sweep()).toBe(1);
    expect(readdirSync(folder).sort()).toEqual([".hidden", parts[1], NAMES[1], NAMES[0]].sort());
  });

  test("what is called like an archive and is none is passed over", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, NAMES[0]));
    symlinkSync("/etc/hostname", join(folder, NAMES[1]));
    const target = openTarget(folder, targetOptions());
    expect(await target.list()).toEqual([]);
    await expect(target.put(NAMES[1], uploadOf(Buffer.from("x")))).rejects.toMatchObject({ code: "backup-exists" });
  });

  test("an archive that is removed while it is read is still read", async () => {
    const target = openTarget(temporaryFolder(), targetOptions());
    await target.put(NAMES[0], uploadOf(Buffer.alloc(1_000_000, 1)));
    const source = await target.get(NAMES[0]);
    await target.remove(NAMES[0]);
    expect((await read(source)).length).toBe(1_000_000);
  });
});

describe("the address of a target", () => {
  test.each([
    "backups",
    "ftp://host/folder",
    "file://host/folder",
    "ssh://-oProxyCommand=x/folder",
    "ssh://-l@host/folder",
    "ssh://host",
    "ssh://host/",
    "ssh://user:secret@host/folder",
    "s3://UPPER/x",
    "s3://bucket/x?endpoint=http://storage.example",
    "s3://bucket/x?endpoint=ftp://storage.example",
    "s3://bucket/x?endpoint=nonsense",
    "s3://bucket/x?endpoint=http://127.0.0.1.storage.example",
    "s3://bucket/x?endpoint=http://192.168.1.1",
    "s3://bucket/x?endpoint=https://storage.example/tenant",
    "s3://bucket/%2f..%2fother",
    "ssh://host/folder%00",
    "s3://bucket/x?colour=red",
    "s3://key:secret@bucket/x",
    "file:///bad%2",
  ])("%s is refused, without saying a password", (address) => {
    expect(() => openTarget(address, targetOptions())).toThrow(expect.objectContaining({ code: "backup-target-url" }));
    try {
      openTarget(address, targetOptions());
    } catch (error) {
      expect(String(error)).not.toContain("secret");
    }
  });

  test.each([
    "/srv/backups",
    "file:///srv/back%20ups",
    "ssh://me@host.example:2222/srv/backups",
    "ssh://host/~/backups",
    "ssh://[fd00::1]/srv/backups",
    "s3://bucket",
    "s3://my-bucket/agents/scout?region=eu-central-1",
    "s3://bucket/x?endpoint=https://storage.example:9000&region=garage",
    "s3://bucket/x?endpoint=http://127.0.0.1:9000",
  ])("%s is taken", (address) => {
    expect(openTarget(address, targetOptions()).url).toBe(address);
  });
});
