import { createHash } from "node:crypto";
import { isAntsError } from "../../../keys/errors.js";
import type { Clock } from "../../../keys/ports.js";
import type { IdentityLog } from "../../client/identity-log.js";
import type { Catalogue, KnownCopy } from "./catalogue.js";
import { type BackupManifest, damaged, requireNamed } from "./manifest.js";
import { type AgeIdentity, type OpenedArchive, readArchive } from "./read-archive.js";
import type { BackupTarget } from "./target.js";

export const NOT_AS_STORED = "its bytes are not those that were stored";

export interface VerifyBackupOptions {
  readonly target: BackupTarget;
  readonly name: string;
  /** What may open it: without any, or with none that does, only its bytes can be compared. */
  readonly identities?: readonly AgeIdentity[];
  readonly catalogue?: Catalogue;
  /** Whose it must be, and which keys signed for it when; any agent's unless given. */
  readonly identity?: IdentityLog;
  readonly clock: Clock;
  /** Bytes of the archive so far. */
  readonly onProgress?: (bytes: number) => void;
}

export type VerifiedBackup =
  /** Opened: signature, name and every file are right, and the bytes are those that this home stored, if it did. */
  | { readonly level: "whole"; readonly size: number; readonly manifest: BackupManifest }
  /** Not opened: its bytes are those that this home stored. */
  | { readonly level: "bytes"; readonly size: number };

/**
 * Reads an archive back from its target, all of it. Throws "backup-damaged", "backup-missing", "backup-no-key" (it does
 * not open, and this home does not remember its bytes either), and what the target throws. The catalogue is told.
 */
export async function verifyBackup(options: VerifyBackupOptions): Promise<VerifiedBackup> {
  const { target, name, catalogue, clock } = options;
  const copies = (await catalogue?.archives())?.find((archive) => archive.name === name)?.copies;
  const known = copies?.get(target.url);
  // All targets got the same bytes: a folder of archives that was copied has them, too.
  const stored = known ?? copies?.values().next().value;
  try {
    const verified = await verify(options, stored);
    const wasDamaged = async () => (await catalogue?.damagedAt(target.url))?.has(name) === true;
    if (known !== undefined || (await wasDamaged())) {
      const { level } = verified;
      await catalogue?.note({ note: "verified", name, target: target.url, time: clock.nowMs(), level });
    }
    return verified;
  } catch (error) {
    // Of what others stored, too: prune counts on nothing that was seen to be damaged.
    if (isAntsError(error, "backup-damaged"))
      await catalogue?.note({ note: "failed", name, target: target.url, time: clock.nowMs() });
    throw error;
  }
}

async function verify(options: VerifyBackupOptions, stored: KnownCopy | undefined): Promise<VerifiedBackup> {
  const { target, name, identities = [] } = options;
  const counted = new CountedBytes(await target.get(name), options.onProgress);
  try {
    const archive = await readArchive(counted, identities);
    const { manifest } = archive;
    try {
      requireNamed(name, manifest);
      if (options.identity !== undefined) requireSigner(archive, options.identity);
    } catch (error) {
      await archive.close();
      throw error;
    }
    for await (const { bytes } of archive.files) for await (const _ of bytes);
    // A whole archive under the name of another one is not the one that was stored.
    if (stored !== undefined && counted.sha256 !== stored.sha256) throw damaged(NOT_AS_STORED);
    return { level: "whole", size: counted.size, manifest };
  } catch (error) {
    if (!isAntsError(error, "backup-no-key") || stored === undefined) throw error;
  }
  const again = new CountedBytes(await target.get(name), options.onProgress);
  // Whoever gives more than was stored may give without an end.
  for await (const _ of again) if (again.size > stored.size) throw damaged(NOT_AS_STORED);
  if (again.sha256 !== stored.sha256) throw damaged(NOT_AS_STORED);
  return { level: "bytes", size: again.size };
}

/**
 * The archive's own identity log ends where the archive was made. The home's may know of a rotate since: whoever has the
 * key from before it can make archives still, and they are none of this agent's.
 */
function requireSigner({ manifest, key }: OpenedArchive, identity: IdentityLog): void {
  if (manifest.did !== identity.did) throw damaged(`it is of ${manifest.did}, and not of ${identity.did}`);
  const era = identity.rotationsOf(key);
  if (era === undefined || identity.standingOf(key)?.live === true) return;
  const rotates = identity.state?.operations.filter(({ op }) => op.op === "rotate") ?? [];
  const endedMs = rotates[era]?.op.time;
  if (endedMs !== undefined && manifest.timeMs > endedMs)
    throw damaged(`it is signed by ${key}, which was replaced before it was made`);
}

/** Passes bytes on, and knows their number and hash. */
export class CountedBytes implements AsyncIterable<Uint8Array> {
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
