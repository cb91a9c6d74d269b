import { AntsError, isAntsError } from "../../../keys/errors.js";
import type { VaultContent } from "../../../keys/node/vault-content.js";
import type { Clock, Disk, Random } from "../../../keys/ports.js";
import type { ChainHead } from "../../protocol/event.js";
import type { AgentHome } from "../home.js";
import type { BackupTier } from "./archive-name.js";
import { taggedName, tagKeys } from "./archive-tag.js";
import { recipientsOf } from "./backup-keys.js";
import { Catalogue } from "./catalogue.js";
import type { FileLook, HomeFile, ReadSoFar } from "./home-files.js";
import type { Excluded } from "./manifest.js";
import { prepareArchive } from "./prepare-archive.js";
import { Spool } from "./spool.js";
import type { BackupTarget, Upload } from "./target.js";
import { writeArchive } from "./write-archive.js";

export interface CreateBackupOptions {
  readonly home: AgentHome;
  /** Of the agent's open vault: signs, and says to whom it is encrypted. */
  readonly vault: VaultContent;
  readonly tier: BackupTier;
  /** At least one. */
  readonly targets: readonly BackupTarget[];
  /** Absolute paths that are left out, with the reason: the vault's, folders of targets within the home. */
  readonly exclude?: ReadonlyMap<string, string>;
  /** Looks at every file, and throws where one must not leave this host. */
  readonly look?: FileLook;
  /** Called when every file was looked at, and before anything is packed; throws where one must not leave this host. */
  readonly looked?: () => void;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: BackupProgress) => void;
}

export type BackupProgress =
  | ({ readonly doing: "reading" } & ReadSoFar)
  /** `bytes` of the home of `totalBytes` in `files`. */
  | { readonly doing: "packing"; readonly bytes: number; readonly totalBytes: number; readonly files: number }
  /** The archive, at one target of all; `target` counts from 1. */
  | { readonly doing: "storing"; readonly totalBytes: number; readonly target: number; readonly targets: number };

/** What became of an archive at one target. */
export type StoredAt =
  | { readonly url: string; readonly status: "stored" }
  | { readonly url: string; readonly status: "failed"; readonly error: AntsError };

export interface BackupReport {
  readonly name: string;
  readonly tier: BackupTier;
  readonly timeMs: number;
  readonly head?: ChainHead;
  /** Bytes of the archive. */
  readonly size: number;
  /** Of the archive. */
  readonly sha256: string;
  /** Files of the home in it. */
  readonly files: number;
  readonly excluded: readonly Excluded[];
  readonly recipients: readonly string[];
  readonly targets: readonly StoredAt[];
}

/** A file that changed between reading and packing: the whole is begun again so often. */
const MAX_ATTEMPTS = 3;

/**
 * Makes an archive of a home and stores it at every target. It is made whole in `.ants/backup-spool` first, so that all
 * targets get the same bytes, and none gets anything before the last of the home's files was read.
 *
 * A target that fails is in the report; throws its error where none took it. Throws "backup-no-recipient",
 * "backup-no-target", and what {@link prepareArchive} throws.
 */
export async function createBackup(options: CreateBackupOptions): Promise<BackupReport> {
  const { home, vault, tier, targets, disk, signal, onProgress } = options;
  if (targets.length === 0) {
    throw new AntsError("backup-no-target", `nobody said where ${tier} backups go`, {
      hint: "name a place: --target /media/stick/backups, or in .ants/backup.toml (docs/backups.md)",
    });
  }
  const recipients = recipientsOf(tier, vault);
  const spool = await Spool.open(disk, home.layout.state, options.clock);
  const { name, upload, manifest } = await make(options, spool, recipients);
  try {
    const catalogue = new Catalogue(disk, home.layout.state);
    const stored: StoredAt[] = [];
    for (const [index, target] of targets.entries()) {
      signal.throwIfAborted();
      onProgress?.({ doing: "storing", totalBytes: upload.size, target: index + 1, targets: targets.length });
      const outcome = await storeAt(target, name, upload, catalogue, signal);
      stored.push(outcome);
      if (outcome.status === "failed") continue;
      const { size, sha256 } = upload;
      const { head } = manifest;
      await catalogue.note({
        note: "stored",
        name,
        target: target.url,
        size,
        sha256,
        recipients,
        ...(head === undefined ? {} : { head }),
      });
    }
    const failures = stored.flatMap((outcome) => (outcome.status === "failed" ? [outcome.error] : []));
    if (failures.length === targets.length) throw failures[0]!;
    return {
      name,
      tier,
      timeMs: manifest.timeMs,
      ...(manifest.head === undefined ? {} : { head: manifest.head }),
      size: upload.size,
      sha256: upload.sha256,
      files: manifest.files.length,
      excluded: manifest.excluded,
      recipients,
      targets: stored,
    };
  } finally {
    await upload.remove();
  }
}

async function make(options: CreateBackupOptions, spool: Spool, recipients: readonly string[]) {
  const { onProgress, ...rest } = options;
  const { vault, tier, random } = rest;
  for (let attempt = 1; ; attempt++) {
    const { manifest, files } = await prepareArchive({
      ...rest,
      recipients,
      signSeed: vault.signSeed,
      ...(onProgress === undefined ? {} : { onProgress: (read) => onProgress({ doing: "reading", ...read }) }),
    });
    options.looked?.();
    const name = taggedName(tier, manifest.timeMs, random, tagKeys(vault));
    try {
      const packed = onProgress === undefined ? files : counted(files, onProgress);
      const archive = writeArchive({ manifest, files: packed }, vault.signSeed);
      const upload = await spool.take(name, archive, { signal: options.signal });
      return { name, upload, manifest };
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isAntsError(error, "backup-changing")) throw error;
    }
  }
}

/** The same files, which tell how much of them all was packed. */
function counted(files: readonly HomeFile[], onProgress: NonNullable<CreateBackupOptions["onProgress"]>): HomeFile[] {
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  let bytes = 0;
  return files.map((file) => ({
    ...file,
    async *bytes() {
      for await (const block of file.bytes()) {
        bytes += block.length;
        onProgress({ doing: "packing", bytes, totalBytes, files: files.length });
        yield block;
      }
    },
  }));
}

async function storeAt(
  target: BackupTarget,
  name: string,
  upload: Upload,
  catalogue: Catalogue,
  signal: AbortSignal,
): Promise<StoredAt> {
  const { url } = target;
  try {
    if (url.startsWith("/") || url.startsWith("file:")) await requireSamePlace(target, catalogue);
    await target.put(name, upload);
  } catch (error) {
    signal.throwIfAborted();
    if (!isAntsError(error)) throw error;
    return { url, status: "failed", error };
  }
  // What an upload left that was cut off is no reason to fail one that was not.
  await target.sweep().catch(() => 0);
  return { url, status: "stored" };
}

/**
 * Where a disk is not mounted, its mount point is a folder like any other, of the wrong disk. What this home stored there
 * tells them apart. Throws "backup-target-other".
 */
async function requireSamePlace(target: BackupTarget, catalogue: Catalogue): Promise<void> {
  const { url } = target;
  const known = (await catalogue.archives()).filter(({ copies }) => copies.has(url)).map(({ name }) => name);
  if (known.length === 0) return;
  const listed = await target.list().catch((error: unknown) => {
    if (isAntsError(error, "backup-target-missing")) return undefined;
    throw error;
  });
  if (listed?.some(({ name }) => known.includes(name)) === true) return;
  const many = known.length === 1 ? "an archive was" : `${known.length} archives were`;
  const make = listed === undefined ? `make the folder, then ` : "";
  throw new AntsError("backup-target-other", `${url}: ${many} stored there, and nothing of that is there`, {
    hint: `is its disk mounted? if they are gone for good, or it is another place since the agent moved: ${make}ants backup prune --target ${url} forgets them, and then run this again`,
    details: { target: url, archives: known.length },
  });
}
