import { type AntsError, isAntsError } from "../../../keys/errors.js";
import type { Clock } from "../../../keys/ports.js";
import { BACKUP_TIERS, newestFirst } from "./archive-name.js";
import { ownerOf } from "./archive-tag.js";
import type { Catalogue } from "./catalogue.js";
import type { ListedArchive } from "./list-backups.js";
import type { AgeIdentity } from "./read-archive.js";
import type { BackupTarget } from "./target.js";
import { type VerifyBackupOptions, verifyBackup } from "./verify-backup.js";

export interface VerifyNewestOptions extends Pick<VerifyBackupOptions, "identity" | "onProgress"> {
  readonly targets: readonly BackupTarget[];
  /** Those of the targets. */
  readonly archives: readonly ListedArchive[];
  readonly identities: readonly AgeIdentity[];
  /** The keys of the agent's tags; without them, what has no key that opens it is passed over. */
  readonly keys?: readonly Uint8Array[];
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What reading one copy of an archive back came to. */
export type CopyCheck =
  | { readonly name: string; readonly url: string; readonly level: "bytes" | "whole"; readonly size: number }
  | { readonly name: string; readonly url: string; readonly error: AntsError };

/**
 * Reads the newest archive of each tier back from every target. One that nothing here opens and this home does not
 * remember says nothing of whether it is whole (another agent's, or made on another host): the one before it is read
 * instead. Throws the signal's reason, and errors that are none of a target or an archive.
 */
export async function verifyNewest(options: VerifyNewestOptions): Promise<CopyCheck[]> {
  const { targets, archives, keys, clock } = options;
  const remembered = new Set(archives.flatMap(({ name, known }) => (known === undefined ? [] : [name])));
  const checks: CopyCheck[] = [];
  for (const target of targets) {
    const here = archives.filter(
      ({ name, copies }) => copies.some(({ url }) => url === target.url) && ownerOf(name, remembered, keys) !== "other",
    );
    for (const tier of BACKUP_TIERS) {
      const ofTier = here.filter((archive) => archive.tier === tier);
      for (const { name } of newestFirst(ofTier, clock.nowMs())) {
        const check = await verifyCopy(target, name, options);
        if ("error" in check && check.error.code === "backup-no-key") continue;
        checks.push(check);
        break;
      }
    }
  }
  return checks;
}

/** Reads one copy back. Throws the signal's reason, and errors that are none of a target or an archive. */
export async function verifyCopy(
  target: BackupTarget,
  name: string,
  options: Omit<VerifyBackupOptions, "target" | "name"> & { readonly signal: AbortSignal },
): Promise<CopyCheck> {
  const { url } = target;
  try {
    const { level, size } = await verifyBackup({ ...options, target, name });
    return { name, url, level, size };
  } catch (error) {
    options.signal.throwIfAborted();
    if (!isAntsError(error)) throw error;
    return { name, url, error };
  }
}
