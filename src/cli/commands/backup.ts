import { AntsError } from "../../../keys/errors.js";
import { systemClock } from "../../../keys/ports.js";
import type { BackupTier } from "../../agent/backup/archive-name.js";
import type { BackupProgress } from "../../agent/backup/create-backup.js";
import { type BackupListing, type ListedArchive, listBackups } from "../../agent/backup/list-backups.js";
import { goneCopies } from "../../agent/backup/lost-copies.js";
import type { BackupTarget } from "../../agent/backup/target.js";
import { type CopyCheck, verifyCopy, verifyNewest } from "../../agent/backup/verify-newest.js";
import { EXIT } from "../../protocol/errors.js";
import { archiveKeys, BackupPlace, type BackupPlaceOptions, type OpensWith } from "../backup-place.js";
import { archiveLines, backupProgressText, reportLines, sizeText } from "../backup-text.js";
import type { CommandContext, CommandResult } from "../context.js";
import { makeBackup } from "../make-backup.js";
import type { PhraseSource } from "../phrase-input.js";

export interface BackupCreateOptions extends BackupPlaceOptions {
  readonly tier: BackupTier;
  /** Also where the agent went on in another instance. */
  readonly anyway?: true;
  /** Asks no relay whether it did. */
  readonly offline?: true;
}

/**
 * Makes an archive of the home and stores it at every target of its tier, unless the relays know that the agent went on
 * elsewhere.
 */
export async function backupCreate(context: CommandContext, options: BackupCreateOptions): Promise<CommandResult> {
  const { out } = context;
  await using place = await BackupPlace.open(context, options);
  await place.requireAtWork();
  const progress = out.progress("backup:");
  try {
    const onProgress = (done: BackupProgress) =>
      done.doing === "storing" ? progress.stage(backupProgressText(done)) : progress.at(backupProgressText(done));
    const displaced = options.offline === true ? "unasked" : options.anyway === true ? "make" : "refuse";
    const report = await makeBackup(context, place, { tier: options.tier, displaced, onProgress });
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
  requireAnswer(context, listing);
  const { archives, missing, failed } = listing;
  tellMissing(context, missing);
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
  requireAnswer(context, listing);
  const lost = options.names.length > 0 ? [] : await lostCopies(place, listing);
  tellMissing(context, lost);
  const opening: OpensWith | undefined =
    options.bytes === true ? undefined : await archiveKeys(context, options, () => place.vault());
  const progress = out.progress("bytes:");
  let results: readonly CopyCheck[];
  let passedOver = 0;
  try {
    const work = {
      identities: opening?.identities ?? [],
      catalogue,
      identity: home.identity,
      clock: systemClock,
      signal: context.signal,
      onProgress: (bytes: number) => progress.at(bytes),
    };
    const isChosen = options.all === true || options.names.length > 0;
    const checks = isChosen
      ? await verifyChosen(targets, choose(listing, options), work)
      : await verifyNewest({ ...work, targets, archives: listing.archives });
    // Of all that lies there, what nobody here opens or remembers may be another agent's.
    results = options.all === true ? checks.filter((check) => !isNobodys(check, listing)) : checks;
    passedOver = checks.length - results.length;
  } finally {
    progress.end();
    opening?.close();
  }
  if (results.length === 0) {
    throw new AntsError("backup-missing", "there is no archive at any target that could be read back", {
      hint: "ants backup list shows what there is; ants backup create makes one",
    });
  }
  await out.result(
    {
      verified: results.map((check) => {
        if (!("error" in check)) return check;
        const { error, ...copy } = check;
        return { ...copy, code: error.code, message: error.message };
      }),
    },
    results.map(checkText),
  );
  if (results.some((check) => "level" in check && check.level === "bytes"))
    out.note(
      `"bytes": not opened, and byte for byte what was stored; a cold one opens with the recovery words only (--phrase-file)`,
    );
  if (passedOver > 0)
    out.note(`${passedOver} passed over: no key here opens them, and this home does not remember them (--phrase-file)`);
  const bad = results.flatMap((check) => ("error" in check && !isUnchecked(check) ? [check.error] : []))[0];
  if (bad !== undefined) throw bad;
  const unchecked = results.filter(isUnchecked);
  const isAll = listing.failed.length === 0 && passedOver === 0 && unchecked.length === 0 && lost.length === 0;
  return isAll ? undefined : EXIT.partlyDone;
}

/** What this home stored, the plan's rules would keep, and a target does not list: an older one there says nothing of it. */
async function lostCopies(
  { catalogue, config }: BackupPlace,
  { archives, listed, missing }: BackupListing,
): Promise<BackupListing["missing"]> {
  const known = await catalogue.archives();
  const nowMs = systemClock.nowMs();
  const lost = listed.flatMap((url) => {
    const here = archives.filter((one) => one.known !== undefined && one.copies.some((copy) => copy.url === url));
    return goneCopies(known, url, here, config.keep, nowMs).lost.map((name) => ({ name, url }));
  });
  return missing.filter(({ name, url }) => lost.some((one) => one.name === name && one.url === url));
}

function tellMissing({ out }: CommandContext, missing: BackupListing["missing"]): void {
  for (const { name, url } of missing)
    out.warn(`${name} was stored at ${url} and is not in its list: somebody removed it, or the list is late`);
}

function checkText(check: CopyCheck): string {
  const where = `${check.name} at ${check.url}`;
  if (isUnchecked(check))
    return `not checked: ${where}: no key that was given opens it, and this home does not remember its bytes`;
  return "error" in check
    ? `BAD    ${where}: ${check.error.message}`
    : `${check.level.padEnd(6)} ${where}, ${sizeText(check.size)}`;
}

/** Nothing is wrong with it as far as anybody knows: there is nothing to read it with, and nothing to compare it to. */
function isUnchecked(check: CopyCheck): boolean {
  return "error" in check && check.error.code === "backup-no-key";
}

function isNobodys(check: CopyCheck, { archives }: BackupListing): boolean {
  if (!("error" in check) || check.error.code !== "backup-no-key") return false;
  return archives.find(({ name }) => name === check.name)?.known === undefined;
}

async function verifyChosen(
  targets: readonly BackupTarget[],
  chosen: readonly ListedArchive[],
  work: Parameters<typeof verifyCopy>[2],
): Promise<CopyCheck[]> {
  const checks: CopyCheck[] = [];
  for (const { name, copies } of chosen)
    for (const { url } of copies) checks.push(await verifyCopy(targets.find((one) => one.url === url)!, name, work));
  return checks;
}

function choose({ archives }: BackupListing, { names, all }: BackupVerifyOptions): readonly ListedArchive[] {
  if (all === true) return archives;
  return names.map((name) => {
    const found = archives.find((archive) => archive.name === name);
    if (found !== undefined) return found;
    throw new AntsError("backup-missing", `no target has ${name}`, { hint: "list what there is: ants backup list" });
  });
}

/** Tells of targets that could not be listed. Throws what was wrong where that is all of them. */
function requireAnswer({ out }: CommandContext, { failed, listed }: BackupListing): void {
  const told = listed.length === 0 ? failed.slice(0, -1) : failed;
  for (const { url, error } of told) out.warn(`${url} could not be listed: ${error.message}`);
  if (told.length < failed.length) throw failed.at(-1)!.error;
}
