import { type AntsError, isAntsError } from "../../keys/errors.js";
import { systemClock } from "../../keys/ports.js";
import { isAhead, newestFirst } from "../agent/backup/archive-name.js";
import { replacedSigner, signerReplaced } from "../agent/backup/archive-signer.js";
import type { ListedArchive } from "../agent/backup/list-backups.js";
import { requireNamed } from "../agent/backup/manifest.js";
import { type AgeIdentity, type OpenedArchive, readArchive } from "../agent/backup/read-archive.js";
import type { BackupTarget } from "../agent/backup/target.js";
import { IdentityLog } from "../client/identity-log.js";
import type { CommandContext } from "./context.js";
import { type DamagedArchive, namedDamage, noneWhole, tellDamaged } from "./damaged-archives.js";

/** An archive that was found, and opens. */
export interface FoundArchive {
  readonly name: string;
  readonly from: string;
  /** Its manifest was read; whoever gets it reads the rest or closes it. */
  readonly archive: OpenedArchive;
  /** What would have been compared with it and is damaged. */
  readonly damaged?: readonly DamagedArchive[];
}

export interface NewestOptions {
  /** Whose it must be; that of the newest one that opens unless given. */
  readonly did?: string;
  /** What is known of the agent's keys besides what the archives say. */
  readonly identity?: IdentityLog;
  /** Archives that are not to be taken; with an address, their copy at that target only. */
  readonly without?: readonly { readonly name: string; readonly from?: string }[];
  /** Those that were found damaged where more of them was read: for the error where no other is left. */
  readonly damaged?: readonly DamagedArchive[];
  /** Passes nothing damaged over before the first that opens: for whoever asks whether the newest one can be restored. */
  readonly needsNewest?: true;
  /** Takes one whose signer was replaced, where there is no other. */
  readonly isVouchedFor?: boolean;
}

/** How many archives that open are compared by what their manifests say. */
const MAX_COMPARED = 8;
/** Of those that are damaged or whose key is known to be replaced: a thief can lay in any number. */
const MAX_PASSED_OVER = 256;

const MAX_TOLD = 3;

type Context = Pick<CommandContext, "out" | "signal">;
type Keys = { readonly identities: readonly AgeIdentity[] };

/**
 * The archive to restore, of those that the keys open: of the newest eight the one whose chain went furthest, by epoch,
 * then seq, then time. A host that lost the pen and does not know it goes on making archives. Those whose signer was
 * replaced, as far as these archives and `identity` know, are passed over, and those that `identity` knows of crowd none
 * out of the eight; what is passed over and younger is told, and so is what is damaged.
 * Undefined where the keys open none. Throws "backup-signer-replaced" and "backup-damaged" where no other is left, and
 * what else reading the newest one does, of its first copy.
 */
export async function openNewest(
  context: Context,
  archives: readonly ListedArchive[],
  targets: readonly BackupTarget[],
  keys: Keys,
  options: NewestOptions = {},
): Promise<FoundArchive | undefined> {
  const opened: Opened[] = [];
  let chosen: Opened | undefined;
  try {
    const { refused, damaged } = await openEach(context, left(archives, options), targets, keys, options, opened);
    chosen = choose(context, opened, options);
    const all = [...(options.damaged ?? []), ...damaged];
    if (chosen === undefined && refused.length === 0 && all.length > 0) throw noneWhole(all);
    tellDamaged(context.out, damaged, chosen && { name: chosen.found.name, timeMs: chosen.timeMs });
    if (chosen === undefined && refused.length > 0) throw refused[0]!.refusal;
    const younger = refused.filter(({ timeMs }) => timeMs > (chosen?.timeMs ?? 0));
    for (const { refusal } of younger.slice(0, MAX_TOLD)) context.out.warn(`passed over: ${refusal.message}`);
    if (younger.length > MAX_TOLD) context.out.warn(`passed over: ${younger.length - MAX_TOLD} more of replaced keys`);
    return chosen && { ...chosen.found, damaged };
  } finally {
    for (const one of opened) if (one !== chosen) await one.found.archive.close();
  }
}

/** An archive whose first members were read. */
interface Opened {
  readonly found: FoundArchive;
  readonly timeMs: number;
  readonly ahead: boolean;
}

interface Refused {
  readonly timeMs: number;
  readonly refusal: AntsError;
}

/** What is to be looked at. */
function left(archives: readonly ListedArchive[], { without = [] }: NewestOptions): ListedArchive[] {
  return archives.flatMap((archive) => {
    const own = without.filter(({ name }) => name === archive.name);
    const copies = archive.copies.filter(({ url }) => own.every(({ from }) => from !== undefined && from !== url));
    return copies.length === 0 ? [] : [{ ...archive, copies }];
  });
}

/** Gives those that are damaged, and those of a replaced key, by the identity that was given; they are closed. */
async function openEach(
  context: Context,
  archives: readonly ListedArchive[],
  targets: readonly BackupTarget[],
  keys: Keys,
  { did, identity, isVouchedFor, needsNewest }: NewestOptions,
  opened: Opened[],
): Promise<{ readonly refused: readonly Refused[]; readonly damaged: readonly DamagedArchive[] }> {
  const refused: Refused[] = [];
  const damaged: DamagedArchive[] = [];
  let compared = 0;
  const nowMs = systemClock.nowMs();
  let whose = did;
  for (const candidate of newestFirst(archives, nowMs)) {
    if (compared === MAX_COMPARED || refused.length + damaged.length === MAX_PASSED_OVER) break;
    const ahead = isAhead(candidate, nowMs);
    if (ahead && opened.length > 0) break;
    if (ahead)
      context.out.warn(`${candidate.name} is of a time that has not come: this clock is wrong, or its maker's was`);
    try {
      const found = await openCopy(context, candidate, targets, keys);
      whose ??= found.archive.manifest.did;
      const { key, manifest } = found.archive;
      const isKnown = identity !== undefined && isVouchedFor !== true && manifest.did === whose;
      const replaced = isKnown ? replacedSigner(identity, key) : undefined;
      if (replaced !== undefined)
        refused.push({ timeMs: candidate.timeMs, refusal: signerReplaced(candidate.name, replaced) });
      if (manifest.did === whose && replaced === undefined) opened.push({ found, timeMs: candidate.timeMs, ahead });
      else await found.archive.close();
      if (opened.length > 0 && manifest.did === whose) compared += 1;
    } catch (error) {
      context.signal.throwIfAborted();
      // Another agent keeps its archives here, too, or it is of keys that this vault has not.
      if (isAntsError(error, "backup-no-key")) continue;
      if (isAntsError(error, "backup-damaged") && (opened.length > 0 || needsNewest !== true)) {
        damaged.push({ name: candidate.name, timeMs: candidate.timeMs, error });
        continue;
      }
      if (opened.length === 0 || !isAntsError(error)) throw error;
      context.out.warn(`${candidate.name} cannot be compared: ${error.message}`);
    }
  }
  return { refused, damaged };
}

function choose({ out }: Context, opened: readonly Opened[], options: NewestOptions): Opened | undefined {
  if (opened.length === 0) return undefined;
  const identity = knownOf(opened, options.identity);
  const refusals = new Map<Opened, AntsError>();
  for (const one of opened) {
    const replaced = replacedSigner(identity, one.found.archive.key);
    if (replaced !== undefined) refusals.set(one, signerReplaced(one.found.name, replaced));
  }
  const ranked = [...opened].sort(byHead);
  const chosen = ranked.find((one) => !refusals.has(one)) ?? (options.isVouchedFor === true ? ranked[0] : undefined);
  if (chosen === undefined) throw refusals.get(ranked[0]!)!;
  for (const one of opened) {
    if (one === chosen || one.timeMs <= chosen.timeMs) continue;
    out.warn(`${one.found.name} is younger and was passed over: ${refusals.get(one)?.message ?? whyNot(one, chosen)}`);
  }
  return chosen;
}

/** What all of them, and whoever looked before, know of the agent's keys. */
function knownOf(opened: readonly Opened[], known: IdentityLog | undefined): IdentityLog {
  const { did } = opened[0]!.found.archive.manifest;
  const logs = [...(known === undefined ? [] : [known]), ...opened.map(({ found }) => found.archive.identity)];
  return IdentityLog.learnt(
    did,
    logs.flatMap((log) => log.operations()),
  );
}

/** The one to take first: a time that has come, then the chain that went furthest. */
function byHead(a: Opened, b: Opened): number {
  const [one, other] = [headOf(a), headOf(b)];
  return Number(a.ahead) - Number(b.ahead) || other.epoch - one.epoch || other.seq - one.seq || b.timeMs - a.timeMs;
}

function whyNot(one: Opened, chosen: Opened): string {
  const [its, best] = [headOf(one), headOf(chosen)];
  if (its.epoch < best.epoch)
    return `made by an instance that was no longer at work: epoch ${its.epoch} of ${best.epoch}`;
  return `its chain ends before that of ${chosen.found.name}: seq ${its.seq} of ${best.seq}`;
}

function headOf({ found }: Opened): { readonly epoch: number; readonly seq: number } {
  return found.archive.manifest.head ?? { epoch: -1, seq: -1 };
}

/** The first of its copies that can be read. */
export async function openCopy(
  { out, signal }: Context,
  { name, copies }: ListedArchive,
  targets: readonly BackupTarget[],
  { identities }: Keys,
): Promise<FoundArchive> {
  let failure: unknown;
  for (const { url } of copies) {
    try {
      const archive = await readArchive(await targets.find((one) => one.url === url)!.get(name), identities);
      return { name, from: url, archive: await named(name, archive) };
    } catch (error) {
      signal.throwIfAborted();
      if (!isAntsError(error) || error.code === "backup-no-key") throw error;
      failure ??= namedDamage(error, name, url);
      if (copies.length > 1) out.warn(`the copy of ${name} at ${url} cannot be used: ${error.message}`);
    }
  }
  throw failure;
}

/** The archive, if it is what its name says. Throws "backup-damaged"; it is closed then. */
export async function named(name: string, archive: OpenedArchive): Promise<OpenedArchive> {
  try {
    requireNamed(name, archive.manifest);
    return archive;
  } catch (error) {
    await archive.close();
    throw error;
  }
}
