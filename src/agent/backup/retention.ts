import { AntsError } from "../../../keys/errors.js";
import { isAhead } from "./archive-name.js";
import type { KeepPolicy } from "./config.js";

/** An archive, as far as retention looks at it. */
export interface Keepable {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Known not to open: it stands for no hour, day, week or month. */
  readonly isDamaged?: boolean;
}

export type KeepReason = "ahead" | "within" | "hourly" | "daily" | "weekly" | "monthly";

export interface Retention {
  /** By name, with every rule that keeps it. */
  readonly keep: ReadonlyMap<string, readonly KeepReason[]>;
  /** Names, oldest first. */
  readonly drop: readonly string[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The hour, day, week or month of a moment, in UTC, as a number. */
const PERIODS: readonly (readonly [
  rule: Exclude<KeepReason, "ahead" | "within">,
  period: (timeMs: number) => number,
])[] = [
  ["hourly", (timeMs) => Math.floor(timeMs / HOUR_MS)],
  ["daily", (timeMs) => Math.floor(timeMs / DAY_MS)],
  // 1970 began on a Thursday, weeks begin on Mondays.
  ["weekly", (timeMs) => Math.floor((Math.floor(timeMs / DAY_MS) + 3) / 7)],
  [
    "monthly",
    (timeMs) => {
      const date = new Date(timeMs);
      return date.getUTCFullYear() * 12 + date.getUTCMonth();
    },
  ],
];

/**
 * Which archives of one tier at one target stay: those younger than `within`, and the newest one of each of the last
 * `hourly` hours, `daily` days, `weekly` weeks and `monthly` months that have any. What no rule keeps is dropped. One
 * from a time that has not come stands for none of these, and stays: which clock is wrong, nobody here knows.
 *
 * Throws AntsError "backup-keeps-nothing" where there are archives and the rules would keep none.
 */
export function keep(archives: readonly Keepable[], policy: KeepPolicy, nowMs: number): Retention {
  return keepSeries([archives], policy, nowMs);
}

/**
 * {@link keep} for each of several series by itself: an archive of one stands for no hour, day, week or month of
 * another one's. Throws "backup-keeps-nothing" where nothing sound of the first one that has any archive would stay.
 */
export function keepSeries(series: readonly (readonly Keepable[])[], policy: KeepPolicy, nowMs: number): Retention {
  const kept = series.map((archives) => keepOne(archives, policy, nowMs));
  const counting = kept.find(({ past }) => past > 0);
  if (counting?.sound === 0) {
    const text = Object.entries(policy).map(([rule, value]) => `${rule} ${value}`);
    throw new AntsError(
      "backup-keeps-nothing",
      `refused: by these rules (${text.join(", ") || "none"}) not one of ${counting.all} archives would stay`,
      { hint: "keep at least the newest: --keep-daily 1", details: { archives: counting.all } },
    );
  }
  return { keep: new Map(kept.flatMap((one) => [...one.keep])), drop: kept.flatMap(({ drop }) => drop) };
}

/** Of one series: `past`, how many are not from a time that has not come; `sound`, how many of these stay and open. */
interface KeptSeries extends Retention {
  readonly all: number;
  readonly past: number;
  readonly sound: number;
}

function keepOne(archives: readonly Keepable[], policy: KeepPolicy, nowMs: number): KeptSeries {
  const newestFirst = [...archives].sort((a, b) => b.timeMs - a.timeMs || (a.name < b.name ? 1 : -1));
  const reasons = new Map<string, KeepReason[]>();
  const keeps = ({ name }: Keepable, reason: KeepReason) => reasons.set(name, [...(reasons.get(name) ?? []), reason]);
  const ahead = newestFirst.filter((archive) => isAhead(archive, nowMs));
  for (const archive of ahead) keeps(archive, "ahead");
  const { within } = policy;
  const past = newestFirst.slice(ahead.length);
  if (within !== undefined) for (const archive of past) if (nowMs - archive.timeMs < within) keeps(archive, "within");
  const sound = past.filter(({ isDamaged }) => isDamaged !== true);
  for (const [rule, periodOf] of PERIODS) {
    const seen = new Set<number>();
    for (const archive of sound) {
      if (seen.size >= (policy[rule] ?? 0)) break;
      const period = periodOf(archive.timeMs);
      if (!seen.has(period)) keeps(archive, rule);
      seen.add(period);
    }
  }
  const drop = newestFirst.filter(({ name }) => !reasons.has(name)).map(({ name }) => name);
  return {
    keep: reasons,
    drop: drop.reverse(),
    all: archives.length,
    past: past.length,
    sound: sound.filter(({ name }) => reasons.has(name)).length,
  };
}
