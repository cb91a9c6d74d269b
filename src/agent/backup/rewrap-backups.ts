import { AntsError, isAntsError } from "../../../keys/errors.js";
import type { VaultContent } from "../../../keys/node/vault-content.js";
import type { Clock, Disk, Random } from "../../../keys/ports.js";
import type { AgentHome } from "../home.js";
import { ownerOf, taggedName, tagKeys } from "./archive-tag.js";
import { recipientsOf } from "./backup-keys.js";
import type { Catalogue, KnownCopy } from "./catalogue.js";
import { damaged } from "./manifest.js";
import { type AgeIdentity, decrypted } from "./read-archive.js";
import { Spool } from "./spool.js";
import type { BackupTarget, StoredArchive } from "./target.js";
import { CountedBytes, NOT_AS_STORED, verifyBackup } from "./verify-backup.js";
import { encrypted } from "./write-archive.js";

export interface RewrapOptions {
  readonly home: AgentHome;
  /** Of the open vault: says to whom archives are encrypted now. */
  readonly vault: VaultContent;
  readonly targets: readonly BackupTarget[];
  /** What opens the archives there are, and will open the new ones: those of this host, and of the recovery words. */
  readonly identities: readonly AgeIdentity[];
  readonly catalogue: Catalogue;
  /** Only say what would be done. */
  readonly dryRun: boolean;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: { readonly name: string; readonly url: string }) => void;
}

export type RewrapOutcome =
  /** Encrypted to the present recipients already. */
  | { readonly name: string; readonly url: string; readonly status: "current" }
  /** Its content is at `as` now, encrypted to the present recipients, and read back from there; `name` is gone. */
  | { readonly name: string; readonly url: string; readonly status: "rewrapped"; readonly as: string }
  /** With a dry run: it is encrypted to others, or this home does not know to whom. */
  | { readonly name: string; readonly url: string; readonly status: "due" }
  /** It still opens with what it opened with before. */
  | { readonly name: string; readonly url: string; readonly status: "left"; readonly error: AntsError };

/**
 * Encrypts archives anew that are encrypted to anybody but the present recipients of their tier: after a rotate, whose
 * thief may have the old host key, and after the recovery words changed. Each copy gets a new name of the same time; it
 * is read back whole before the old one is removed, so that a crash leaves both rather than none.
 *
 * What this home does not remember is encrypted anew as well, since nothing in an archive says to whom it is encrypted;
 * what another agent keeps at the same target is passed over.
 * Throws "backup-no-recipient", and the error of a target that cannot be listed.
 */
export async function rewrapBackups(options: RewrapOptions): Promise<RewrapOutcome[]> {
  const { targets, catalogue, dryRun, signal, onProgress } = options;
  const known = new Map((await catalogue.archives()).map((archive) => [archive.name, archive.copies]));
  const keys = tagKeys(options.vault);
  const outcomes: RewrapOutcome[] = [];
  for (const target of targets) {
    const { url } = target;
    for (const archive of await target.list()) {
      signal.throwIfAborted();
      const { name } = archive;
      if (ownerOf(name, known, keys) === "other") continue;
      onProgress?.({ name, url });
      if (isCurrent(known.get(name)?.get(url), recipientsOf(archive.tier, options.vault))) {
        outcomes.push({ name, url, status: "current" });
      } else if (dryRun) outcomes.push({ name, url, status: "due" });
      else outcomes.push(await rewrap(target, archive, options, known.get(name)?.get(url)));
    }
  }
  return outcomes;
}

function isCurrent(known: KnownCopy | undefined, recipients: readonly string[]): boolean {
  return known !== undefined && [...known.recipients].sort().join() === [...recipients].sort().join();
}

async function rewrap(
  target: BackupTarget,
  archive: StoredArchive,
  options: RewrapOptions,
  known: KnownCopy | undefined,
): Promise<RewrapOutcome> {
  const { home, vault, identities, catalogue, clock, random, signal } = options;
  const { url } = target;
  const { name, tier } = archive;
  const as = taggedName(tier, archive.timeMs, random, tagKeys(vault));
  const recipients = recipientsOf(tier, vault);
  try {
    const spool = await Spool.open(options.disk, home.layout.state, clock);
    const source = new CountedBytes(await target.get(name));
    const upload = await spool.take(as, encrypted(decrypted(source, identities), recipients), { signal });
    try {
      if (known !== undefined && source.sha256 !== known.sha256) throw damaged(NOT_AS_STORED);
      await target.put(as, upload);
    } finally {
      await upload.remove();
    }
    const { size, sha256 } = upload;
    try {
      const verified = await verifyBackup({ target, name: as, identities, identity: home.identity, clock });
      if (verified.level !== "whole") throw new AntsError("backup-no-key", `${as} does not open with these keys`);
      const { head } = verified.manifest;
      await catalogue.note({
        note: "stored",
        name: as,
        target: url,
        size,
        sha256,
        recipients,
        ...(head === undefined ? {} : { head }),
      });
      await catalogue.note({ note: "verified", name: as, target: url, time: clock.nowMs(), level: "whole" });
    } catch (error) {
      await target.remove(as);
      throw error;
    }
    await target.remove(name);
    await catalogue.note({ note: "removed", name, target: url });
    return { name, url, status: "rewrapped", as };
  } catch (error) {
    signal.throwIfAborted();
    if (!isAntsError(error)) throw error;
    return { name, url, status: "left", error };
  }
}
