import { createHash } from "node:crypto";
import { isAntsError } from "../../../keys/errors.js";
import type { Clock } from "../../../keys/ports.js";
import type { Catalogue } from "./catalogue.js";
import { type BackupManifest, damaged } from "./manifest.js";
import { type AgeIdentity, readArchive } from "./read-archive.js";
import type { BackupTarget } from "./target.js";

export interface VerifyBackupOptions {
  readonly target: BackupTarget;
  readonly name: string;
  /** What may open it: without any, or with none that does, only its bytes can be compared. */
  readonly identities?: readonly AgeIdentity[];
  readonly catalogue?: Catalogue;
  /** Whose it must be; any agent's unless given. */
  readonly did?: string;
  readonly clock: Clock;
  /** Bytes of the archive so far. */
  readonly onProgress?: (bytes: number) => void;
}

export type VerifiedBackup =
  /** Opened: the manifest's signature, and every file in it, are right. */
  | { readonly level: "whole"; readonly size: number; readonly manifest: BackupManifest }
  /** Not opened: its bytes are those that this home stored. */
  | { readonly level: "bytes"; readonly size: number };

/**
 * Reads an archive back from its target, all of it. Throws "backup-damaged", "backup-missing", "backup-no-key" (it does
 * not open, and this home does not remember its bytes either), and what the target throws. The catalogue is told.
 */
export async function verifyBackup(options: VerifyBackupOptions): Promise<VerifiedBackup> {
  const { target, name, catalogue, clock } = options;
  const known = (await catalogue?.archives())?.find((archive) => archive.name === name)?.copies.get(target.url);
  try {
    const verified = await verify(options, known?.sha256);
    if (known !== undefined) {
      const { level } = verified;
      await catalogue?.note({ note: "verified", name, target: target.url, time: clock.nowMs(), level });
    }
    return verified;
  } catch (error) {
    if (
      known !== undefined &&
      isAntsError(error) &&
      (error.code === "backup-damaged" || error.code === "backup-missing")
    )
      await catalogue?.note({ note: "failed", name, target: target.url, time: clock.nowMs() });
    throw error;
  }
}

async function verify(options: VerifyBackupOptions, sha256: string | undefined): Promise<VerifiedBackup> {
  const { target, name, identities = [], did } = options;
  const counted = new CountedBytes(await target.get(name), options.onProgress);
  try {
    const archive = await readArchive(counted, identities);
    const { manifest } = archive;
    if (did !== undefined && manifest.did !== did) {
      await archive.close();
      throw damaged(`it is of ${manifest.did}, and not of ${did}`);
    }
    if (!name.startsWith(`ants-${manifest.tier}-`)) {
      await archive.close();
      throw damaged(`it is a ${manifest.tier} one by its manifest, whatever its name says`);
    }
    for await (const { bytes } of archive.files) for await (const _ of bytes);
    return { level: "whole", size: counted.size, manifest };
  } catch (error) {
    if (!isAntsError(error, "backup-no-key") || sha256 === undefined) throw error;
  }
  const again = new CountedBytes(await target.get(name), options.onProgress);
  for await (const _ of again);
  if (again.sha256 !== sha256) throw damaged("its bytes are not those that were stored");
  return { level: "bytes", size: again.size };
}

/** Passes bytes on, and knows their number and hash. */
class CountedBytes implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #hash = createHash("sha256");
  readonly #onProgress: ((bytes: number) => void) | undefined;
  size = 0;
  #digest: string | undefined;

  constructor(source: AsyncIterable<Uint8Array>, onProgress?: (bytes: number) => void) {
    this.#source = source;
    this.#onProgress = onProgress;
  }

  get sha256(): string {
    this.#digest ??= this.#hash.digest("hex");
    return this.#digest;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const block of this.#source) {
      this.#hash.update(block);
      this.size += block.length;
      this.#onProgress?.(this.size);
      yield block;
    }
  }
}
