import { nodeDisk } from "../../keys/node/disk.js";
import { systemClock, systemRandom } from "../../keys/ports.js";
import type { BackupTier } from "../agent/backup/archive-name.js";
import { type BackupProgress, type BackupReport, createBackup } from "../agent/backup/create-backup.js";
import { SecretLook } from "../agent/backup/scan/secret-look.js";
import type { BackupTarget } from "../agent/backup/target.js";
import type { BackupPlace } from "./backup-place.js";
import type { CommandContext } from "./context.js";

export interface MakeBackupOptions {
  readonly tier: BackupTier;
  /** Those of the place that take this tier, unless given. */
  readonly targets?: readonly BackupTarget[];
  /** What earlier runs of this process found clean of secrets. */
  readonly clean?: Set<string>;
  readonly onProgress?: (progress: BackupProgress) => void;
}

/**
 * Makes an archive of a place's home and stores it at every target of the tier, unless something in it looks like a
 * secret. Throws "backup-no-target", "vault-ephemeral", what unlocking and the scan throw, and what {@link createBackup} does.
 */
export async function makeBackup(
  { signal }: CommandContext,
  place: BackupPlace,
  { tier, targets = place.targets(tier), clean, onProgress }: MakeBackupOptions,
): Promise<BackupReport> {
  await place.requireDurable(tier);
  const { content } = await place.vault();
  const secrets = await SecretLook.of(nodeDisk, place.home.path, content, clean);
  return createBackup({
    home: place.home,
    vault: content,
    tier,
    targets,
    exclude: await place.leftOut(),
    look: secrets.look,
    looked: secrets.refuse,
    disk: nodeDisk,
    clock: systemClock,
    random: systemRandom,
    signal,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}
