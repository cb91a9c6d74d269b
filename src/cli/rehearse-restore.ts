import { rm } from "node:fs/promises";
import { join } from "node:path";
import { AntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { systemClock } from "../../keys/ports.js";
import { requireLiveSigner } from "../agent/backup/archive-signer.js";
import { ownerOf, tagKeys } from "../agent/backup/archive-tag.js";
import { listBackups } from "../agent/backup/list-backups.js";
import { damaged } from "../agent/backup/manifest.js";
import { restoreHome } from "../agent/backup/restore-home.js";
import type { JobResult } from "../agent/backup/run-schedule.js";
import { gapLines } from "../agent/gap.js";
import { archiveKeys, type BackupPlace } from "./backup-place.js";
import type { CommandContext } from "./context.js";
import { surveyGap } from "./gap-survey.js";
import { openNewest } from "./newest-archive.js";

/** Where the copy is made: in the home, so that it lies as safely as the original, and there is no other disk to fill. */
const FOLDER = "backup-rehearsal";
/** For each relay: as long as ants backup restore waits. */
const RELAY_TIMEOUT_MS = 10_000;

/**
 * Restores the newest hot archive as after a loss of this host, and removes the copy again: every file is unpacked and
 * compared, the chain verified, and read from the relays how far it was behind. The copy sleeps, claims nothing, and is
 * never woken. Throws "backup-missing" where no archive opens, "backup-damaged" where the newest is, though older ones open, and what restoring does; relays that do not answer are
 * in what was found, and no failure.
 */
export async function rehearseRestore(context: CommandContext, place: BackupPlace): Promise<JobResult> {
  const { home, catalogue } = place;
  const { content } = await place.vault();
  const targets = place.targets("hot");
  const listing = await listBackups({ targets, catalogue });
  const remembered = new Set(listing.archives.flatMap(({ name, known }) => (known === undefined ? [] : [name])));
  const keys = tagKeys(content);
  const hot = listing.archives.filter(
    ({ name, tier }) => tier === "hot" && ownerOf(name, remembered, keys) !== "other",
  );
  const folder = join(home.layout.state, FOLDER);
  // What a rehearsal left that was cut off.
  await rm(folder, { recursive: true, force: true });
  const opening = await archiveKeys(context, {}, () => place.vault());
  try {
    const { did } = home.config;
    const newest = await openNewest(context, hot, targets, opening, {
      did,
      identity: home.identity,
      needsNewest: true,
    });
    if (newest === undefined)
      throw (
        listing.failed[0]?.error ?? new AntsError("backup-missing", "there is no hot archive that could be restored")
      );
    const { name, archive } = newest;
    if (archive.manifest.did !== home.config.did) {
      await archive.close();
      throw damaged(`it is of ${archive.manifest.did}, and not of ${home.config.did}`);
    }
    await nodeDisk.mkdir(folder);
    const { signal } = context;
    const restored = await restoreHome({ archive, name, to: join(folder, "home"), clock: systemClock, signal });
    try {
      const { home: copy, mark } = restored;
      const gap = await surveyGap(context, { home: copy, mark, vault: content, timeoutMs: RELAY_TIMEOUT_MS });
      const { key: signer, manifest } = archive;
      const check = { isVouchedFor: false, onChain: () => !gap.leftTheChain };
      requireLiveSigner({ name, signer, head: manifest.head }, copy.identity, check);
      const doubt = gap.known === "whole" ? "" : "; too few relays answered to know of all";
      return { archives: [name], found: `${gapLines(gap)[0]}${doubt}` };
    } finally {
      await restored.lock.release();
    }
  } finally {
    opening.close();
    await rm(folder, { recursive: true, force: true });
  }
}
