import { isAntsError } from "../../../keys/errors.js";
import { type ArchiveName, BACKUP_TIERS, type BackupTier } from "./archive-name.js";
import type { KnownArchive } from "./catalogue.js";
import type { KeepPolicy } from "./config.js";
import { keep } from "./retention.js";

/** What this home stored at a target and the target no longer lists. Names, oldest first. */
export interface GoneCopies {
  /** The rules would keep it, and it was good when it was seen last: somebody took it away, or the storage lost it. */
  readonly lost: readonly string[];
  /** Nobody misses it: no rule keeps it, or it was damaged. */
  readonly expired: readonly string[];
}

/**
 * `known`: the catalogue. `listed`: the agent's archives at the target of this address, those too that this home does
 * not remember: in a home that was restored they say why older ones are gone. Pure.
 */
export function goneCopies(
  known: readonly KnownArchive[],
  url: string,
  listed: readonly (ArchiveName & { readonly isDamaged?: boolean })[],
  policy: Readonly<Record<BackupTier, KeepPolicy>>,
  nowMs: number,
): GoneCopies {
  const here = known.flatMap((archive) => {
    const copy = archive.copies.get(url);
    return copy === undefined ? [] : [{ ...archive, isDamaged: copy.failedMs !== undefined }];
  });
  const there = new Set(listed.map(({ name }) => name));
  const remembered = new Set(here.map(({ name }) => name));
  const all = [...here, ...listed.filter(({ name }) => !remembered.has(name))];
  const expired = new Set(here.flatMap(({ name, isDamaged }) => (isDamaged ? [name] : [])));
  for (const tier of BACKUP_TIERS) {
    try {
      for (const name of keep(
        all.filter((archive) => archive.tier === tier),
        policy[tier],
        nowMs,
      ).drop)
        expired.add(name);
    } catch (error) {
      // Rules that keep nothing at all say of nothing that it is not missed.
      if (!isAntsError(error, "backup-keeps-nothing")) throw error;
    }
  }
  const gone = here.filter(({ name }) => !there.has(name)).map(({ name }) => name);
  return { lost: gone.filter((name) => !expired.has(name)), expired: gone.filter((name) => expired.has(name)) };
}
