import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { hex } from "../../../keys/bytes.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { diskError } from "../../../keys/node/disk-error.js";
import type { VaultContent } from "../../../keys/node/vault-content.js";
import { writeFully } from "../../../keys/node/whole-file.js";
import type { Clock, Disk, Random } from "../../../keys/ports.js";
import type { ChainHead } from "../../protocol/event.js";
import type { AgentHome } from "../home.js";
import { archiveName, type BackupTier } from "./archive-name.js";
import { recipientsOf } from "./backup-keys.js";
import { Catalogue } from "./catalogue.js";
import type { FileLook } from "./home-files.js";
import type { Excluded } from "./manifest.js";
import { prepareArchive } from "./prepare-archive.js";
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
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: BackupProgress) => void;
}

export interface BackupProgress {
  readonly doing: "reading" | "packing" | "storing";
  readonly bytes: number;
}

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
const SPOOL = "backup-spool";
const SPOOL_LIFE_MS = 24 * 3_600_000;
const BLOCK_BYTES = 256 * 1024;

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
  const spool = join(home.layout.state, SPOOL);
  await disk.mkdir(spool);
  await sweepSpool(spool, options.clock.nowMs());
  const made = await make(options, spool, recipients);
  const { name, path, upload, manifest } = made;
  try {
    const catalogue = new Catalogue(disk, home.layout.state);
    const stored: StoredAt[] = [];
    for (const target of targets) {
      signal.throwIfAborted();
      onProgress?.({ doing: "storing", bytes: 0 });
      const outcome = await storeAt(target, name, upload, signal);
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
    await unlink(path).catch(() => {});
  }
}

async function make(options: CreateBackupOptions, spool: string, recipients: readonly string[]) {
  const { onProgress, ...rest } = options;
  const { vault, tier, random } = rest;
  for (let attempt = 1; ; attempt++) {
    const { manifest, files } = await prepareArchive({
      ...rest,
      recipients,
      signSeed: vault.signSeed,
      ...(onProgress === undefined ? {} : { onProgress: (bytes) => onProgress({ doing: "reading", bytes }) }),
    });
    const name = archiveName(tier, manifest.timeMs, hex(random.bytes(4)));
    const path = join(spool, name);
    try {
      const archive = writeArchive({ manifest, files }, vault.signSeed);
      const upload = await spooled(path, archive, options);
      return { name, path, upload, manifest };
    } catch (error) {
      await unlink(path).catch(() => {});
      if (attempt === MAX_ATTEMPTS || !isAntsError(error, "backup-changing")) throw error;
    }
  }
}

/** Writes an archive to a file of this host, where it waits for its targets. */
export async function spooled(
  path: string,
  archive: AsyncIterable<Uint8Array>,
  { signal, onProgress }: Pick<CreateBackupOptions, "signal" | "onProgress">,
): Promise<Upload> {
  const hash = createHash("sha256");
  let size = 0;
  try {
    const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      for await (const block of archive) {
        signal.throwIfAborted();
        await writeFully(handle, block);
        hash.update(block);
        size += block.length;
        onProgress?.({ doing: "packing", bytes: size });
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw diskError(error, "write", path);
  }
  return { size, sha256: hash.digest("hex"), bytes: () => blocksOf(path) };
}

async function* blocksOf(path: string): AsyncGenerator<Uint8Array> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    for (;;) {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

async function storeAt(target: BackupTarget, name: string, upload: Upload, signal: AbortSignal): Promise<StoredAt> {
  const { url } = target;
  try {
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

/** Archives that a crash left behind; a run that takes a day is one. */
async function sweepSpool(spool: string, nowMs: number): Promise<void> {
  for (const name of await readdir(spool)) {
    const path = join(spool, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && nowMs - found.mtimeMs > SPOOL_LIFE_MS) await unlink(path).catch(() => {});
  }
}
