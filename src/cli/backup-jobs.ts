import { AntsError, isAntsError } from "../../keys/errors.js";
import { systemClock } from "../../keys/ports.js";
import type { BackupTier } from "../agent/backup/archive-name.js";
import { ownerOf, tagKeys } from "../agent/backup/archive-tag.js";
import { type BackupListing, listBackups } from "../agent/backup/list-backups.js";
import { goneCopies } from "../agent/backup/lost-copies.js";
import { pruneBackups } from "../agent/backup/prune-backups.js";
import type { JobResult } from "../agent/backup/run-schedule.js";
import type { JobState } from "../agent/backup/schedule.js";
import type { BackupTarget } from "../agent/backup/target.js";
import { type CopyCheck, verifyNewest } from "../agent/backup/verify-newest.js";
import { archiveKeys, BackupPlace, type BackupPlaceOptions } from "./backup-place.js";
import type { CommandContext } from "./context.js";
import { makeBackup } from "./make-backup.js";
import { rehearseRestore } from "./rehearse-restore.js";

/**
 * Does a job of the plan, with home, plan and vault as they are now: a rotation or an edited plan counts from the next
 * run on. Throws where nothing of it was done.
 *
 * @param clean what earlier runs of this process found clean of secrets
 */
export async function runBackupJob(
  context: CommandContext,
  options: BackupPlaceOptions,
  { job, took }: Pick<JobState, "job" | "took">,
  clean: Set<string>,
): Promise<JobResult> {
  await using place = await BackupPlace.open(context, options);
  await place.requireAtWork();
  // Awaited here: the place's vault is closed when this function ends.
  if (job === "verify") return await verify(context, place);
  if (job === "rehearse") return await rehearseRestore(context, place);
  return await create(context, place, job, took, clean);
}

/** For the targets that did not take one in this turn. */
async function create(
  context: CommandContext,
  place: BackupPlace,
  tier: BackupTier,
  took: readonly string[],
  clean: Set<string>,
): Promise<JobResult> {
  const planned = place.targets(tier);
  const targets = planned.filter(({ url }) => !took.includes(url));
  if (targets.length === 0) return { archives: [] };
  const report = await makeBackup(context, place, { tier, targets, clean, displaced: place.config.schedule.displaced });
  await prune(context, place, planned, tier);
  const archives = [report.name];
  const failures = report.targets.flatMap((at) => (at.status === "failed" ? [at] : []));
  const stored = report.targets.flatMap(({ status, url }) => (status === "stored" ? [url] : []));
  const failed = failures[0]?.error;
  return failed === undefined ? { archives } : { archives, failed, took: stored };
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
async function verify(context: CommandContext, place: BackupPlace): Promise<JobResult> {
  const { signal } = context;
  const { catalogue, home } = place;
  const targets = place.targets();
  const listing = await listBackups({ targets, catalogue });
  const { archives, failed } = listing;
  const keys = tagKeys((await place.vault()).content);
  const lost = await noteLost(place, listing, keys);
  const opening = await archiveKeys(context, {}, () => place.vault());
  let checks: readonly CopyCheck[];
  try {
    const { identities } = opening;
    const { identity } = home;
    const work = { targets, archives, identities, keys, catalogue, identity, clock: systemClock, signal };
    checks = await verifyNewest(work);
  } finally {
    opening.close();
  }
  const wrong = failed[0]?.error ?? checks.flatMap((check) => ("error" in check ? [check.error] : []))[0];
  if (wrong !== undefined) throw wrong;
  if (lost.length > 0) {
    const more = lost.length === 1 ? "" : `, and ${lost.length - 1} more`;
    throw new AntsError("backup-missing", `${lost.at(-1)} was stored, and is gone${more}`, {
      hint: "find out who removed it, and make another one; ants backup prune forgets what is gone",
    });
  }
  if (checks.length === 0) throw new AntsError("backup-missing", "there is no archive that could be read back");
  return { archives: [...new Set(checks.map(({ name }) => name))] };
}

/** What is gone from targets that could be listed, and should be there: "NAME at TARGET", noted for who asks later. */
async function noteLost(
  { catalogue, config }: BackupPlace,
  listing: BackupListing,
  keys: readonly Uint8Array[],
): Promise<string[]> {
  const nowMs = systemClock.nowMs();
  const known = await catalogue.archives();
  const remembered = new Set(known.map(({ name }) => name));
  const lost: string[] = [];
  for (const url of listing.listed) {
    const here = listing.archives.filter(
      ({ name, copies }) =>
        copies.some((copy) => copy.url === url) && ["home", "agent"].includes(ownerOf(name, remembered, keys)),
    );
    const listed = new Set(here.map(({ name }) => name));
    const names = new Set(goneCopies(known, url, here, config.keep, nowMs).lost);
    for (const { name, copies } of known) {
      const isNoted = copies.get(url)?.missingMs !== undefined;
      if (names.has(name)) lost.push(`${name} at ${url}`);
      if (names.has(name) && !isNoted) await catalogue.note({ note: "missing", name, target: url, time: nowMs });
      if (listed.has(name) && isNoted) await catalogue.note({ note: "listed", name, target: url, time: nowMs });
    }
  }
  return lost;
}
