import { realpath, rm } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { utf8, zero } from "../../../keys/bytes.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { type JoinedAgent, openJoinAnswer } from "../../../keys/node/join-answer.js";
import { makeMoveRequest, moveCode, sealingRequest } from "../../../keys/node/move-request.js";
import { assertDurablePlace } from "../../../keys/node/place.js";
import { createFile } from "../../../keys/node/whole-file.js";
import type { DiskLock } from "../../../keys/ports.js";
import { systemRandom } from "../../../keys/ports.js";
import type { BackupManifest } from "../../agent/backup/manifest.js";
import { readArchive } from "../../agent/backup/read-archive.js";
import { restoreHome } from "../../agent/backup/restore-home.js";
import { dormantMark } from "../../agent/dormant.js";
import { AgentHome, homeLayout } from "../../agent/home.js";
import { type MoveBundle, notABundle, readBundle } from "../../agent/move-bundle.js";
import { StepReader } from "../../agent/step-reader.js";
import type { KnownStep } from "../../agent/step-records.js";
import { systemPorts } from "../../client/ports.js";
import type { ChainHead } from "../../protocol/event.js";
import { readChain } from "../chain-reading.js";
import { confirm } from "../confirm.js";
import type { CommandContext, CommandResult } from "../context.js";
import { findWay, type Way } from "../move-way.js";
import {
  forgetExpiredMoves,
  forgetPendingMove,
  keepPendingMove,
  type PendingMove,
  readPendingMove,
} from "../pending-move.js";
import { allowsEphemeral, isInside, moveFolder, vaultPath } from "../places.js";
import { type KeptVault, keepReceivedVault, receivedIdentity } from "../received-vault.js";
import { printable } from "../text.js";
import { openTerminal } from "../tty.js";
import { usageError } from "../usage.js";
import { openTelling } from "../waiting.js";

export interface MigrateInOptions {
  readonly start?: true;
  readonly request?: string;
  readonly bundle?: string;
  readonly takeover?: true;
  /** The agent that is to come; a person is asked without it. */
  readonly did?: string;
  readonly vault?: string;
  readonly allowEphemeral?: true;
  readonly timeout: number;
}

/** The new host: asks for the agent, then takes what the old host packed, and goes on from where it stopped there. */
export async function migrateIn(context: CommandContext, options: MigrateInOptions): Promise<CommandResult> {
  const { env, home } = context;
  const ephemeral = { allowEphemeral: options.allowEphemeral === true || allowsEphemeral(env) };
  await assertDurablePlace(home, { ...ephemeral, what: "an agent's home" });
  if (options.start === true) return ask(context, options);
  if (options.bundle === undefined)
    throw usageError("ask with --start first; then name with --bundle what ants migrate out wrote", "migrate in");
  return take(context, { ...options, ...ephemeral, bundle: resolve(options.bundle) });
}

async function ask({ out, env, home }: CommandContext, { request: file }: MigrateInOptions): Promise<CommandResult> {
  await requireNoHome(home);
  const folder = moveFolder(env);
  await forgetExpiredMoves(nodeDisk, folder, systemPorts.clock.nowMs());
  const { request, secret } = makeMoveRequest(systemPorts.clock.nowMs(), systemRandom);
  try {
    // First: nobody may get a request whose secret could be lost.
    await keepPendingMove(nodeDisk, folder, { request, secret });
    if (file !== undefined) await writeRequest(resolve(file), request.line);
  } catch (error) {
    await forgetPendingMove(nodeDisk, folder, request.hash);
    throw error;
  } finally {
    zero(secret);
  }
  const code = moveCode(request);
  const { instance, expiresMs, line } = request;
  await out.result(
    { request: line, code, instance, expires: expiresMs, home, ...(file === undefined ? {} : { file }) },
    [
      file === undefined ? line : `the request is in ${file}`,
      `code: ${code}`,
      `on the old host, within a day: ants migrate out --request ${file ?? "'THE LINE ABOVE'"} --bundle FILE`,
      "and then here, with that file: ants migrate in --bundle FILE",
    ],
  );
  return undefined;
}

type TakeOptions = Omit<MigrateInOptions, "bundle" | "allowEphemeral"> & {
  readonly bundle: string;
  readonly allowEphemeral: boolean;
};

/**
 * The order: home, asleep; then the relays are asked whether the pen was handed over to this very request; only then are
 * the keys written; then the claim, which wakes the home. Cut off anywhere, the same command goes on.
 */
async function take(context: CommandContext, options: TakeOptions): Promise<CommandResult> {
  const { out, env, home: path } = context;
  const bundle = await readBundle(options.bundle);
  try {
    const { did, request } = bundle.answer;
    if (options.did !== undefined && options.did !== did) throw otherAgent(did, options.did, options.bundle);
    const folder = moveFolder(env);
    const pending = await readPendingMove(nodeDisk, folder, request);
    const vaultFile = vaultPath(options.vault, did, env);
    if (await isInside(vaultFile, path))
      throw new AntsError("vault-in-home", `refused to keep the key in ${vaultFile}: that is within the home ${path}`, {
        details: { path: vaultFile, home: path },
      });
    keepMemoryOutOfCoreDumps();
    const joined = openKeys(bundle, pending, options.bundle);
    try {
      if (options.did === undefined) await requireWanted(context, joined, did);
      const { epoch, seq, unknown } = await settle(context, options, { bundle, pending, joined, vaultFile });
      await forgetPendingMove(nodeDisk, folder, request);
      await out.result(
        {
          did,
          home: path,
          vault: vaultFile,
          epoch,
          seq,
          unknownSteps: unknown.map(({ key, name }) => ({ key, name })),
        },
        [
          `${did} lives here now: epoch ${epoch}, ${seq + 1} events`,
          `  home   ${path}`,
          `  vault  ${vaultFile}`,
          ...unknown.map(({ key, name }) => `step ${key} (${name}) was under way: find out what became of it`),
          `the bundle is used up: remove ${options.bundle}, here and on the old host`,
        ],
      );
    } finally {
      joined.vault.close();
      zero(pending.secret);
    }
  } finally {
    await bundle.close();
  }
  return undefined;
}

interface Arrival {
  readonly bundle: MoveBundle;
  readonly pending: PendingMove;
  readonly joined: JoinedAgent;
  readonly vaultFile: string;
}

function openKeys({ answer }: MoveBundle, { request, secret }: PendingMove, path: string): JoinedAgent {
  try {
    const joined = openJoinAnswer(answer, sealingRequest(request, answer.did), secret);
    receivedIdentity(joined, answer.key, answer.did);
    return joined;
  } catch (error) {
    if (isAntsError(error, "join-answer") || isAntsError(error, "sealed-open"))
      throw notABundle(path, "its keys do not open", error);
    throw error;
  }
}

/** Where the agent stands that arrived. */
interface Arrived {
  readonly epoch: number;
  readonly seq: number;
  readonly unknown: readonly KnownStep[];
}

/** From a sealed bundle to an agent that had the pen here. */
async function settle(context: CommandContext, options: TakeOptions, arrival: Arrival): Promise<Arrived> {
  const { home: path, env, signal, out } = context;
  const { bundle, pending, joined, vaultFile } = arrival;
  const unpacked = await unpack(context, options, bundle, pending);
  if (unpacked.isAwake) return standing(unpacked.home, joined);
  const { home, lock, isNew } = unpacked;
  let way: Way;
  try {
    way = await findWay(context, {
      ...unpacked,
      instance: pending.request.instance,
      vault: joined.vault,
      takeover: options.takeover === true,
      timeoutMs: options.timeout * 1000,
    });
  } catch (error) {
    await lock.release();
    // A bundle that was used leaves nothing here.
    if (isNew && (isAntsError(error, "handover-used") || isAntsError(error, "move-stale")))
      await rm(path, { recursive: true, force: true });
    throw error;
  }
  let kept: KeptVault;
  try {
    kept = await keepReceivedVault(context, joined, vaultFile, options);
    await keepPendingMove(nodeDisk, moveFolder(env), { ...pending, home: home.path });
  } catch (error) {
    await lock.release();
    throw error;
  }
  out.note(`the vault opens with ${kept.source}, or with the recovery words`);
  out.note(way.kind === "handover" ? "the pen was handed over: claiming it" : "claiming the pen");
  const how = {
    handover: way.kind === "handover" ? { handover: way.id, instance: pending.request.instance } : {},
    claimed: {},
    takeover: { takeover: true },
  }[way.kind];
  const agent = await openTelling(
    context,
    { home, lock, vault: kept.vault, vaultPath: vaultFile },
    { ...how, activate: true, signal, timeoutMs: options.timeout * 1000 },
  );
  const { epoch, seq } = agent.pen.head;
  const unknown = await agent.steps.unknown();
  await agent.close();
  return { epoch, seq, unknown };
}

/** It arrived before, and only that was not noted: what the chain on this disk says. */
async function standing(home: AgentHome, { vault }: JoinedAgent): Promise<Arrived> {
  const { chain } = await readChain(home);
  try {
    const { stateKey, earlier } = vault.content;
    const keys = [stateKey, ...earlier.map((era) => era.stateKey)];
    const unknown = (await new StepReader(chain, keys).survey()).unknown();
    return { epoch: chain.head?.epoch ?? 0, seq: chain.head?.seq ?? -1, unknown };
  } finally {
    await chain.close();
  }
}

/** A home of this bundle. */
type Unpacked =
  | {
      readonly isAwake: false;
      readonly home: AgentHome;
      readonly lock: DiskLock;
      /** Where the chain in the bundle ends. */
      readonly packed: ChainHead | undefined;
      /** It was not there before. */
      readonly isNew: boolean;
    }
  /** An attempt that was cut off right at its end has woken it. */
  | { readonly isAwake: true; readonly home: AgentHome };

/** The home, asleep: unpacked now, or by an attempt that was cut off. */
async function unpack(
  { home: path, signal }: CommandContext,
  options: TakeOptions,
  { answer, archive }: MoveBundle,
  pending: PendingMove,
): Promise<Unpacked> {
  const name = basename(options.bundle);
  const { secret } = pending;
  const opened = await readArchive(archive, [{ secret }]).catch((error: unknown) => {
    if (isAntsError(error, "backup-damaged") || isAntsError(error, "backup-no-key"))
      throw notABundle(options.bundle, error.message, error);
    throw error;
  });
  const { did, tier } = opened.manifest;
  if (did !== answer.did || tier !== "move") {
    await opened.close();
    throw notABundle(options.bundle, `its archive is of another agent or purpose (${did}, ${tier})`);
  }
  const { head: packed } = opened.manifest;
  if ((await nodeDisk.read(homeLayout(path).config)) !== undefined) {
    await opened.close();
    return present(path, pending, opened.manifest);
  }
  try {
    const { home, lock } = await restoreHome({ archive: opened, name, to: path, clock: systemPorts.clock, signal });
    return { isAwake: false, home, lock, packed, isNew: true };
  } catch (error) {
    if (isAntsError(error, "backup-damaged")) throw notABundle(options.bundle, error.message, error);
    throw error;
  }
}

/** A home that is there already is this bundle's, asleep or just awake, or it is in the way. */
async function present(path: string, pending: PendingMove, { did, timeMs, head }: BackupManifest): Promise<Unpacked> {
  const home = await AgentHome.open(nodeDisk, path);
  if (home.config.did !== did) throw homeExists(path);
  const mark = await dormantMark(nodeDisk, home);
  if (mark === undefined) {
    const woken = pending.home === undefined ? undefined : await realpath(pending.home).catch(() => undefined);
    if (woken === undefined || woken !== (await realpath(path))) throw homeExists(path);
    return { isAwake: true, home };
  }
  if (mark.tier !== "move") throw homeExists(path);
  if (mark.madeMs !== timeMs || mark.head?.id !== head?.id)
    throw new AntsError("home-exists", `${path} is of another bundle, and sleeps: nothing was done in it`, {
      hint: `remove it (rm -r ${path}), and run this again; or choose another folder with --home`,
      details: { home: path },
    });
  return { isAwake: false, home, lock: await home.lock(), packed: head, isNew: false };
}

/** A request is no secret: whoever saw it can seal an agent to it. A person says whether this one is meant. */
async function requireWanted({ signal }: CommandContext, { label }: JoinedAgent, did: string): Promise<void> {
  const terminal = openTerminal();
  if (terminal === undefined)
    throw usageError(`there is no terminal to ask on: name the agent that is to come with --did`, "migrate in");
  terminal.close();
  const about = ["", `The bundle holds ${did} ("${printable(label)}"): is that the agent that is to live here?`];
  await confirm({ about, word: "yes", yes: false, signal });
}

function otherAgent(came: string, expected: string, path: string): AntsError {
  return new AntsError("move-other-agent", `${path} holds ${came}, not ${expected}`, {
    hint: "bring the bundle of that agent's host; if nobody of yours made this one, ask anew: ants migrate in --start",
    details: { did: came, expected, path },
  });
}

async function requireNoHome(home: string): Promise<void> {
  if ((await nodeDisk.read(homeLayout(home).config)) !== undefined) throw homeExists(home);
}

function homeExists(home: string): AntsError {
  return new AntsError("home-exists", `${home} is already the home of an agent`, {
    hint: "choose another folder with --home; an identity is never overwritten",
    details: { home },
  });
}

async function writeRequest(path: string, line: string): Promise<void> {
  await createFile(path, utf8(`${line}\n`), 0o600).catch((error: unknown) => {
    if (!isAntsError(error, "disk-exists")) throw error;
    throw new AntsError("disk-exists", `cannot write the request to ${path}: there is something already`, {
      hint: "name a new file",
      details: { path },
    });
  });
}
