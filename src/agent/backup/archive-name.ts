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

/** ants-<tier>-<YYYYMMDD>T<HHMMSS>Z-<8 hex>.tar.age, in UTC: names sort by time within a tier. */
const NAME = /^ants-(hot|cold)-(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z-[0-9a-f]{8}\.tar\.age$/;

/** The name of a new archive. `random`: 8 hexadecimal digits, so that two of one second don't meet. */
export function archiveName(tier: BackupTier, timeMs: number, random: string): string {
  const stamp = new Date(timeMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  return `ants-${tier}-${stamp}Z-${random}.tar.age`;
}

/** Undefined for whatever else lies at a target. */
export function parseArchiveName(name: string): ArchiveName | undefined {
  const [, tier, year, month, day, hour, minute, second] = NAME.exec(name) ?? [];
  if (tier === undefined) return undefined;
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(timeMs) ? undefined : { name, tier: tier as BackupTier, timeMs };
}

/** Oldest first; of one second, by name. */
export function byTime(a: ArchiveName, b: ArchiveName): number {
  return a.timeMs - b.timeMs || (a.name < b.name ? -1 : 1);
}
