import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { systemClock, systemRandom } from "../../keys/ports.js";
import { taggedName, tagKeys } from "../../src/agent/backup/archive-tag.js";
import { hostKeys } from "../../src/agent/backup/backup-keys.js";
import { listBackups } from "../../src/agent/backup/list-backups.js";
import { openTarget } from "../../src/agent/backup/target.js";
import type { CommandContext } from "../../src/cli/context.js";
import { openNewest } from "../../src/cli/newest-archive.js";
import { targetOptions } from "../contracts/backup-target.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { type BackupHome, backupHome, packed } from "../support/backup-home.js";

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
    store: async (place: BackupHome, ageMs: number, at = folders) => {
      const timeMs = Date.now() - ageMs;
      const name = taggedName("hot", timeMs, systemRandom, tagKeys(place.vault));
      const bytes = await packed(place, { clock: { ...systemClock, nowMs: () => timeMs } });
      for (const folder of at) writeFileSync(join(folder, name), bytes);
      return name;
    },
    newest: async () => {
      const { archives } = await listBackups({ targets });
      const found = await openNewest(context, archives, targets, { identities: hostKeys(ours.vault) });
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
    // An older one would hide that: what nobody can read is said.
    await store(ours, 2 * HOUR);
    writeFileSync(join(folders[1]!, name), "damaged");
    await expect(newest()).rejects.toMatchObject({ code: "backup-damaged" });
  });

  test("is not one that another got the name of", async () => {
    const { ours, folders, store, newest } = await shelf();
    const [old, recent] = [await store(ours, 9 * HOUR), await store(ours, HOUR)];
    const { archives } = await listBackups({ targets: [openTarget(folders[0]!, targetOptions())] });
    expect(archives.map(({ name }) => name)).toEqual([old, recent]);
    const bytes = await packed(ours, { clock: { ...systemClock, nowMs: () => Date.now() - 9 * HOUR } });
    for (const folder of folders) writeFileSync(join(folder, recent), bytes);
    await expect(newest()).rejects.toMatchObject({ code: "backup-damaged" });
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
});
