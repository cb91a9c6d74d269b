import { type AntsError, isAntsError } from "../../../keys/errors.js";
import type { Clock } from "../../../keys/ports.js";
import { BACKUP_TIERS, type BackupTier } from "./archive-name.js";
import type { Catalogue } from "./catalogue.js";
import type { KeepPolicy } from "./config.js";
import { type KeepReason, keep } from "./retention.js";
import type { BackupTarget } from "./target.js";

export interface PruneOptions {
  readonly targets: readonly BackupTarget[];
  readonly policy: Readonly<Record<BackupTier, KeepPolicy>>;
  /** Both unless given. */
  readonly tiers?: readonly BackupTier[];
  /** Removes nothing. */
  readonly dryRun: boolean;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface PrunedAt {
  readonly url: string;
  readonly kept: readonly { readonly name: string; readonly why: readonly KeepReason[] }[];
  /** With a dry run: what would be removed. */
  readonly removed: readonly string[];
  /** Why not everything was removed that was to be, or the target could not be listed. */
  readonly error?: AntsError;
}

/**
 * Removes the archives that no rule keeps, target by target. All of it is decided before anything is removed: throws
 * "backup-keeps-nothing" where the rules would leave a tier of a target with nothing, and then nothing is removed
 * anywhere.
 */
export async function pruneBackups(options: PruneOptions): Promise<PrunedAt[]> {
  const { targets, dryRun, catalogue, signal } = options;
  const plans: { target: BackupTarget; plan: PrunedAt }[] = [];
  for (const target of targets) plans.push({ target, plan: await plan(target, options) });
  if (dryRun) return plans.map((one) => one.plan);
  const results: PrunedAt[] = [];
  for (const { target, plan } of plans) {
    const removed: string[] = [];
    let error = plan.error;
    try {
      for (const name of plan.removed) {
        signal.throwIfAborted();
        await target.remove(name);
        await catalogue.note({ note: "removed", name, target: target.url });
        removed.push(name);
      }
      if (error === undefined) await target.sweep();
    } catch (cause) {
      signal.throwIfAborted();
      if (!isAntsError(cause)) throw cause;
      error = cause;
    }
    results.push({ url: target.url, kept: plan.kept, removed, ...(error === undefined ? {} : { error }) });
  }
  return results;
}

async function plan(target: BackupTarget, options: PruneOptions): Promise<PrunedAt> {
  const { policy, tiers = BACKUP_TIERS, catalogue, clock } = options;
  const { url } = target;
  const known = new Map((await catalogue.archives()).map((archive) => [archive.name, archive.copies.get(url)]));
  let stored: Awaited<ReturnType<BackupTarget["list"]>>;
  try {
    stored = await target.list();
  } catch (error) {
    if (!isAntsError(error)) throw error;
    return { url, kept: [], removed: [], error };
  }
  const kept: { name: string; why: readonly KeepReason[] }[] = [];
  const removed: string[] = [];
  for (const tier of tiers) {
    const archives = stored
      .filter((archive) => archive.tier === tier)
      .map(({ name, timeMs }) => ({ name, timeMs, isDamaged: known.get(name)?.failedMs !== undefined }));
    const retention = keep(archives, policy[tier], clock.nowMs());
    for (const { name } of archives) {
      const why = retention.keep.get(name);
      if (why !== undefined) kept.push({ name, why });
    }
    removed.push(...retention.drop);
  }
  return { url, kept, removed };
}
