import type { BackupProgress, BackupReport } from "../agent/backup/create-backup.js";
import type { ReadSoFar } from "../agent/backup/home-files.js";
import { hostOnly } from "../agent/backup/left-out.js";
import type { ListedArchive, ListedCopy } from "../agent/backup/list-backups.js";

/** "812 B", "4.2 KiB", "1.3 GiB". */
export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const size = bytes / 2 ** (10 * unit);
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

/** How much of a home was looked at. */
export function readText({ files, bytes }: ReadSoFar): string {
  return `${files} ${files === 1 ? "file" : "files"}, ${sizeText(bytes)}`;
}

/** How far a backup is. How large the home is shows when all of it was read. */
export function backupProgressText(progress: BackupProgress): string {
  switch (progress.doing) {
    case "reading":
      return `read ${readText(progress)}`;
    case "packing":
      return `packed ${sizeText(progress.bytes)} of ${readText({ ...progress, bytes: progress.totalBytes })}`;
    case "storing": {
      const { totalBytes, target, targets } = progress;
      return `storing ${sizeText(totalBytes)}${targets === 1 ? "" : ` at target ${target} of ${targets}`}`;
    }
  }
}

export function stamp(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** What was made, for people. */
export function reportLines(report: BackupReport): string[] {
  const { name, size, files, head, targets, excluded } = report;
  return [
    name,
    `  ${files} files, ${sizeText(size)}, chain ${head === undefined ? "empty" : `up to seq ${head.seq}`}`,
    ...targets.map((at) => `  ${at.status === "stored" ? "at    " : "not at"}  ${at.url}`),
    // What never belongs into an archive is no news.
    ...excluded.filter(({ path }) => hostOnly(path) === undefined).map(({ path, why }) => `  without  ${path}: ${why}`),
  ];
}

/** An archive in a list, for people: a line, and a line for each copy. */
export function archiveLines({ name, timeMs, copies }: ListedArchive): string[] {
  return [`${stamp(timeMs)}  ${name}`, ...copies.map((copy) => `  ${copyText(copy)}`)];
}

function copyText({ url, size, known }: ListedCopy): string {
  const verified =
    known === undefined
      ? "not known to this home"
      : known.failedMs !== undefined
        ? `DAMAGED, found ${stamp(known.failedMs)}`
        : known.verifiedMs === undefined
          ? "never verified"
          : `verified ${stamp(known.verifiedMs)} (${known.verified})`;
  return `${url}  ${sizeText(size)}  ${verified}`;
}
