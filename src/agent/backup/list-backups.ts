import { type AntsError, isAntsError } from "../../../keys/errors.js";
import { type ArchiveName, byTime } from "./archive-name.js";
import type { Catalogue, KnownArchive, KnownCopy } from "./catalogue.js";
import type { BackupTarget } from "./target.js";

/** An archive that is at one target or more. */
export interface ListedArchive extends ArchiveName {
  readonly copies: readonly ListedCopy[];
  /** What this home remembers of it; undefined where it was made elsewhere, or the catalogue is lost. */
  readonly known?: KnownArchive;
}

export interface ListedCopy {
  readonly url: string;
  readonly size: number;
  readonly known?: KnownCopy;
}

export interface BackupListing {
  /** Oldest first. */
  readonly archives: readonly ListedArchive[];
  /** Targets that could not be listed: what they have is not above. */
  readonly failed: readonly { readonly url: string; readonly error: AntsError }[];
}

/** What the targets have, with what this home remembers of it. A target that fails is in the listing. */
export async function listBackups({
  targets,
  catalogue,
}: {
  readonly targets: readonly BackupTarget[];
  readonly catalogue?: Catalogue;
}): Promise<BackupListing> {
  const known = new Map((await catalogue?.archives())?.map((archive) => [archive.name, archive]));
  const found = new Map<string, ArchiveName & { copies: ListedCopy[] }>();
  const failed: { url: string; error: AntsError }[] = [];
  for (const target of targets) {
    const { url } = target;
    try {
      for (const { size, ...named } of await target.list()) {
        const copy = known.get(named.name)?.copies.get(url);
        const archive = found.get(named.name) ?? { ...named, copies: [] };
        archive.copies.push({ url, size, ...(copy === undefined ? {} : { known: copy }) });
        found.set(named.name, archive);
      }
    } catch (error) {
      if (!isAntsError(error)) throw error;
      failed.push({ url, error });
    }
  }
  const archives = [...found.values()].sort(byTime).map((archive) => {
    const remembered = known.get(archive.name);
    return { ...archive, ...(remembered === undefined ? {} : { known: remembered }) };
  });
  return { archives, failed };
}
