import { AntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { systemClock } from "../../../keys/ports.js";
import { readHome } from "../../agent/backup/home-files.js";
import { ALLOW_LIST_PATH, fingerprintKey } from "../../agent/backup/scan/allow-list.js";
import { findingText, readAllowList, SecretLook } from "../../agent/backup/scan/secret-look.js";
import { EXIT } from "../../protocol/errors.js";
import { BackupPlace, type BackupPlaceOptions } from "../backup-place.js";
import { readText } from "../backup-text.js";
import type { CommandContext, CommandResult } from "../context.js";

export interface BackupScanOptions extends BackupPlaceOptions {
  /** PATH:LINE or PATH of findings that are no secrets. */
  readonly allow?: readonly string[];
}

/**
 * Looks for secrets in all that a backup would take. Asks for the vault only where a list of what is allowed has to be
 * read or written. Exit code 4 when something is left.
 */
export async function backupScan(context: CommandContext, options: BackupScanOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const { allow = [] } = options;
  await using place = await BackupPlace.open(context, options);
  const { home } = place;
  const list = await readAllowList(nodeDisk, home.path);
  const needsKey = allow.length > 0 || list.allowances.length > 0;
  const content = needsKey ? (await place.vault()).content : undefined;
  const eras = content === undefined ? [] : [content, ...content.earlier];
  const keys = eras.map(({ stateKey }) => fingerprintKey(stateKey));
  const secrets = new SecretLook(list, keys, new Set(), await place.passphraseFiles());
  const progress = out.progress("looked at");
  try {
    await readHome({
      home: home.path,
      exclude: await place.leftOut(),
      look: secrets.look,
      clock: systemClock,
      signal,
      onProgress: (read) => progress.at(readText(read)),
    });
  } finally {
    progress.end();
  }
  const found = secrets.take();
  const isNamed = (path: string, line: number) => allow.includes(path) || allow.includes(`${path}:${line}`);
  const named = found.filter(({ path, line }) => isNamed(path, line));
  for (const place of allow) requireOne(place, named);
  const left = found.filter((finding) => !named.includes(finding));
  if (named.length > 0) {
    const more = named.reduce((grown, finding) => grown.with(finding, keys[0]!), list);
    await nodeDisk.replace(`${home.path}/${ALLOW_LIST_PATH}`, new TextEncoder().encode(more.format()));
  }
  await out.result(
    { ok: left.length === 0, findings: left.map((finding) => ({ ...finding })), allowed: named.length },
    [
      ...named.map((finding) => `allowed  ${findingText(finding)}`),
      ...left.map((finding) => `secret?  ${findingText(finding)}`),
      ...(found.length === 0 ? ["nothing that looks like a secret"] : []),
    ],
  );
  if (left.length === 0) return undefined;
  out.note(
    "no backup is made while these are there: move them into the vault (ants secret set NAME); " +
      "of what is no secret, say so: ants backup scan --allow PATH:LINE",
  );
  return EXIT.refusedForSafety;
}

function requireOne(place: string, named: readonly { path: string; line: number }[]): void {
  if (named.some(({ path, line }) => place === path || place === `${path}:${line}`)) return;
  throw new AntsError("backup-allow-nothing", `nothing was found at ${place} that could be allowed`, {
    hint: "name it as ants backup scan prints it: PATH:LINE, or PATH for all of a file",
    details: { place },
  });
}
