const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A date, or a date and a time with its zone: what a Date reads in other forms depends on the host. */
const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** "90d", "12h", "30m", "45s" as milliseconds; undefined for anything else. */
export function spanOf(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * UNITS_MS[unit!]!;
}

/** A span from now on, or an ISO 8601 date (UTC) or moment, as milliseconds since 1970; undefined for anything else. */
export function momentOf(text: string, nowMs: number): number | undefined {
  const span = spanOf(text);
  if (span !== undefined) return nowMs + span;
  const ms = DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** "3 days", "5 hours", "2 minutes": how long something is, for people. */
export function lengthText(ms: number): string {
  const size = Math.abs(ms);
  const [unit, name] =
    size >= 2 * UNITS_MS.d!
      ? [UNITS_MS.d!, "days"]
      : size >= 2 * UNITS_MS.h!
        ? [UNITS_MS.h!, "hours"]
        : [UNITS_MS.m!, "minutes"];
  const count = Math.round(size / unit);
  return count === 1 ? `1 ${name.slice(0, -1)}` : `${count} ${name}`;
}
