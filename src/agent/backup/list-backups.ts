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
  /** What this home stored and the listing has not: somebody removed it, or the storage lists late. */
  readonly missing: readonly { readonly name: string; readonly url: string }[];
  /** Addresses of the targets that could be listed. */
  readonly listed: readonly string[];
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
  const remembered = (await catalogue?.archives()) ?? [];
  const known = new Map(remembered.map((archive) => [archive.name, archive]));
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
    const its = known.get(archive.name);
    return { ...archive, ...(its === undefined ? {} : { known: its }) };
  });
  const listed = targets.map(({ url }) => url).filter((url) => failed.every((one) => one.url !== url));
  const has = (name: string, url: string) => found.get(name)?.copies.some((copy) => copy.url === url) === true;
  const missing = remembered.flatMap(({ name, copies }) =>
    listed.filter((url) => copies.has(url) && !has(name, url)).map((url) => ({ name, url })),
  );
  return { archives, missing, listed, failed };
}
