import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { nodeDisk } from "../../keys/node/disk.js";
import { systemClock, systemRandom } from "../../keys/ports.js";
import { taggedName, tagKeys } from "../../src/agent/backup/archive-tag.js";
import { Catalogue } from "../../src/agent/backup/catalogue.js";
import { listBackups } from "../../src/agent/backup/list-backups.js";
import { openTarget } from "../../src/agent/backup/target.js";
import { verifyBackup } from "../../src/agent/backup/verify-backup.js";
import { targetOptions } from "../contracts/backup-target.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { type BackupHome, backupHome, packed } from "../support/backup-home.js";

/** kill -9 instead of every single change of the disk that making an archive, and pruning, takes. */
const program = (name: string) => fileURLToPath(new URL(`../crash/programs/${name}`, import.meta.url));

interface Place extends BackupHome {
  readonly store: string;
}

function run(mode: "create" | "prune" | "rewrap", { path, store, vault }: Place, kill: number) {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  const { did, signSeed, stateKey, backup } = vault;
  const input = JSON.stringify({ did, signSeed: base64(signSeed), stateKey: base64(stateKey), backup });
  const { signal, status, stderr } = spawnSync(
    process.execPath,
    [`--import=${program("kill-at.mjs")}`, program("backup.mjs"), mode, path, store],
    { input, env: { ...process.env, ANTS_TEST_KILL: `disk:${kill}` } },
  );
  if (kill === 0) expect(status, String(stderr)).toBe(0);
  else expect(signal, `step ${kill}: ${stderr}`).toBe("SIGKILL");
  return Number(String(stderr).trim().split("\n").at(-1));
}

/** A home with three archives of earlier hours at its target. */
async function place(): Promise<Place> {
  const home = await backupHome();
  const store = join(temporaryFolder(), "store");
  mkdirSync(store);
  for (const hour of ["08", "09", "10"]) {
    const timeMs = Date.parse(`2026-03-01T${hour}:00:00Z`);
    const name = taggedName("hot", timeMs, systemRandom, tagKeys(home.vault));
    writeFileSync(join(store, name), await packed(home, { clock: { ...systemClock, nowMs: () => timeMs } }));
  }
  return { ...home, store };
}

/** Every archive that is listed is whole; their names. */
async function requireWhole({ store, words, home }: Place): Promise<string[]> {
  const target = openTarget(store, targetOptions());
  const catalogue = new Catalogue(nodeDisk, home.layout.state);
  const { archives } = await listBackups({ targets: [target], catalogue });
  for (const { name } of archives) {
    const options = { target, name, identities: [words], catalogue, identity: home.identity, clock: systemClock };
    expect((await verifyBackup(options)).level).toBe("whole");
  }
  return archives.map(({ name }) => name);
}

describe.each(["create", "prune"] as const)("kill -9 in the middle of %s", { timeout: 600_000 }, (mode) => {
  test("leaves every earlier archive as it was, and none that is half there; the next run works", async () => {
    const fresh = await place();
    const copy = (n: number): Place => {
      const root = join(fresh.path, "..", `copy-${n}`);
      cpSync(fresh.path, join(root, "home"), { recursive: true });
      cpSync(fresh.store, join(root, "store"), { recursive: true });
      return { ...fresh, path: join(root, "home"), store: join(root, "store") };
    };
    const before = await requireWhole(fresh);
    const steps = run(mode, copy(0), 0);
    expect(steps).toBeGreaterThanOrEqual(mode === "create" ? 10 : 5);
    for (let step = 1; step <= steps; step++) {
      const one = copy(step);
      run(mode, one, step);
      const there = await requireWhole(one);
      const earlier = before.filter((name) => there.includes(name));
      // Pruning takes away what it was to take away, the oldest first, and nothing else.
      expect(earlier, `step ${step}`).toEqual(
        mode === "create" ? before : before.slice(before.length - earlier.length),
      );
      expect(earlier.at(-1), `step ${step}`).toBe(before.at(-1));
      for (const name of earlier)
        expect(readFileSync(join(one.store, name)).equals(readFileSync(join(fresh.store, name)))).toBe(true);
      if (step % 4 === 0) {
        run(mode, one, 0);
        expect(await requireWhole(one)).toHaveLength(mode === "create" ? there.length + 1 : 1);
      }
      rmSync(join(one.path, ".."), { recursive: true });
    }
  });
});

describe("kill -9 in the middle of rewrap", { timeout: 600_000 }, () => {
  test("leaves the archive or what takes its place, whole, and the next run finishes", async () => {
    const fresh = await place();
    const names = await requireWhole(fresh);
    for (const name of names.slice(1)) rmSync(join(fresh.store, name));
    const copy = (n: number): Place => {
      const root = join(fresh.path, "..", `copy-${n}`);
      cpSync(fresh.path, join(root, "home"), { recursive: true });
      cpSync(fresh.store, join(root, "store"), { recursive: true });
      return { ...fresh, path: join(root, "home"), store: join(root, "store") };
    };
    const steps = run("rewrap", copy(0), 0);
    expect(steps).toBeGreaterThanOrEqual(10);
    for (let step = 1; step <= steps; step++) {
      const one = copy(step);
      run("rewrap", one, step);
      const there = await requireWhole(one);
      expect([1, 2], `step ${step}`).toContain(there.length);
      expect(there.every((name) => name.startsWith(names[0]!.slice(0, -"0123456789abcdef.tar.age".length)))).toBe(true);
      if (step % 6 === 0) {
        run("rewrap", one, 0);
        expect(await requireWhole(one)).not.toContain(names[0]);
      }
    }
  });
});
