import { type AntsError, isAntsError } from "../../../keys/errors.js";
import type { Clock } from "../../../keys/ports.js";
import { BACKUP_TIERS, type BackupTier } from "./archive-name.js";
import { eraOf, ownerOf } from "./archive-tag.js";
import type { Catalogue } from "./catalogue.js";
import type { KeepPolicy } from "./config.js";
import { goneCopies } from "./lost-copies.js";
import { type KeepReason, keepSeries } from "./retention.js";
import type { BackupTarget } from "./target.js";

export interface PruneOptions {
  readonly targets: readonly BackupTarget[];
  readonly policy: Readonly<Record<BackupTier, KeepPolicy>>;
  /** Both unless given. */
  readonly tiers?: readonly BackupTier[];
  /** Removes nothing. */
  readonly dryRun: boolean;
  readonly catalogue: Catalogue;
  /**
   * The keys of the agent's tags, asked for where a target has archives that this home does not remember: those of the
   * agent are pruned with the others. Without them, what this home stored is all that is looked at.
   */
  readonly keys?: () => Promise<readonly Uint8Array[]>;
  /**
   * Forget everything that this home stored and the target no longer lists: a person looked, and says that it is gone.
   * Otherwise only what nobody misses is forgotten.
   */
  readonly forgetsLost?: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface PrunedAt {
  readonly url: string;
  readonly kept: readonly { readonly name: string; readonly why: readonly KeepReason[] }[];
  /** With a dry run: what would be removed. */
  readonly removed: readonly string[];
  /** Stored there once and gone already: they are remembered no more. */
  readonly forgotten: readonly string[];
  /** Archives that are another agent's, or nobody knows whose: no rule is of them, and they stay. */
  readonly notOurs: number;
  /** Why not everything was removed that was to be, or the target could not be listed. */
  readonly error?: AntsError;
}

/**
 * Removes the archives of this agent that no rule keeps, target by target: another one may keep its own there. All of it is decided before anything is removed: throws
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
    for (const name of plan.forgotten) await catalogue.note({ note: "removed", name, target: target.url });
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
    results.push({ ...plan, removed, ...(error === undefined ? {} : { error }) });
  }
  return results;
}

async function plan(target: BackupTarget, options: PruneOptions): Promise<PrunedAt> {
  const { policy, tiers = BACKUP_TIERS, catalogue, clock } = options;
  const { url } = target;
  const archives = await catalogue.archives();
  const known = new Map(archives.map((archive) => [archive.name, archive.copies.get(url)]));
  let found: Awaited<ReturnType<BackupTarget["list"]>>;
  try {
    found = await target.list();
  } catch (error) {
    if (!isAntsError(error)) throw error;
    return { url, kept: [], removed: [], forgotten: [], notOurs: 0, error };
  }
  const keys = found.every(({ name }) => known.has(name)) ? undefined : await options.keys?.();
  const damaged = await catalogue.damagedAt(url);
  const stored = found.flatMap((archive) => {
    const owner = ownerOf(archive.name, known, keys);
    if (owner !== "home" && owner !== "agent") return [];
    const era = owner === "home" ? -1 : (eraOf(archive.name, keys ?? []) ?? 0);
    return [{ ...archive, era, isDamaged: damaged.has(archive.name) }];
  });
  const gone = goneCopies(archives, url, stored, policy, clock.nowMs());
  const forgotten = [...gone.expired, ...(options.forgetsLost === true ? gone.lost : [])];
  const kept: { name: string; why: readonly KeepReason[] }[] = [];
  const removed: string[] = [];
  for (const tier of tiers) {
    const ofTier = stored.filter((archive) => archive.tier === tier);
    // Whoever has the agent's key, or had it, can make any number of archives with its tag, of any date: those of an
    // era push none of a later one's out, and none of this home's own (-1).
    const eras = [...new Set(ofTier.map(({ era }) => era))].sort((a, b) => a - b);
    const series = eras.map((one) => ofTier.filter(({ era }) => era === one));
    const retention = keepSeries(series, policy[tier], clock.nowMs());
    for (const { name } of ofTier) {
      const why = retention.keep.get(name);
      if (why !== undefined) kept.push({ name, why });
    }
    removed.push(...retention.drop);
  }
  return { url, kept, removed, forgotten, notOurs: found.length - stored.length };
}
