import { dirname, resolve } from "node:path";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { assertDurablePlace } from "../../../keys/node/place.js";
import { systemClock } from "../../../keys/ports.js";
import { restoreHome } from "../../agent/backup/restore-home.js";
import { gapLines } from "../../agent/gap.js";
import { homeLayout } from "../../agent/home.js";
import { assertVaultOf } from "../../agent/open-home.js";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";
import { surveyGap } from "../gap-survey.js";
import { gapJson } from "../gap-text.js";
import { allowsEphemeral } from "../places.js";
import { type FindArchiveOptions, findArchive, type RestoreKeysOptions, restoreKeys } from "../restore-source.js";

export interface BackupRestoreOptions extends RestoreKeysOptions, FindArchiveOptions {
  /** The folder to restore into; the agent home that is named otherwise, unless given. */
  readonly to?: string;
  /** Asks no relay how far the copy is behind. */
  readonly offline?: true;
  readonly allowEphemeral?: true;
  /** Seconds that each relay gets. */
  readonly timeout: number;
}

/**
 * Unpacks an archive into an empty folder, whole or not at all. The home sleeps: it is brought up to what the relays have,
 * and said how far it was behind, but claims nothing. Exit code 3 where too few relays answered to know.
 */
export async function backupRestore(context: CommandContext, options: BackupRestoreOptions): Promise<CommandResult> {
  const { out, env, signal } = context;
  const to = resolve(options.to ?? context.home);
  const allowEphemeral = options.allowEphemeral === true || allowsEphemeral(env);
  await assertDurablePlace(to, { allowEphemeral, what: "an agent's home" });
  await requireOutside(to);
  keepMemoryOutOfCoreDumps();
  const keys = await restoreKeys(context, options);
  const progress = out.progress("bytes:");
  try {
    const found = await findArchive(context, options, keys);
    const { archive } = found;
    try {
      if (keys.vault !== undefined) assertVaultOf(archive.manifest.did, keys.vault.opened, keys.vault.path);
    } catch (error) {
      await archive.close();
      throw error;
    }
    const { did, tier, timeMs } = archive.manifest;
    const { home, lock, mark } = await restoreHome({
      archive,
      name: found.name,
      to,
      clock: systemClock,
      signal,
      onProgress: (bytes) => progress.at(bytes),
    });
    progress.end();
    try {
      const made = new Date(timeMs).toISOString();
      const lines = [
        did,
        `  home     ${home.path}`,
        `  from     ${found.name}, made ${made}`,
        `  chain    ${mark.head === undefined ? "empty" : `seq ${mark.head.seq} in the archive`}`,
      ];
      const vault = keys.vault?.opened.content;
      const gap = await surveyGap(context, {
        home,
        mark,
        ...(vault === undefined ? {} : { vault }),
        ...(keys.phrase === undefined ? {} : { phrase: keys.phrase }),
        offline: options.offline === true,
        timeoutMs: options.timeout * 1000,
      }).catch((error: unknown) => {
        // The home is there, whatever came after: nobody should think that it is not.
        if (isAntsError(error)) out.warn(`${home.path} is restored; what the relays have could not be read into it`);
        throw error;
      });
      const wake = "it sleeps: ants activate claims the pen and wakes it";
      await out.result(
        { did, home: home.path, archive: found.name, from: found.from, tier, madeMs: timeMs, gap: gapJson(gap) },
        [...lines, "", ...gapLines(gap), "", wake],
      );
      return gap.known === "partly" ? EXIT.partlyDone : undefined;
    } finally {
      await lock.release();
    }
  } finally {
    progress.end();
    keys.close();
  }
}

/** A home within a home would go into that one's backups, with all that it has. Throws "restore-place", disk errors. */
async function requireOutside(to: string): Promise<void> {
  for (let folder = dirname(to); folder !== dirname(folder); folder = dirname(folder)) {
    if ((await nodeDisk.read(homeLayout(folder).config).catch(() => undefined)) === undefined) continue;
    throw new AntsError("restore-place", `${to} is within ${folder}, the home of an agent`, {
      hint: "choose a folder outside of it with --to",
      details: { path: to, home: folder },
    });
  }
}
