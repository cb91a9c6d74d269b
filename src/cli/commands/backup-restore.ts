import { readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { assertDurablePlace } from "../../../keys/node/place.js";
import { systemClock } from "../../../keys/ports.js";
import { requireLiveSigner } from "../../agent/backup/archive-signer.js";
import { restoreHome } from "../../agent/backup/restore-home.js";
import { gapLines } from "../../agent/gap.js";
import { type AgentHome, homeLayout } from "../../agent/home.js";
import { assertVaultOf } from "../../agent/open-home.js";
import type { IdentityLog } from "../../client/identity-log.js";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";
import { type DamagedArchive, damagedJson, insteadText, namedDamage } from "../damaged-archives.js";
import { surveyGap } from "../gap-survey.js";
import { gapJson } from "../gap-text.js";
import type { FoundArchive } from "../newest-archive.js";
import type { Progress } from "../output.js";
import { allowsEphemeral } from "../places.js";
import {
  type FindArchiveOptions,
  findArchive,
  type RestoreKeys,
  type RestoreKeysOptions,
  restoreKeys,
} from "../restore-source.js";

export interface BackupRestoreOptions extends RestoreKeysOptions, FindArchiveOptions {
  /** The folder to restore into; the agent home that is named otherwise, unless given. */
  readonly to?: string;
  /** Asks no relay how far the copy is behind. */
  readonly offline?: true;
  /** The owner knows that the archive is from before the theft of the key that signed it. */
  readonly signedByReplacedKey?: true;
  readonly allowEphemeral?: true;
  /** Seconds that each relay gets. */
  readonly timeout: number;
}

/**
 * Unpacks an archive into an empty folder, whole or not at all. The home sleeps: it is brought up to what the relays have,
 * and said how far it was behind, but claims nothing. An archive whose signer was replaced, as far as
 * the relays or other archives know, is not kept without the owner's word. Exit code 3 where too few relays answered to know.
 */
export async function backupRestore(context: CommandContext, options: BackupRestoreOptions): Promise<CommandResult> {
  const { out, env } = context;
  const to = resolve(options.to ?? context.home);
  const allowEphemeral = options.allowEphemeral === true || allowsEphemeral(env);
  await assertDurablePlace(to, { allowEphemeral, what: "an agent's home" });
  await requireOutside(to);
  keepMemoryOutOfCoreDumps();
  const keys = await restoreKeys(context, options);
  const progress = out.progress("bytes:");
  const without: { name: string; from?: string }[] = [];
  const damaged: DamagedArchive[] = [];
  let failed: DamagedArchive | undefined;
  const isVouchedFor = options.signedByReplacedKey === true;
  let last: RefusedArchive | undefined;
  try {
    for (;;) {
      const known = last === undefined ? {} : { identity: last.identity };
      const found = await findArchive(context, options, keys, { without, damaged, isVouchedFor, ...known }).catch(
        (error: unknown) => {
          const isNone = isAntsError(error, "backup-no-key") || isAntsError(error, "backup-damaged");
          throw isNone && last !== undefined ? last.refusal : error;
        },
      );
      if (failed !== undefined) out.warn(insteadText(failed, found));
      damaged.push(...(found.damaged ?? []));
      without.push(...(found.damaged ?? []).map(({ name }) => ({ name })));
      const restored = await restoreOne(context, options, { keys, found, to, progress, damaged });
      if ("result" in restored) return restored.result;
      const { refusal } = restored;
      if (options.archive !== "latest") throw refusal;
      if ("identity" in restored) {
        // What the relays said of the agent's keys chooses among the others.
        last = restored;
        failed = undefined;
        without.push({ name: found.name });
      } else {
        // Only this copy was read to where it is damaged.
        failed = { name: found.name, timeMs: found.archive.manifest.timeMs, error: refusal };
        damaged.push(failed);
        without.push({ name: found.name, from: found.from });
      }
      out.warn(`${refusal.message}: another one is looked for`);
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

interface RestoreWork {
  readonly keys: RestoreKeys;
  readonly found: FoundArchive;
  readonly to: string;
  readonly progress: Progress;
  /** What was passed over, for the report. */
  readonly damaged: readonly DamagedArchive[];
}

/** An archive that is not to be restored, by what the relays say of its signer. Nothing of it is left. */
interface RefusedArchive {
  readonly refusal: AntsError;
  readonly identity: IdentityLog;
}

async function restoreOne(
  context: CommandContext,
  options: BackupRestoreOptions,
  { keys, found, to, progress, damaged }: RestoreWork,
): Promise<{ readonly result: CommandResult } | RefusedArchive | { readonly refusal: AntsError }> {
  const { out, signal } = context;
  const { archive } = found;
  try {
    if (keys.vault !== undefined) assertVaultOf(archive.manifest.did, keys.vault.opened, keys.vault.path);
  } catch (error) {
    await archive.close();
    throw error;
  }
  const { did, tier, timeMs } = archive.manifest;
  const restored = await restoreHome({
    archive,
    name: found.name,
    to,
    isVouchedFor: options.signedByReplacedKey === true,
    clock: systemClock,
    signal,
    onProgress: (bytes) => progress.at(bytes),
  }).catch((error: unknown) => {
    const named = namedDamage(error, found.name, found.from);
    // Nothing of it is left, so another one can be tried.
    if (isAntsError(named, "backup-damaged")) return { refusal: named };
    throw named;
  });
  progress.end();
  if ("refusal" in restored) return restored;
  const { home, lock, mark } = restored;
  try {
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
    const signed = { name: found.name, signer: archive.key, head: mark.head };
    const refusal = refusalOf(signed, home.identity, {
      isVouchedFor: options.signedByReplacedKey === true,
      onChain: () => !gap.leftTheChain,
    });
    if (refusal !== undefined) {
      await clearAway(to);
      return { refusal, identity: home.identity };
    }
    const made = new Date(timeMs).toISOString();
    const lines = [
      did,
      `  home     ${home.path}`,
      `  from     ${found.name}, made ${made}`,
      `  chain    ${mark.head === undefined ? "empty" : `seq ${mark.head.seq} in the archive`}`,
    ];
    const activate = home.path === context.home ? "ants activate" : `ants activate --home ${home.path}`;
    const wake =
      keys.vault === undefined
        ? `it sleeps: with its vault, ${activate} claims the pen and wakes it; where that is lost: ${recoverLine(home)}`
        : `it sleeps: ${activate} claims the pen and wakes it`;
    await out.result(
      {
        ...{ did, home: home.path, archive: found.name, from: found.from, tier, madeMs: timeMs, gap: gapJson(gap) },
        ...(damaged.length === 0 ? {} : { damaged: damagedJson(damaged) }),
      },
      [...lines, "", ...gapLines(gap), "", wake],
    );
    return { result: gap.known === "partly" ? EXIT.partlyDone : undefined };
  } finally {
    await lock.release();
  }
}

/** The words opened the archive; they also make new keys where there is no vault. */
function recoverLine({ path, identity }: AgentHome): string {
  const url = identity.newest?.op.relays[0]?.url ?? "URL";
  return `ants recover --home ${path} --relay ${url}`;
}

function refusalOf(...check: Parameters<typeof requireLiveSigner>): AntsError | undefined {
  try {
    requireLiveSigner(...check);
    return undefined;
  } catch (error) {
    if (isAntsError(error, "backup-signer-replaced")) return error;
    throw error;
  }
}

/** The folder was empty before, or not there. */
async function clearAway(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
  await rmdir(folder).catch(() => {});
}
