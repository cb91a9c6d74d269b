import { AntsError, isAntsError } from "../../../keys/errors.js";
import { systemClock } from "../../../keys/ports.js";
import type { BackupTier } from "../../agent/backup/archive-name.js";
import type { BackupProgress } from "../../agent/backup/create-backup.js";
import { type BackupListing, type ListedArchive, listBackups } from "../../agent/backup/list-backups.js";
import { verifyBackup } from "../../agent/backup/verify-backup.js";
import { EXIT } from "../../protocol/errors.js";
import { archiveKeys, BackupPlace, type BackupPlaceOptions, type OpensWith } from "../backup-place.js";
import { archiveLines, reportLines, sizeText } from "../backup-text.js";
import type { CommandContext, CommandResult } from "../context.js";
import { makeBackup } from "../make-backup.js";
import type { PhraseSource } from "../phrase-input.js";

export interface BackupCreateOptions extends BackupPlaceOptions {
  readonly tier: BackupTier;
}

/** Makes an archive of the home and stores it at every target of its tier. */
export async function backupCreate(context: CommandContext, options: BackupCreateOptions): Promise<CommandResult> {
  const { out } = context;
  await using place = await BackupPlace.open(context, options);
  const progress = out.progress("bytes:");
  try {
    const onProgress = ({ bytes }: BackupProgress) => progress.at(bytes);
    const report = await makeBackup(context, place, { tier: options.tier, onProgress });
    progress.end();
    const failures = report.targets.flatMap((at) => (at.status === "failed" ? [at] : []));
    for (const { url, error } of failures) out.warn(`${url} did not take it: ${error.message}`);
    const at = report.targets.map((one) =>
      one.status === "stored" ? one : { ...one, error: { code: one.error.code, message: one.error.message } },
    );
    await out.result({ ...report, targets: at }, reportLines(report));
    return failures.length === 0 ? undefined : EXIT.partlyDone;
  } finally {
    progress.end();
  }
}

/** What there is at the targets, oldest first. */
export async function backupList(context: CommandContext, options: BackupPlaceOptions): Promise<CommandResult> {
  const { out } = context;
  await using place = await BackupPlace.open(context, options);
  const { catalogue } = place;
  const listing = await listBackups({ targets: place.targets(), catalogue });
  warnOfFailed(context, listing);
  const { archives, missing, failed } = listing;
  for (const { name, url } of missing)
    out.warn(`${name} was stored at ${url} and is not in its list: somebody removed it, or the list is late`);
  await out.result(
    {
      archives: archives.map(({ name, tier, timeMs, copies, known }) => ({
        name,
        tier,
        timeMs,
        ...(known?.head === undefined ? {} : { head: known.head }),
        copies: copies.map(({ url, size, known: copy }) => ({ url, size, ...copy })),
      })),
      missing,
      failed: failed.map(({ url, error }) => ({ url, code: error.code, message: error.message })),
    },
    archives.length === 0 ? ["no archives"] : archives.flatMap(archiveLines),
  );
  return failed.length === 0 ? undefined : EXIT.partlyDone;
}

export interface BackupVerifyOptions extends BackupPlaceOptions, PhraseSource {
  /** Names; the newest of each tier unless given. */
  readonly names: readonly string[];
  readonly all?: true;
  /** Compare bytes only, without any key. */
  readonly bytes?: true;
}

/** Reads archives back, every copy of them, and opens those that can be opened. */
export async function backupVerify(context: CommandContext, options: BackupVerifyOptions): Promise<CommandResult> {
  const { out } = context;
  await using place = await BackupPlace.open(context, options);
  const { catalogue, home } = place;
  const targets = place.targets();
  const listing = await listBackups({ targets, catalogue });
  warnOfFailed(context, listing);
  const chosen = choose(listing, options);
  const keys: OpensWith | undefined =
    options.bytes === true ? undefined : await archiveKeys(context, options, () => place.vault());
  const progress = out.progress("bytes:");
  const results: { name: string; url: string; level?: "bytes" | "whole"; size?: number; error?: AntsError }[] = [];
  try {
    for (const { name, copies } of chosen) {
      for (const { url } of copies) {
        const target = targets.find((one) => one.url === url)!;
        try {
          const { level, size } = await verifyBackup({
            target,
            name,
            identities: keys?.identities ?? [],
            catalogue,
            did: home.config.did,
            clock: systemClock,
            onProgress: (bytes) => progress.at(bytes),
          });
          results.push({ name, url, level, size });
        } catch (error) {
          context.signal.throwIfAborted();
          if (!isAntsError(error)) throw error;
          results.push({ name, url, error });
        }
      }
    }
  } finally {
    progress.end();
    keys?.close();
  }
  await out.result(
    {
      verified: results.map(({ error, ...rest }) =>
        error === undefined ? rest : { ...rest, code: error.code, message: error.message },
      ),
    },
    results.map(({ name, url, level, size, error }) =>
      level === undefined
        ? `BAD    ${name} at ${url}: ${error?.message}`
        : `${level === "whole" ? "whole " : "bytes "} ${name} at ${url}, ${sizeText(size ?? 0)}`,
    ),
  );
  if (results.some(({ level }) => level === "bytes"))
    out.note(
      `"bytes": not opened, and byte for byte what was stored; a cold one opens with the recovery words only (--phrase-file)`,
    );
  const bad = results.find(({ error }) => error !== undefined)?.error;
  if (bad !== undefined) throw bad;
  return listing.failed.length === 0 ? undefined : EXIT.partlyDone;
}

function choose({ archives }: BackupListing, { names, all }: BackupVerifyOptions): readonly ListedArchive[] {
  if (all === true) return archives;
  if (names.length === 0) {
    const newest = (["hot", "cold"] as const).map((tier) => archives.findLast((archive) => archive.tier === tier));
    const found = newest.filter((archive) => archive !== undefined);
    if (found.length > 0) return found;
    throw new AntsError("backup-missing", "there is no archive at any target", { hint: "ants backup create" });
  }
  return names.map((name) => {
    const found = archives.find((archive) => archive.name === name);
    if (found !== undefined) return found;
    throw new AntsError("backup-missing", `no target has ${name}`, { hint: "list what there is: ants backup list" });
  });
}

function warnOfFailed({ out }: CommandContext, { failed }: BackupListing): void {
  for (const { url, error } of failed) out.warn(`${url} could not be listed: ${error.message}`);
}
