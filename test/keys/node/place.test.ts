import { mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isAntsError } from "../../../keys/errors.js";
import { assertDurablePlace, mountOf, placeOf } from "../../../keys/node/place.js";
import { canMount, NO_NAMESPACES, program, runWithMounts } from "./run.js";
import { temporaryFolder } from "./temporary-folder.js";

const MOUNTINFO = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
24 22 0:30 / /run rw shared:5 master:2 - tmpfs tmpfs rw,size=1k
25 22 0:31 / /data rw - tmpfs tmpfs rw
26 22 254:1 / /data rw - xfs /dev/vdb rw
27 22 0:32 / /with\\040space rw - ramfs none rw
28 22 0:33 / /database rw - overlay overlay rw,lowerdir=/a
`;

const IN_TEMPORARY = "the tests themselves lie in a folder that the system empties, whatever is mounted there";
const isTemporary = (folder: string) => /^\/(var\/)?tmp\//.test(realpathSync(folder));

describe("the mount of a folder", () => {
  it.each([
    ["/home/a", "/", "ext4"],
    ["/", "/", "ext4"],
    ["/run/user/0/ants", "/run", "tmpfs"],
    ["/runner", "/", "ext4"],
    ["/data/x", "/data", "xfs"],
    ["/database", "/database", "overlay"],
    ["/with space/x", "/with space", "ramfs"],
  ])("%s is %s, of equal mount points the last, with escapes read", (folder, mountPoint, fileSystem) => {
    expect(mountOf(folder, MOUNTINFO)).toEqual({ mountPoint, fileSystem });
  });

  it("is unknown without a table of mounts", () => {
    expect(mountOf("/home", "")).toBeUndefined();
  });
});

describe("a place for a key (I2)", () => {
  it.each(["/tmp/agent-keys/vault.json", "/tmp/vault.json", "/var/tmp/a/b/c/vault.json", "/dev/shm/vault.json"])(
    "is not %s, whether it exists or not",
    async (path) => {
      const error = await assertDurablePlace(path).catch((refused: unknown) => refused);
      expect(isAntsError(error, "vault-ephemeral")).toBe(true);
      expect(String(error)).toMatch(/the system empties|memory|container/);
      // A variable: not every command that stores something has an option for it.
      expect(String((error as { hint: string }).hint)).toContain("ANTS_ALLOW_EPHEMERAL=1");
    },
  );

  it("is anywhere when told so", async () => {
    await expect(assertDurablePlace("/tmp/vault.json", { allowEphemeral: true })).resolves.toBeUndefined();
  });

  it("is judged behind symbolic links", async () => {
    const folder = temporaryFolder();
    symlinkSync("/tmp", join(folder, "looks-good"));
    expect((await placeOf(join(folder, "looks-good/new/vault.json"))).verdict).not.toBe("durable");
  });

  it("is not behind a link that leads nowhere yet", async () => {
    const folder = temporaryFolder();
    symlinkSync(join(folder, "absent"), join(folder, "dangling"));
    await expect(placeOf(join(folder, "dangling/vault.json"))).rejects.toMatchObject({ code: "disk-failed" });
  });

  it("is a folder on a disk, also one that is still to be made", async (context) => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "a"));
    const place = await placeOf(join(folder, "a/b/c/vault.json"));
    expect(place.folder).toBe(realpathSync(join(folder, "a")));
    context.skip(place.verdict !== "durable", `the tests themselves lie on a ${place.fileSystem}`);
    await expect(assertDurablePlace(join(folder, "a/b/c/vault.json"))).resolves.toBeUndefined();
  });

  it.for<[string, string, RegExp]>([
    ["a tmpfs", "mount -t tmpfs none $2", /is a tmpfs, which lives in memory/],
    ["a ramfs", "mount -t ramfs none $2", /is a ramfs, which lives in memory/],
    [
      "the overlay of a container",
      "mount -t tmpfs none $2; mkdir $2/l $2/u $2/w $2/m; mount -t overlay -o lowerdir=$2/l,upperdir=$2/u,workdir=$2/w none $2/m; set -- $1 $2/m",
      /is the overlay of a container/,
    ],
  ])("is not on %s that is really mounted", ([, mount, because], context) => {
    context.skip(!canMount, NO_NAMESPACES);
    const folder = temporaryFolder();
    context.skip(isTemporary(folder), IN_TEMPORARY);
    const script = `${mount}; ${process.execPath} $1 $2/sub/vault.json`;
    const { stdout, stderr } = runWithMounts(script, program("place.mjs"), folder);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({ code: "vault-ephemeral", message: expect.stringMatching(because) });
  });

  it("is on a volume that is mounted into such a container", (context) => {
    context.skip(!canMount, NO_NAMESPACES);
    const folder = temporaryFolder();
    context.skip(isTemporary(folder), IN_TEMPORARY);
    const script = `
      mkdir $2/disk; mkdir $2/c; mount -t tmpfs none $2/c; mkdir $2/c/l $2/c/u $2/c/w $2/c/m
      mount -t overlay -o lowerdir=$2/c/l,upperdir=$2/c/u,workdir=$2/c/w none $2/c/m
      mkdir $2/c/m/data; mount --bind $2/disk $2/c/m/data
      ${process.execPath} $1 $2/c/m/data/ants/vault.json; ${process.execPath} $1 $2/c/m/ants/vault.json`;
    const { stdout } = runWithMounts(script, program("place.mjs"), folder);
    const [volume, layer] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(layer).toMatchObject({ code: "vault-ephemeral" });
    expect(volume).toEqual({ ok: true });
  });
});
