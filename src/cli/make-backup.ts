import { nodeDisk } from "../../keys/node/disk.js";
import { systemClock, systemRandom } from "../../keys/ports.js";
import type { BackupTier } from "../agent/backup/archive-name.js";
import { type BackupProgress, type BackupReport, createBackup } from "../agent/backup/create-backup.js";
import { SecretLook } from "../agent/backup/scan/secret-look.js";
import type { BackupTarget } from "../agent/backup/target.js";
import type { BackupPlace } from "./backup-place.js";
import type { CommandContext } from "./context.js";
import { type Displacement, displacementOf, displacementText, homeDisplaced } from "./displacement.js";

export interface MakeBackupOptions {
  readonly tier: BackupTier;
  /** Those of the place that take this tier, unless given. */
  readonly targets?: readonly BackupTarget[];
  /** What earlier runs of this process found clean of secrets. */
  readonly clean?: Set<string>;
  /**
   * What becomes of it where the agent went on in another instance: no archive is made unless `make`. `unasked`: no relay
   * is asked whether it did.
   */
  readonly displaced?: "refuse" | "make" | "unasked";
  readonly onProgress?: (progress: BackupProgress) => void;
}

/** For each relay in each round: an archive that is made every hour waits no longer for a question about it. */
const RELAY_TIMEOUT_MS = 4_000;

/** What was made, and that the agent went on elsewhere, where that is known. */
export interface MadeBackup extends BackupReport {
  readonly displaced?: Displacement;
}

/**
 * Makes an archive of a place's home and stores it at every target of the tier, unless something in it looks like a
 * secret. Throws "home-displaced", "backup-no-target", "vault-ephemeral", what unlocking and the scan throw, and what
 * {@link createBackup} does.
 */
export async function makeBackup(
  { out, signal }: CommandContext,
  place: BackupPlace,
  { tier, targets = place.targets(tier), clean, displaced: wanted = "refuse", onProgress }: MakeBackupOptions,
): Promise<MadeBackup> {
  await place.requireDurable(tier);
  const asking = { timeoutMs: RELAY_TIMEOUT_MS, signal };
  const displaced = wanted === "unasked" ? undefined : await displacementOf(place.home, asking);
  if (displaced !== undefined) {
    if (wanted !== "make") throw homeDisplaced(place.home, displaced);
    out.warn(`${displacementText(displaced)}: this archive is of an older state [home-displaced]`);
  }
  const { content } = await place.vault();
  const secrets = await SecretLook.of(nodeDisk, place.home.path, content, clean, await place.passphraseFiles());
  const report = await createBackup({
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
  return displaced === undefined ? report : { ...report, displaced };
}
