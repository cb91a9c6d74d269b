import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generateSeed, publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { rotateIdentity } from "../../keys/identity/create.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { systemClock, systemRandom } from "../../keys/ports.js";
import { taggedName, tagKeys } from "../../src/agent/backup/archive-tag.js";
import { hostKeys } from "../../src/agent/backup/backup-keys.js";
import { listBackups } from "../../src/agent/backup/list-backups.js";
import { openTarget } from "../../src/agent/backup/target.js";
import { AgentHome } from "../../src/agent/home.js";
import type { CommandContext } from "../../src/cli/context.js";
import { type NewestOptions, openNewest } from "../../src/cli/newest-archive.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import { targetOptions } from "../contracts/backup-target.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { type BackupHome, backupHome, type Headed, packed } from "../support/backup-home.js";

const HOUR = 3_600_000;

/** Two folders with what was stored there, and what is opened as the newest by this agent's host. */
async function shelf() {
  const folders = [join(temporaryFolder(), "a"), join(temporaryFolder(), "b")];
  for (const folder of folders) mkdirSync(folder);
  const targets = folders.map((folder) => openTarget(folder, targetOptions()));
  const ours = await backupHome();
  const warnings: string[] = [];
  const out = { warn: (text: string) => void warnings.push(text) } as unknown as CommandContext["out"];
  const context = { out, signal: new AbortController().signal };
  return {
    ours,
    folders,
    warnings,
    store: async (place: BackupHome, ageMs: number, headed: Headed = {}) => {
      const timeMs = Date.now() - ageMs;
      const name = taggedName("hot", timeMs, systemRandom, tagKeys(place.vault));
      const bytes = await packed(place, { clock: { ...systemClock, nowMs: () => timeMs }, ...headed });
      for (const folder of folders) writeFileSync(join(folder, name), bytes);
      return name;
    },
    newest: async (options: NewestOptions = {}) => {
      const { archives } = await listBackups({ targets });
      const found = await openNewest(context, archives, targets, { identities: hostKeys(ours.vault) }, options);
      await found?.archive.close();
      return found;
    },
  };
}

describe("the newest archive that opens", () => {
  test("is this agent's, though another one's in the same folder is newer", async () => {
    const { ours, store, newest } = await shelf();
    const other = await backupHome();
    await store(other, HOUR);
    expect(await newest()).toBeUndefined();
    const name = await store(ours, 3 * HOUR);
    await store(ours, 5 * HOUR);
    await store(other, 2 * HOUR);
    expect((await newest())?.name).toBe(name);
  });

  test("is read from another target where the first copy is damaged, and that is told", async () => {
    const { ours, folders, warnings, store, newest } = await shelf();
    const name = await store(ours, HOUR);
    writeFileSync(join(folders[0]!, name), "damaged");
    expect(await newest()).toMatchObject({ name, from: folders[1] });
    expect(warnings).toEqual([expect.stringContaining(`the copy of ${name} at ${folders[0]} cannot be used`)]);
  });

  test("is the next one where the newest is damaged, and it is told which, and how much older the next one is", async () => {
    const { ours, folders, warnings, store, newest } = await shelf();
    const damage = (name: string) => {
      for (const folder of folders) writeFileSync(join(folder, name), "damaged");
    };
    const [old, recent] = [await store(ours, 9 * HOUR), await store(ours, 4 * HOUR)];
    damage(recent);
    const found = await newest();
    expect(found).toMatchObject({ name: old, damaged: [{ name: recent, error: { code: "backup-damaged" } }] });
    expect(warnings.at(-1)).toMatch(
      new RegExp(`^passed over: ${recent} at .* is damaged: .*; ${old}, made 5 hours before it, is taken$`),
    );
    // Who asks whether the newest one can be restored is not told of an older one.
    await expect(newest({ needsNewest: true })).rejects.toMatchObject({ code: "backup-damaged" });
    damage(old);
    const none = newest();
    await expect(none).rejects.toMatchObject({ code: "backup-damaged", details: { archives: [recent, old] } });
    await expect(none).rejects.toThrow(new RegExp(`${recent} at .*${old} at `));
  });

  test("is not one that was found damaged while it was unpacked: its other copy is tried, then the next one", async () => {
    const { ours, folders, store, newest } = await shelf();
    const [old, recent] = [await store(ours, 9 * HOUR), await store(ours, HOUR)];
    const copy = { name: recent, from: folders[0]! };
    expect(await newest({ without: [copy] })).toMatchObject({ name: recent, from: folders[1] });
    expect((await newest({ without: [copy, { name: recent, from: folders[1]! }] }))?.name).toBe(old);
    const error = new AntsError("backup-damaged", `${recent} is damaged: cut`);
    const known = { without: [{ name: recent }, { name: old }], damaged: [{ name: recent, timeMs: 0, error }] };
    await expect(newest(known)).rejects.toBe(error);
  });

  test("is not one that another got the name of", async () => {
    const { ours, folders, warnings, store, newest } = await shelf();
    const [old, recent] = [await store(ours, 9 * HOUR), await store(ours, HOUR)];
    const { archives } = await listBackups({ targets: [openTarget(folders[0]!, targetOptions())] });
    expect(archives.map(({ name }) => name)).toEqual([old, recent]);
    const bytes = await packed(ours, { clock: { ...systemClock, nowMs: () => Date.now() - 9 * HOUR } });
    for (const folder of folders) writeFileSync(join(folder, recent), bytes);
    expect((await newest())?.name).toBe(old);
    expect(warnings.at(-1)).toContain(recent);
  });

  test("is not one from a time that has not come, unless there is nothing else", async () => {
    const { ours, folders, warnings, store, newest } = await shelf();
    const ahead = await store(ours, -1_000 * HOUR);
    const name = await store(ours, 9 * HOUR);
    expect((await newest())?.name).toBe(name);
    expect(warnings).toEqual([]);
    for (const folder of folders) rmSync(join(folder, name));
    expect((await newest())?.name).toBe(ahead);
    expect(warnings).toEqual([expect.stringContaining("a time that has not come")]);
  });

  test("is the one whose chain went furthest, by epoch, then seq, then time: a host that lost the pen goes on making them", async () => {
    const { ours, warnings, store, newest } = await shelf();
    const at = (epoch: number, seq: number) => ({ head: { epoch, seq, id: "a".repeat(64) } });
    const [best, ...passedOver] = [
      await store(ours, 5 * HOUR, at(3, 10)),
      await store(ours, 4 * HOUR, at(3, 9)),
      await store(ours, 2 * HOUR, at(2, 500)),
      await store(ours, HOUR),
    ];
    await store(ours, 6 * HOUR, at(3, 10));
    expect((await newest())?.name).toBe(best);
    expect(warnings).toHaveLength(passedOver.length);
    expect(warnings.join("\n")).toContain("made by an instance that was no longer at work: epoch 2 of 3");
    expect(warnings.join("\n")).toContain(`its chain ends before that of ${best}: seq 9 of 10`);
    // Of the same head, the youngest: it has the newest files.
    const young = await store(ours, 3 * HOUR, at(3, 10));
    expect((await newest())?.name).toBe(young);
  });

  test("is not one of a key that was replaced, however far its chain says it went and whenever it says it was made", async () => {
    const { ours, folders, warnings, store, newest } = await shelf();
    const head = { epoch: 9, seq: 900, id: "b".repeat(64) };
    const theirs = await store(ours, HOUR, { head });
    expect((await newest())?.name).toBe(theirs);
    const { identity } = ours.home;
    const signSeed = generateSeed();
    const rotate = rotateIdentity({
      parent: identity.newest!,
      revealSeeds: [ours.recoverySeed],
      newSignSeeds: [signSeed],
      nextRecoveryKeys: [publicKeyFromSeed(generateSeed())],
      timeMs: Date.now(),
    });
    // Known from elsewhere, as from the relays: without another one to take, that is the answer.
    const known = IdentityLog.learnt(identity.did, [...identity.operations(), rotate.parsed]);
    await expect(newest({ identity: known })).rejects.toMatchObject({ code: "backup-signer-replaced" });
    expect((await newest({ identity: known, isVouchedFor: true }))?.name).toBe(theirs);
    // The thief's copy of the home learns nothing of it.
    const stolen = join(temporaryFolder(), "home");
    cpSync(ours.path, stolen, { recursive: true });
    const thief = { ...ours, path: stolen, home: await AgentHome.open(nodeDisk, stolen) };
    await ours.home.learn([rotate.parsed]);
    const present = { ...ours, vault: { ...ours.vault, signSeed } };
    const name = await store(present, 5 * HOUR, { head: { epoch: 2, seq: 20, id: "c".repeat(64) } });
    for (const isVouchedFor of [false, true]) expect((await newest({ isVouchedFor }))?.name).toBe(name);
    expect(warnings.join("\n")).toContain(`${theirs} is younger and was passed over`);
    // Nor do many of them crowd it out of those that are compared, once the relays were asked.
    for (let i = 1; i < 9; i++) await store(thief, HOUR - i * 60_000, { head });
    expect((await newest({ identity: known }))?.name).toBe(name);
    expect(warnings.at(-1)).toBe("passed over: 6 more of replaced keys");
    for (const folder of folders) rmSync(join(folder, name));
    await expect(newest({ identity: known })).rejects.toMatchObject({ code: "backup-signer-replaced" });
    expect((await newest())?.name).not.toBe(name);
  });
});
