/** `hot`: hourly, and this host can open it. `cold`: weekly, and only the recovery phrase opens it. */
export type BackupTier = "hot" | "cold";

export const BACKUP_TIERS: readonly BackupTier[] = ["hot", "cold"];

/** What the name of an archive says. Nothing of the agent: the storage's owner learns when, and of which tier. */
export interface ArchiveName {
  readonly name: string;
  readonly tier: BackupTier;
  /** Milliseconds since 1970, in whole seconds. */
  readonly timeMs: number;
}

/**
 * ants-<tier>-<YYYYMMDD>T<HHMMSS>Z-<16 hex>.tar.age, in UTC: names sort by time within a tier. Of the digits, 8 are
 * drawn and 8 are the tag of archive-tag.ts; names from before there were tags have the first 8 only.
 */
const NAME = /^ants-(hot|cold)-(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z-[0-9a-f]{8}(?:[0-9a-f]{8})?\.tar\.age$/;
const EXTENSION = ".tar.age";

/** `digits`: 8 hexadecimal ones, so that two of one second don't meet, and the tag. */
export function archiveName(tier: BackupTier, timeMs: number, digits: string): string {
  const stamp = new Date(timeMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  return `ants-${tier}-${stamp}Z-${digits}${EXTENSION}`;
}

/** Undefined for whatever else lies at a target. */
export function parseArchiveName(name: string): ArchiveName | undefined {
  const [, tier, year, month, day, hour, minute, second] = NAME.exec(name) ?? [];
  if (tier === undefined) return undefined;
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(timeMs) ? undefined : { name, tier: tier as BackupTier, timeMs };
}

/** Clocks differ by so much; an archive of a later time than that was made while one was wrong. */
export const MAX_AHEAD_MS = 5 * 60_000;

/** Whether an archive is from a time that has not come: its own says nothing of how new it is. */
export function isAhead({ timeMs }: Pick<ArchiveName, "timeMs">, nowMs: number): boolean {
  return timeMs > nowMs + MAX_AHEAD_MS;
}

/** Newest first, and last those from a time that has not come: there may be nothing else, where this clock is wrong. */
export function newestFirst<T extends ArchiveName>(archives: readonly T[], nowMs: number): T[] {
  const newest = (ahead: boolean) =>
    archives.filter((one) => isAhead(one, nowMs) === ahead).sort((a, b) => byTime(b, a));
  return [...newest(false), ...newest(true)];
}

/** Oldest first; of one second, by name. */
export function byTime(a: ArchiveName, b: ArchiveName): number {
  return a.timeMs - b.timeMs || (a.name < b.name ? -1 : 1);
}
