import { systemClock } from "../../../keys/ports.js";
import type { BackupTier } from "../../agent/backup/archive-name.js";
import { tagKeys } from "../../agent/backup/archive-tag.js";
import type { KeepPolicy } from "../../agent/backup/config.js";
import { type PrunedAt, pruneBackups } from "../../agent/backup/prune-backups.js";
import { EXIT } from "../../protocol/errors.js";
import { BackupPlace, type BackupPlaceOptions } from "../backup-place.js";
import { confirm } from "../confirm.js";
import type { CommandContext, CommandResult } from "../context.js";
import { usageError } from "../usage.js";

export interface BackupPruneOptions extends BackupPlaceOptions {
  readonly tier?: BackupTier;
  readonly dryRun?: true;
  readonly yes?: true;
  /** Milliseconds. */
  readonly keepWithin?: number;
  readonly keepHourly?: number;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
}

/** Removes the archives that no rule keeps, after showing which: by the plan's rules, or by those that were given. */
export async function backupPrune(context: CommandContext, options: BackupPruneOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const { tier } = options;
  await using place = await BackupPlace.open(context, options);
  if (options.dryRun !== true) await place.requireAtWork();
  const named = policyOf(options);
  // What is meant for hourly archives leaves nothing of weekly ones.
  if (named !== undefined && tier === undefined)
    throw usageError("--keep-… is of one tier: name it with --tier hot or --tier cold", "backup prune");
  const { hot, cold } = place.config.keep;
  const targets = place.targets(tier);
  const { catalogue } = place;
  const work = {
    targets,
    policy: { hot: named ?? hot, cold: named ?? cold },
    ...(tier === undefined ? {} : { tiers: [tier] }),
    catalogue,
    keys: async () => tagKeys((await place.vault()).content),
    forgetsLost: true,
    clock: systemClock,
    signal,
  };
  const planned = await pruneBackups({ ...work, dryRun: true });
  const reasons = planned.flatMap(({ error }) => error ?? []);
  if (reasons.length === planned.length) throw reasons[0]!;
  const count = planned.reduce((sum, { removed, forgotten }) => sum + removed.length + forgotten.length, 0);
  if (options.dryRun === true || count === 0) return tell(context, planned, true);
  for (const line of planned.flatMap(({ url, removed }) => removed.map((name) => `  ${name} at ${url}`)))
    if (options.yes === true) out.note(`removing${line}`);
  await confirm({
    about: [
      "",
      "Removing for good:",
      ...planned.flatMap(({ url, removed, forgotten }) => [
        ...removed.map((name) => `  ${name} at ${url}`),
        ...forgotten.map((name) => `  ${name} at ${url}, from memory: it is not there any more`),
      ]),
    ],
    word: "prune",
    yes: options.yes === true,
    signal,
  });
  return tell(context, await pruneBackups({ ...work, dryRun: false }), false);
}

async function tell({ out }: CommandContext, results: readonly PrunedAt[], dryRun: boolean): Promise<CommandResult> {
  const failed = results.filter(({ error }) => error !== undefined);
  for (const { url, error } of failed) out.warn(`${url}: ${error!.message}`);
  await out.result(
    {
      dryRun,
      targets: results.map(({ error, ...rest }) =>
        error === undefined ? rest : { ...rest, code: error.code, message: error.message },
      ),
    },
    results.flatMap(({ url, kept, removed, forgotten, notOurs }) => [
      `${url}: ${kept.length} stay, ${removed.length} ${dryRun ? "would go" : "are gone"}`,
      ...(notOurs === 0 ? [] : [`  stays  ${notOurs} not of this agent, as far as their names say`]),
      ...kept.map(({ name, why }) => `  stays  ${name} (${why.join(", ")})`),
      ...removed.map((name) => `  ${dryRun ? "would go" : "gone"}   ${name}`),
      ...forgotten.map((name) => `  was gone already  ${name}`),
    ]),
  );
  return failed.length === 0 ? undefined : EXIT.partlyDone;
}

function policyOf(options: BackupPruneOptions): KeepPolicy | undefined {
  const { keepWithin, keepHourly, keepDaily, keepWeekly, keepMonthly } = options;
  const policy: KeepPolicy = {
    ...(keepWithin === undefined ? {} : { within: keepWithin }),
    ...(keepHourly === undefined ? {} : { hourly: keepHourly }),
    ...(keepDaily === undefined ? {} : { daily: keepDaily }),
    ...(keepWeekly === undefined ? {} : { weekly: keepWeekly }),
    ...(keepMonthly === undefined ? {} : { monthly: keepMonthly }),
  };
  return Object.keys(policy).length === 0 ? undefined : policy;
}
