import { AntsError, isAntsError } from "../../keys/errors.js";
import { systemClock } from "../../keys/ports.js";
import { BACKUP_TIERS, type BackupTier } from "../agent/backup/archive-name.js";
import { listBackups } from "../agent/backup/list-backups.js";
import { pruneBackups } from "../agent/backup/prune-backups.js";
import type { BackupJob } from "../agent/backup/schedule.js";
import type { BackupTarget } from "../agent/backup/target.js";
import { verifyBackup } from "../agent/backup/verify-backup.js";
import { archiveKeys, BackupPlace, type BackupPlaceOptions } from "./backup-place.js";
import type { CommandContext } from "./context.js";
import { makeBackup } from "./make-backup.js";

/**
 * Does a job of the plan, with home, plan and vault as they are now: a rotation or an edited plan counts from the next
 * run on. Gives the names of the archives that it made or read. A target that fails where another one took the archive
 * is told; throws where none did, and what reading an archive back came to.
 *
 * @param clean what earlier runs of this process found clean of secrets
 */
export async function runBackupJob(
  context: CommandContext,
  options: BackupPlaceOptions,
  job: BackupJob,
  clean: Set<string>,
): Promise<readonly string[]> {
  await using place = await BackupPlace.open(context, options);
  return job === "verify" ? verifyNewest(context, place) : create(context, place, job, clean);
}

async function create(
  context: CommandContext,
  place: BackupPlace,
  tier: BackupTier,
  clean: Set<string>,
): Promise<readonly string[]> {
  const { out } = context;
  const report = await makeBackup(context, place, { tier, clean });
  for (const at of report.targets)
    if (at.status === "failed") out.warn(`${at.url} did not take ${report.name}: ${at.error.message}`);
  await prune(context, place, place.targets(tier), tier);
  return [report.name];
}

/** Makes room by the plan's rules. What stands in its way is told and is no reason to make another archive. */
async function prune(
  { out, signal }: CommandContext,
  { config, catalogue }: BackupPlace,
  targets: readonly BackupTarget[],
  tier: BackupTier,
): Promise<void> {
  try {
    const work = { targets, policy: config.keep, tiers: [tier], catalogue, clock: systemClock, signal };
    for (const { url, error } of await pruneBackups({ ...work, dryRun: false }))
      if (error !== undefined) out.warn(`${url} could not be pruned: ${error.message}`);
  } catch (error) {
    signal.throwIfAborted();
    if (!isAntsError(error)) throw error;
    out.warn(`nothing was pruned: ${error.message}`);
  }
}

/** Reads back the newest archive of each tier, every copy of it, and opens those that this host can open. */
async function verifyNewest(context: CommandContext, place: BackupPlace): Promise<readonly string[]> {
  const { catalogue, home } = place;
  const targets = place.targets();
  const { archives, failed } = await listBackups({ targets, catalogue });
  const keys = await archiveKeys(context, {}, () => place.vault());
  const read: string[] = [];
  let wrong: AntsError | undefined = failed[0]?.error;
  try {
    for (const target of targets) {
      const here = archives.filter(({ copies }) => copies.some(({ url }) => url === target.url));
      for (const tier of BACKUP_TIERS) {
        const newest = here.findLast((archive) => archive.tier === tier);
        if (newest === undefined) continue;
        const { name } = newest;
        try {
          const { identities } = keys;
          await verifyBackup({ target, name, identities, catalogue, did: home.config.did, clock: systemClock });
          read.push(name);
        } catch (error) {
          context.signal.throwIfAborted();
          if (!isAntsError(error)) throw error;
          wrong ??= error;
        }
      }
    }
  } finally {
    keys.close();
  }
  if (wrong !== undefined) throw wrong;
  if (read.length === 0) throw new AntsError("backup-missing", "there is no archive that could be read back");
  return [...new Set(read)];
}
