import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generateSeed, publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { AntsError } from "../../../keys/errors.js";
import { rotateIdentity } from "../../../keys/identity/create.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { type Clock, systemClock, systemRandom } from "../../../keys/ports.js";
import { ownerOf, tagKeys } from "../../../src/agent/backup/archive-tag.js";
import { hostKeys } from "../../../src/agent/backup/backup-keys.js";
import { Catalogue } from "../../../src/agent/backup/catalogue.js";
import {
  type BackupProgress,
  type CreateBackupOptions,
  createBackup,
} from "../../../src/agent/backup/create-backup.js";
import type { ReadSoFar } from "../../../src/agent/backup/home-files.js";
import { listBackups } from "../../../src/agent/backup/list-backups.js";
import { goneCopies } from "../../../src/agent/backup/lost-copies.js";
import { pruneBackups } from "../../../src/agent/backup/prune-backups.js";
import type { AgeIdentity } from "../../../src/agent/backup/read-archive.js";
import { rewrapBackups } from "../../../src/agent/backup/rewrap-backups.js";
import { type BackupTarget, openTarget } from "../../../src/agent/backup/target.js";
import { verifyBackup } from "../../../src/agent/backup/verify-backup.js";
import { verifyNewest } from "../../../src/agent/backup/verify-newest.js";
import { backupProgressText, sizeText } from "../../../src/cli/backup-text.js";
import { IdentityLog } from "../../../src/client/identity-log.js";
import { targetOptions } from "../../contracts/backup-target.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { type BackupHome, backupHome, blocks, unpacked } from "../../support/backup-home.js";

const HOUR = 3_600_000;
const START = Date.parse("2026-03-01T00:00:00Z");
const signal = new AbortController().signal;

/** A clock that stands still until it is set. */
class SetClock implements Clock {
  now = START;
  nowMs = () => this.now;
  monotonicMs = () => this.now;
  sleep = async () => {};
}

interface Setting extends BackupHome {
  readonly folder: string;
  readonly target: BackupTarget;
  readonly clock: SetClock;
  readonly catalogue: Catalogue;
  readonly create: (options?: Partial<CreateBackupOptions>) => ReturnType<typeof createBackup>;
}

async function setting(folder = join(temporaryFolder(), "store")): Promise<Setting> {
  const place = await backupHome();
  writeFileSync(join(place.path, "SOUL.md"), "soul");
  const target = openTarget(folder, targetOptions());
  const clock = new SetClock();
  const { home, vault } = place;
  const catalogue = new Catalogue(nodeDisk, home.layout.state);
  const common = { home, vault, tier: "hot", disk: nodeDisk, clock, random: systemRandom, signal } as const;
  return {
    ...place,
    folder,
    target,
    clock,
    catalogue,
    create: (options = {}) => createBackup({ ...common, targets: [target], ...options }),
  };
}

/** A target that does as another one does, but for what is said here. */
function but(target: BackupTarget, other: Partial<BackupTarget>): BackupTarget {
  return {
    url: target.url,
    list: () => target.list(),
    put: (name, upload) => target.put(name, upload),
    get: (name) => target.get(name),
    remove: (name) => target.remove(name),
    sweep: () => target.sweep(),
    ...other,
  };
}

const failure = (code: string) => new AntsError(code, "it failed");
const spool = ({ path }: BackupHome) => readdirSync(join(path, ".ants/backup-spool"));

describe("making an archive", () => {
  test("tells how many files and bytes were read so far, and once all were, of how many", async () => {
    const { create, target, path } = await setting();
    writeFileSync(join(path, "large"), Buffer.alloc(600_000));
    const told: BackupProgress[] = [];
    const second = openTarget(join(temporaryFolder(), "b"), targetOptions());
    const { files, size } = await create({ targets: [target, second], onProgress: (done) => told.push(done) });
    const [reading, packing, storing] = (["reading", "packing", "storing"] as const).map((doing) =>
      told.filter((done) => done.doing === doing),
    ) as [BackupProgress[], BackupProgress[], BackupProgress[]];
    const read = reading.at(-1) as ReadSoFar;
    expect(read.files).toBe(files);
    expect(reading.map((done) => (done as ReadSoFar).bytes)).toEqual([
      ...new Set(reading.map((done) => (done as ReadSoFar).bytes)),
    ]);
    expect(packing.at(-1)).toEqual({ doing: "packing", bytes: read.bytes, totalBytes: read.bytes, files });
    expect(backupProgressText(packing[0]!)).toMatch(/^packed \S+ \S+ of \d+ files, 58\d\.\d KiB$/);
    expect(storing.map(backupProgressText)).toEqual([1, 2].map((n) => `storing ${sizeText(size)} at target ${n} of 2`));
  });

  test("stores the same bytes at every target, and remembers them", async () => {
    const { create, target, folder, catalogue, ...place } = await setting();
    const second = openTarget(join(temporaryFolder(), "b"), targetOptions());
    const report = await create({ targets: [target, second] });
    const bytes = readFileSync(join(folder, report.name));
    expect(bytes.length).toBe(report.size);
    expect((await unpacked(blocks(bytes), [place.words])).manifest.files).toHaveLength(report.files);
    expect(report).toMatchObject({ tier: "hot", timeMs: START });
    expect(report.name).toMatch(/^ants-hot-20260301T000000Z-[0-9a-f]{16}\.tar\.age$/);
    const { archives, failed } = await listBackups({ targets: [target, second], catalogue });
    expect(failed).toEqual([]);
    expect(archives).toHaveLength(1);
    expect(archives[0]!.copies.map(({ known }) => known?.sha256)).toEqual([report.sha256, report.sha256]);
    expect(spool(place)).toEqual([]);
  });

  test("a target that fails is said, and the others have it; where all fail, that is the error", async () => {
    const { create, target } = await setting();
    for (const code of ["backup-target", "backup-target-full", "backup-target-unreachable"]) {
      const bad = but(target, { url: "bad:", put: () => Promise.reject(failure(code)) });
      const report = await create({ targets: [bad, target] });
      expect(report.targets).toMatchObject([
        { url: "bad:", status: "failed", error: { code } },
        { url: target.url, status: "stored" },
      ]);
      await expect(create({ targets: [bad] })).rejects.toMatchObject({ code });
    }
    expect(await target.list()).toHaveLength(3);
  });

  test("nothing is stored where a look finds what must not leave, and nothing lies about", async () => {
    const { create, target, path, ...place } = await setting();
    writeFileSync(join(path, "token"), "a secret");
    const look = (name: string) => {
      if (name === "token") throw failure("backup-secret-found");
    };
    await expect(create({ look })).rejects.toMatchObject({ code: "backup-secret-found" });
    await expect(target.list()).rejects.toMatchObject({ code: "backup-target-missing" });
    expect(spool({ path, ...place } as BackupHome)).toEqual([]);
  });

  test("without a target there is no archive", async () => {
    const { create } = await setting();
    await expect(create({ targets: [] })).rejects.toMatchObject({ code: "backup-no-target" });
  });

  test("what a crash left in the spool goes after a day", async () => {
    const { create, clock, path } = await setting();
    await create();
    const [old, young] = ["old", "young"].map((name) => join(path, ".ants/backup-spool", name));
    for (const file of [old, young]) writeFileSync(file!, "x");
    clock.now = Date.now();
    utimesSync(old!, Date.now() / 1000 - 25 * 3600, Date.now() / 1000 - 25 * 3600);
    await create();
    expect([existsSync(old!), existsSync(young!)]).toEqual([false, true]);
  });
});

describe("looking at archives", () => {
  test("a target that cannot be listed hides no other, and is said", async () => {
    const { create, target, catalogue } = await setting();
    await create();
    const bad = but(target, { url: "bad:", list: () => Promise.reject(failure("backup-target-unreachable")) });
    const { archives, failed } = await listBackups({ targets: [bad, target], catalogue });
    expect(archives).toHaveLength(1);
    expect(failed).toMatchObject([{ url: "bad:", error: { code: "backup-target-unreachable" } }]);
  });

  test("what was stored and is not listed is named: it was removed, or the listing is late", async () => {
    const { create, target, catalogue } = await setting();
    const [first, second] = [await create(), await create()];
    const late = but(target, { list: async () => (await target.list()).filter(({ name }) => name !== second.name) });
    const { archives, missing } = await listBackups({ targets: [late], catalogue });
    expect(archives.map(({ name }) => name)).toEqual([first.name]);
    expect(missing).toEqual([{ name: second.name, url: target.url }]);
    const unlisted = but(target, { list: () => Promise.reject(failure("backup-target")) });
    expect((await listBackups({ targets: [unlisted], catalogue })).missing).toEqual([]);
  });

  test("a lost catalogue loses no archive; a torn one only its last line", async () => {
    const { create, target, catalogue, path } = await setting();
    const { name } = await create();
    const file = join(path, ".ants/backups.ndjson");
    writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.from('{"note":"verified","name":"\xc3', "latin1")]));
    await create();
    expect(await catalogue.archives()).toHaveLength(2);
    writeFileSync(file, "");
    const { archives } = await listBackups({ targets: [target], catalogue });
    expect(archives.map((archive) => archive.name)).toContain(name);
    expect(archives.every(({ known }) => known === undefined)).toBe(true);
  });

  test("a hot one is opened with this host's keys, a cold one compared, and both are remembered", async () => {
    const { create, target, catalogue, clock, home, vault, words } = await setting();
    const [hot, cold] = [await create(), await create({ tier: "cold" })];
    const verify = (name: string, identities: readonly AgeIdentity[] = hostKeys(vault)) =>
      verifyBackup({ target, name, identities, catalogue, identity: home.identity, clock });
    expect(await verify(hot.name)).toMatchObject({ level: "whole", size: hot.size });
    expect(await verify(cold.name)).toEqual({ level: "bytes", size: cold.size });
    expect(await verify(cold.name, [words])).toMatchObject({ level: "whole" });
    const known = await catalogue.archives();
    expect(known.map(({ copies }) => copies.get(target.url)?.verified)).toEqual(["whole", "whole"]);
  });

  test("a cold one that nobody remembers cannot be vouched for without the words", async () => {
    const { create, target, catalogue, clock, vault, path } = await setting();
    const { name } = await create({ tier: "cold" });
    writeFileSync(join(path, ".ants/backups.ndjson"), "");
    await expect(verifyBackup({ target, name, identities: hostKeys(vault), catalogue, clock })).rejects.toMatchObject({
      code: "backup-no-key",
    });
  });

  test("a cold one in a copy of the folder is compared with what was stored elsewhere", async () => {
    const { create, target, folder, catalogue, clock, vault } = await setting();
    const { name, size } = await create({ tier: "cold" });
    const copied = join(temporaryFolder(), "copied");
    cpSync(folder, copied, { recursive: true });
    const verify = () =>
      verifyBackup({
        target: openTarget(copied, targetOptions()),
        name,
        identities: hostKeys(vault),
        catalogue,
        clock,
      });
    expect(await verify()).toEqual({ level: "bytes", size });
    writeFileSync(join(copied, name), readFileSync(join(copied, name)).fill(0, size - 50));
    await expect(verify()).rejects.toMatchObject({ code: "backup-damaged" });
    const known = (await catalogue.archives())[0]!.copies;
    expect([...known.keys()]).toEqual([target.url]);
    expect(known.get(target.url)).not.toHaveProperty("failedMs");
  });

  test("damage is found in both, remembered, and forgotten once the archive is whole again", async () => {
    const { create, target, catalogue, clock, vault, folder } = await setting();
    for (const tier of ["hot", "cold"] as const) {
      const { name } = await create({ tier });
      const file = join(folder, name);
      const whole = readFileSync(file);
      const damaged = Buffer.from(whole);
      damaged[whole.length - 50]! ^= 1;
      writeFileSync(file, damaged);
      const verify = () => verifyBackup({ target, name, identities: hostKeys(vault), catalogue, clock });
      await expect(verify()).rejects.toMatchObject({ code: "backup-damaged" });
      const known = async () =>
        (await catalogue.archives()).find((archive) => archive.name === name)?.copies.get(target.url);
      expect((await known())?.failedMs).toBe(START);
      writeFileSync(file, whole);
      await verify();
      expect((await known())?.failedMs).toBeUndefined();
    }
  });

  test("an archive of another agent, or of another tier than its name says, is none of ours", async () => {
    const [one, other] = [await setting(), await setting()];
    const { name } = await one.create();
    const { target, clock, vault } = one;
    await expect(
      verifyBackup({ target, name, identities: [one.words], identity: other.home.identity, clock }),
    ).rejects.toMatchObject({ code: "backup-damaged" });
    const renamed = name.replace("hot", "cold");
    writeFileSync(join(one.folder, renamed), readFileSync(join(one.folder, name)));
    await expect(
      verifyBackup({ target, name: renamed, identities: hostKeys(vault), identity: one.home.identity, clock }),
    ).rejects.toMatchObject({ code: "backup-damaged" });
  });
});

describe("what lies at a target under a name that it should not have", () => {
  test("an older one under the name of a newer one is not what was stored, though it is whole", async () => {
    const { create, target, catalogue, clock, vault, home, folder } = await setting();
    const older = await create();
    clock.now += HOUR;
    const newer = await create();
    writeFileSync(join(folder, newer.name), readFileSync(join(folder, older.name)));
    const common = { target, name: newer.name, identities: hostKeys(vault), identity: home.identity, clock };
    await expect(verifyBackup({ ...common, catalogue })).rejects.toMatchObject({ code: "backup-damaged" });
    // By its manifest alone, where nobody remembers what was stored.
    await expect(verifyBackup(common)).rejects.toMatchObject({ code: "backup-damaged" });
  });

  test("two of one second that were swapped are found by their bytes, and not encrypted anew", async () => {
    const { create, target, catalogue, clock, vault, home, folder } = await setting();
    const [one, other] = [await create(), await create()];
    const bytes = readFileSync(join(folder, one.name));
    writeFileSync(join(folder, one.name), readFileSync(join(folder, other.name)));
    writeFileSync(join(folder, other.name), bytes);
    const { name } = one;
    await expect(verifyBackup({ target, name, identities: hostKeys(vault), catalogue, clock })).rejects.toMatchObject({
      code: "backup-damaged",
    });
    const { agreeSecret, stateKey } = vault;
    const rotated = { ...vault, stateKey: new Uint8Array(32).fill(9), earlier: [{ agreeSecret, stateKey }] };
    const common = { home, vault: rotated, targets: [target], catalogue, disk: nodeDisk, clock, random: systemRandom };
    const outcomes = await rewrapBackups({ ...common, identities: hostKeys(rotated), dryRun: false, signal });
    expect(outcomes.map(({ status }) => status)).toEqual(["left", "left"]);
  });

  test("one that a key signed after a rotate had replaced it is not the agent's; one from before it is", async () => {
    const { create, target, clock, vault, home, recoverySeed } = await setting();
    const before = await create();
    const identity = IdentityLog.learnt(vault.did, home.identity.operations());
    const { line } = rotateIdentity({
      parent: identity.newest!,
      revealSeeds: [recoverySeed],
      newSignSeeds: [generateSeed()],
      nextRecoveryKeys: [publicKeyFromSeed(generateSeed())],
      timeMs: START + HOUR,
    });
    expect(identity.add(line)).toBe(true);
    clock.now = START + 2 * HOUR;
    // Made by a thief: with the key and the identity log of before.
    const after = await create();
    const verify = (name: string) => verifyBackup({ target, name, identities: hostKeys(vault), identity, clock });
    expect(await verify(before.name)).toMatchObject({ level: "whole" });
    await expect(verify(after.name)).rejects.toMatchObject({ code: "backup-damaged" });
  });
});

describe("two agents that share a target", () => {
  async function neighbours() {
    const folder = join(temporaryFolder(), "store");
    const [ours, theirs] = [await setting(folder), await setting(folder)];
    for (let hour = 0; hour < 3; hour++)
      for (const { clock, create } of [ours, theirs]) {
        clock.now = START + hour * HOUR;
        await create();
        await create({ tier: "cold" });
      }
    const names = async ({ catalogue }: Setting) => (await catalogue.archives()).map(({ name }) => name);
    return { ours, theirs, names };
  }

  test("prune their own archives only, whatever they remember", async () => {
    const { ours, theirs, names } = await neighbours();
    const before = await names(theirs);
    const { target, catalogue, clock, vault, path } = ours;
    const policy = { hot: { hourly: 1 }, cold: { hourly: 1 } };
    const keys = async () => tagKeys(vault);
    const prune = () => pruneBackups({ targets: [target], policy, dryRun: false, catalogue, clock, signal, keys });
    expect(await prune()).toMatchObject([{ notOurs: 6, removed: { length: 4 } }]);
    expect((await target.list()).map(({ name }) => name)).toEqual(expect.arrayContaining(before));
    // A home that forgot everything knows its own by their tags, and without a key touches nothing.
    await ours.create();
    writeFileSync(join(path, ".ants/backups.ndjson"), "");
    const { keys: _, ...blind } = { targets: [target], policy, dryRun: false, catalogue, clock, signal, keys };
    expect(await pruneBackups(blind)).toMatchObject([{ notOurs: 9, removed: [] }]);
    expect(await prune()).toMatchObject([{ notOurs: 6, removed: { length: 1 } }]);
    expect((await target.list()).map(({ name }) => name)).toEqual(expect.arrayContaining(before));
  });

  test("read back and encrypt anew their own only", async () => {
    const { ours, theirs } = await neighbours();
    // Theirs are newer.
    theirs.clock.now = START + 9 * HOUR;
    await theirs.create();
    await theirs.create({ tier: "cold" });
    const { target, catalogue, clock, vault, home } = ours;
    const { archives } = await listBackups({ targets: [target], catalogue });
    const common = { targets: [target], identities: hostKeys(vault), catalogue, clock, signal };
    const newest = (await catalogue.archives()).slice(-2).map(({ name }) => name);
    for (const keys of [tagKeys(vault), undefined]) {
      const options = { ...common, archives, identity: home.identity };
      const checks = await verifyNewest(keys === undefined ? options : { ...options, keys });
      expect(checks.map((check) => [check.name, "level" in check && check.level]).sort()).toEqual(
        newest.map((name) => [name, name.includes("hot") ? "whole" : "bytes"]).sort(),
      );
    }
    const work = { ...common, home, vault, disk: nodeDisk, random: systemRandom, dryRun: true };
    expect(await rewrapBackups(work)).toHaveLength(6);
  });

  test("names say nothing of whose they are to anybody without the key", async () => {
    const { ours, theirs } = await neighbours();
    const listed = await ours.target.list();
    const ends = listed.map(({ name }) => name.slice(-16, -8));
    expect(new Set(ends).size).toBe(12);
    const owners = (keys: Uint8Array[] | undefined) =>
      listed.filter(({ name }) => ownerOf(name, new Set(), keys) === "agent").length;
    // A rotation takes nobody's archives from him.
    const { agreeSecret, stateKey } = ours.vault;
    const rotated = { stateKey: new Uint8Array(32).fill(9), earlier: [{ agreeSecret, stateKey }] };
    expect([tagKeys(ours.vault), tagKeys(theirs.vault), tagKeys(rotated), undefined].map(owners)).toEqual([6, 6, 6, 0]);
  });
});

test("archives with names from before there were tags are listed, read back and pruned where they are known", async () => {
  const { create, target, catalogue, clock, folder, path } = await setting();
  const [first, second] = [await create(), await create()];
  const former = (name: string) => name.replace(/[0-9a-f]{8}(?=\.tar)/, "");
  for (const { name } of [first, second]) renameSync(join(folder, name), join(folder, former(name)));
  const file = join(path, ".ants/backups.ndjson");
  writeFileSync(file, readFileSync(file, "utf8").replace(first.name, former(first.name)));
  clock.now += HOUR;
  await create();
  const policy = { hot: { hourly: 1 }, cold: {} };
  const done = await pruneBackups({ targets: [target], policy, dryRun: false, catalogue, clock, signal });
  expect(done).toMatchObject([{ removed: [former(first.name)], notOurs: 1 }]);
});

describe("a folder that is not the one of before", () => {
  test("takes no archive while its disk is not mounted; once a person said so, it does", async () => {
    const { create, target, catalogue, clock, folder } = await setting();
    const [first, second] = [await create(), await create()];
    renameSync(folder, `${folder}-elsewhere`);
    for (const isMountPoint of [false, true]) {
      if (isMountPoint) mkdirSync(folder);
      await expect(create()).rejects.toMatchObject({ code: "backup-target-other" });
    }
    expect(readdirSync(folder)).toEqual([]);
    // Mounted again: all is as it was, and an archive more or less at the target is no reason.
    rmdirSync(folder);
    renameSync(`${folder}-elsewhere`, folder);
    unlinkSync(join(folder, first.name));
    await create();
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    const policy = { hot: { within: 24 * HOUR }, cold: {} };
    const work = { targets: [target], policy, dryRun: false, catalogue, clock, signal };
    expect(await pruneBackups(work)).toMatchObject([{ forgotten: [] }]);
    expect(await pruneBackups({ ...work, forgetsLost: true })).toMatchObject([
      { removed: [], forgotten: expect.arrayContaining([second.name]) },
    ]);
    await create();
  });
});

describe("what was stored and is not listed any more", () => {
  test("is lost where the rules would keep it, and forgotten where nobody misses it", async () => {
    const { create, target, catalogue, clock, folder, vault } = await setting();
    const made: string[] = [];
    for (let hour = 0; hour < 4; hour++) {
      clock.now = START + hour * HOUR;
      made.push((await create()).name);
    }
    const cold = (await create({ tier: "cold" })).name;
    const policy = { hot: { hourly: 2 }, cold: { weekly: 1 } };
    const gone = async () =>
      goneCopies(await catalogue.archives(), target.url, await target.list(), policy, clock.nowMs());
    expect(await gone()).toEqual({ lost: [], expired: [] });
    for (const name of [made[0]!, made[3]!, cold]) unlinkSync(join(folder, name));
    expect(await gone()).toEqual({ lost: expect.arrayContaining([made[3], cold]), expired: [made[0]] });
    // One that was found damaged and then removed by hand is missed by nobody.
    const file = join(folder, made[2]!);
    writeFileSync(file, "damaged");
    await verifyBackup({ target, name: made[2]!, identities: hostKeys(vault), catalogue, clock }).catch(() => {});
    unlinkSync(file);
    expect((await gone()).expired).toContain(made[2]);
    const work = { targets: [target], policy, dryRun: false, catalogue, clock, signal };
    expect((await pruneBackups(work))[0]!.forgotten).toEqual((await gone()).expired.concat([made[0]!, made[2]!]));
    expect((await catalogue.archives()).map(({ name }) => name)).not.toContain(made[0]);
  });

  test("is missed by nobody in a home that was restored, where a newer one it never knew took its place", async () => {
    const { create, target, catalogue, clock, folder, path } = await setting();
    const first = await create();
    const file = join(path, ".ants/backups.ndjson");
    const asArchived = readFileSync(file);
    clock.now += HOUR;
    const second = await create();
    // The lost home pruned the first; the restored one has its catalogue of before the second.
    unlinkSync(join(folder, first.name));
    writeFileSync(file, asArchived);
    const policy = { hot: { daily: 7 }, cold: {} };
    const listed = await target.list();
    expect(listed.map(({ name }) => name)).toEqual([second.name]);
    const known = await catalogue.archives();
    expect(goneCopies(known, target.url, listed, policy, clock.nowMs())).toEqual({ lost: [], expired: [first.name] });
    expect(goneCopies(known, target.url, [], policy, clock.nowMs()).lost).toEqual([first.name]);
  });
});

describe("pruning", () => {
  const policy = { hot: { hourly: 2 }, cold: { weekly: 1 } };

  async function day() {
    const place = await setting();
    for (let hour = 0; hour < 5; hour++) {
      place.clock.now = START + hour * HOUR;
      await place.create();
    }
    const { target, catalogue, clock } = place;
    const prune = (options: Partial<Parameters<typeof pruneBackups>[0]> = {}) =>
      pruneBackups({ targets: [target], policy, dryRun: false, catalogue, clock, signal, ...options });
    const names = async () => (await target.list()).map(({ name }) => name);
    return { ...place, prune, names };
  }

  test("a dry run says what would go and removes nothing; then exactly that goes", async () => {
    const { prune, names, catalogue } = await day();
    const before = await names();
    const [planned] = await prune({ dryRun: true });
    expect(planned!.removed).toEqual(before.slice(0, 3));
    expect(await names()).toEqual(before);
    expect(await prune()).toEqual([planned]);
    expect(await names()).toEqual(before.slice(3));
    expect((await catalogue.archives()).map(({ name }) => name)).toEqual(before.slice(3));
  });

  test("what others of this agent stored pushes none of this home's out, nor the other way round", async () => {
    const { prune, names, catalogue, clock, create, vault, path } = await day();
    const [ours, notes] = [await names(), join(path, ".ants/backups.ndjson")];
    const remembered = readFileSync(notes);
    for (const hour of [5, 6, 7]) {
      clock.now = START + hour * HOUR;
      await create();
    }
    const all = await names();
    writeFileSync(notes, remembered);
    const [pruned] = await prune({ keys: async () => tagKeys(vault) });
    expect(pruned!.removed).toEqual([...ours.slice(0, 3), all[5]]);
    expect((await catalogue.archives()).map(({ name }) => name)).toEqual(ours.slice(3));
  });

  test("what a thief of a replaced key made, of whatever date, pushes none of a later era's out, though this home stored neither", async () => {
    const { prune, clock, create, vault, path } = await day();
    const { agreeSecret, stateKey } = vault;
    const rotated = { ...vault, stateKey: generateSeed(), earlier: [{ agreeSecret, stateKey }] };
    const good: string[] = [];
    for (const hour of [5, 6]) {
      clock.now = START + hour * HOUR;
      good.push((await create({ vault: rotated })).name);
      // With the keys of before: the newest of each hour, and of hours to come.
      for (const later of [0.5, 2]) {
        clock.now = START + (hour + later) * HOUR;
        await create();
      }
    }
    writeFileSync(join(path, ".ants/backups.ndjson"), "");
    const rules = { policy: { hot: { hourly: 2 }, cold: {} }, keys: async () => tagKeys(rotated), dryRun: true };
    const [pruned] = await prune(rules);
    expect(pruned!.removed.filter((name) => good.includes(name))).toEqual([]);
    // What is of the era before goes by the rules, too.
    expect(pruned!.kept).toHaveLength(4);
  });

  test("what verify found damaged keeps no good one out, though this home stored neither", async () => {
    const { prune, names, clock, target, catalogue, vault, path, folder } = await day();
    writeFileSync(join(path, ".ants/backups.ndjson"), "");
    const newest = (await names()).at(-1)!;
    const bytes = readFileSync(join(folder, newest));
    bytes[bytes.length - 50]! ^= 1;
    writeFileSync(join(folder, newest), bytes);
    const verify = () => verifyBackup({ target, name: newest, identities: hostKeys(vault), catalogue, clock });
    await expect(verify()).rejects.toMatchObject({ code: "backup-damaged" });
    expect(await catalogue.archives()).toEqual([]);
    const rules = { policy: { hot: { hourly: 1 }, cold: {} }, keys: async () => tagKeys(vault), dryRun: true };
    const kept = async () => (await prune(rules))[0]!.kept.map(({ name }) => name);
    expect(await kept()).toEqual([(await names()).at(-2)]);
    bytes[bytes.length - 50]! ^= 1;
    writeFileSync(join(folder, newest), bytes);
    await verify();
    expect(await kept()).toEqual([newest]);
  });

  test("rules that would leave nothing at one target remove nothing at any", async () => {
    const { prune, names, target } = await day();
    const before = await names();
    const empty = { hot: { within: 0 }, cold: {} };
    await expect(prune({ policy: empty, targets: [target] })).rejects.toMatchObject({
      code: "backup-keeps-nothing",
    });
    expect(await names()).toEqual(before);
  });

  test("a target that fails half-way is said with what did go; another is pruned all the same", async () => {
    const { prune, target, names, clock, create } = await day();
    const other = openTarget(join(temporaryFolder(), "b"), targetOptions());
    for (let hour = 5; hour < 9; hour++) {
      clock.now = START + hour * HOUR;
      await create({ targets: [other] });
    }
    let removed = 0;
    const failing = but(target, {
      remove: (name) => (removed++ === 0 ? target.remove(name) : Promise.reject(failure("backup-target-unreachable"))),
    });
    const unlisted = but(target, { url: "bad:", list: () => Promise.reject(failure("backup-target")) });
    const [first, second, third] = await prune({ targets: [failing, unlisted, other] });
    expect(first).toMatchObject({ removed: [expect.anything()], error: { code: "backup-target-unreachable" } });
    expect(second).toMatchObject({ url: "bad:", removed: [], error: { code: "backup-target" } });
    expect(third!.removed).toHaveLength(2);
    expect(await names()).toHaveLength(4);
  });

  test("a listing that is late removes less, and never what is new", async () => {
    const { prune, target, names } = await day();
    const before = await names();
    // The newest three are not in it yet.
    const late = but(target, { list: async () => (await target.list()).slice(0, 2) });
    await prune({ targets: [late] });
    expect(await names()).toEqual(before);
  });

  test("one that was found damaged does not push out one that is whole", async () => {
    const { prune, target, catalogue, names, folder, clock, vault } = await day();
    const newest = (await names()).at(-1)!;
    writeFileSync(join(folder, newest), "damaged");
    await verifyBackup({ target, name: newest, identities: hostKeys(vault), catalogue, clock }).catch(() => {});
    const before = await names();
    await prune();
    expect(await names()).toEqual(before.slice(2, 4));
  });
});

/** What still opens with an old key is listed, and encrypted anew (B6). */
describe("encrypting anew", () => {
  test("after a rotate, hot archives are due: they open with the new key and no longer with the old one", async () => {
    const { create, home, vault, target, catalogue, clock, words } = await setting();
    const [hot, cold] = [await create(), await create({ tier: "cold" })];
    const { agreeSecret, stateKey } = vault;
    const rotated = { ...vault, stateKey: new Uint8Array(32).fill(9), earlier: [{ agreeSecret, stateKey }] };
    const common = { home, vault: rotated, targets: [target], catalogue, disk: nodeDisk, clock, random: systemRandom };
    const rewrap = (dryRun: boolean) => rewrapBackups({ ...common, identities: hostKeys(rotated), dryRun, signal });
    expect(await rewrap(true)).toMatchObject(
      [
        { name: hot.name, status: "due" },
        { name: cold.name, status: "current" },
      ].sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
    const done = (await rewrap(false)).find(({ name }) => name === hot.name)!;
    expect(done).toMatchObject({ status: "rewrapped", as: expect.stringContaining("ants-hot-20260301T000000Z-") });
    const { as } = done as { as: string };
    expect((await target.list()).map(({ name }) => name).sort()).toEqual([as, cold.name].sort());
    await unpacked(await target.get(as), hostKeys(rotated).slice(0, 1));
    await unpacked(await target.get(as), [words]);
    await expect(unpacked(await target.get(as), hostKeys(vault))).rejects.toMatchObject({ code: "backup-no-key" });
    expect((await rewrap(false)).every(({ status }) => status === "current")).toBe(true);
  });

  test("what cannot be opened stays as it is, and is listed; with the words it is done", async () => {
    const { create, home, vault, target, catalogue, clock, words, path } = await setting();
    const { name } = await create({ tier: "cold" });
    // Nobody remembers to whom it is encrypted: so it is due.
    writeFileSync(join(path, ".ants/backups.ndjson"), "");
    const common = { home, vault, targets: [target], catalogue, disk: nodeDisk, clock, random: systemRandom, signal };
    const work = { ...common, dryRun: false };
    expect(await rewrapBackups({ ...work, identities: hostKeys(vault) })).toMatchObject([
      { name, status: "left", error: { code: "backup-no-key" } },
    ]);
    expect((await target.list()).map((one) => one.name)).toEqual([name]);
    expect(await rewrapBackups({ ...work, identities: [words] })).toMatchObject([{ name, status: "rewrapped" }]);
  });

  test("a damaged one is not replaced by a copy of its damage", async () => {
    const { create, home, vault, target, catalogue, clock, folder, path } = await setting();
    const { name } = await create();
    const bytes = readFileSync(join(folder, name));
    writeFileSync(join(folder, name), bytes.subarray(0, bytes.length - 10));
    writeFileSync(join(path, ".ants/backups.ndjson"), "");
    const common = { home, vault, targets: [target], catalogue, disk: nodeDisk, clock, random: systemRandom, signal };
    const outcomes = await rewrapBackups({ ...common, identities: hostKeys(vault), dryRun: false });
    expect(outcomes).toMatchObject([{ name, status: "left", error: { code: "backup-damaged" } }]);
    expect(readdirSync(folder)).toEqual([name]);
  });
});

test("a target on the system's own clock keeps what it was given", async () => {
  const { create, target } = await setting();
  const { timeMs } = await create({ clock: systemClock });
  const [stored] = await target.list();
  expect(stored!.timeMs).toBe(Math.floor(timeMs / 1000) * 1000);
});
