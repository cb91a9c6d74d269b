import { rm } from "node:fs/promises";
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
import { readArchive } from "../../agent/backup/read-archive.js";
import { restoreHome } from "../../agent/backup/restore-home.js";
import { dormantMark } from "../../agent/dormant.js";
import { AgentHome, homeLayout } from "../../agent/home.js";
import { type MoveBundle, notABundle, readBundle } from "../../agent/move-bundle.js";
import type { Agent } from "../../agent/open-agent.js";
import { openUnlocked } from "../../agent/open-home.js";
import { ownEvents } from "../../agent/own-events.js";
import { ChainStore } from "../../client/chain-store.js";
import { systemPorts } from "../../client/ports.js";
import { RelayPool } from "../../client/relay-pool.js";
import { CLAIM_KIND, type Event } from "../../protocol/event.js";
import { HANDOVER_KIND, handoverOf } from "../../protocol/handover.js";
import type { CommandContext, CommandResult } from "../context.js";
import { surveyAgent } from "../owner-survey.js";
import { forgetPendingMove, keepPendingMove, type PendingMove, readPendingMove } from "../pending-move.js";
import { allowsEphemeral, isInside, moveFolder, vaultPath } from "../places.js";
import { type KeptVault, keepReceivedVault, receivedIdentity } from "../received-vault.js";
import { usageError } from "../usage.js";

export interface MigrateInOptions {
  readonly start?: true;
  readonly request?: string;
  readonly bundle?: string;
  readonly takeover?: true;
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
    throw usageError("ask with --start first, then name what ants migrate out wrote with --bundle", "migrate in");
  return take(context, { ...options, ...ephemeral, bundle: resolve(options.bundle) });
}

async function ask({ out, env, home }: CommandContext, { request: file }: MigrateInOptions): Promise<CommandResult> {
  await requireNoHome(home);
  const { request, secret } = makeMoveRequest(systemPorts.clock.nowMs(), systemRandom);
  try {
    if (file !== undefined) await writeRequest(resolve(file), request.line);
    await keepPendingMove(nodeDisk, moveFolder(env), { request, secret });
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
      const agent = await settle(context, options, { bundle, pending, joined, vaultFile });
      const { epoch, seq } = agent.pen.head;
      const unknown = await agent.steps.unknown();
      await agent.close();
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

/** From a sealed bundle to an agent that holds the pen. */
async function settle(context: CommandContext, options: TakeOptions, arrival: Arrival): Promise<Agent> {
  const { home: path, signal, out } = context;
  const { bundle, pending, joined, vaultFile } = arrival;
  const unpacked = await unpack(context, options, bundle, pending);
  const { home, lock, isNew } = unpacked;
  let way: Way;
  try {
    way = await findWay(context, options, unpacked, joined, pending);
  } catch (error) {
    await lock.release();
    // A bundle that was used leaves nothing here.
    if (isNew && isAntsError(error, "handover-used")) await rm(path, { recursive: true, force: true });
    throw error;
  }
  let kept: KeptVault;
  try {
    kept = await keepReceivedVault(context, joined, vaultFile, options);
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
  return openUnlocked(
    { home, lock, vault: kept.vault, vaultPath: vaultFile },
    { ...how, activate: true, signal, timeoutMs: options.timeout * 1000 },
  );
}

interface Unpacked {
  readonly home: AgentHome;
  readonly lock: DiskLock;
  /** It was not there before. */
  readonly isNew: boolean;
}

/** The home, asleep: unpacked now, or by an attempt that was cut off. */
async function unpack(
  { home: path, signal }: CommandContext,
  options: TakeOptions,
  { answer, archive }: MoveBundle,
  { secret }: PendingMove,
): Promise<Unpacked> {
  const name = basename(options.bundle);
  if ((await nodeDisk.read(homeLayout(path).config)) !== undefined) {
    const home = await AgentHome.open(nodeDisk, path);
    const mark = await dormantMark(nodeDisk, home);
    if (home.config.did !== answer.did || mark?.tier !== "move") throw homeExists(path);
    return { home, lock: await home.lock(), isNew: false };
  }
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
  try {
    const { home, lock } = await restoreHome({ archive: opened, name, to: path, clock: systemPorts.clock, signal });
    return { home, lock, isNew: true };
  } catch (error) {
    if (isAntsError(error, "backup-damaged")) throw notABundle(options.bundle, error.message, error);
    throw error;
  }
}

/** How this host comes to the pen. */
type Way =
  /** By the event that ends the chain. */
  | { readonly kind: "handover"; readonly id: string }
  /** An attempt that was cut off has claimed already. */
  | { readonly kind: "claimed" }
  /** The old host is said to be gone. */
  | { readonly kind: "takeover" };

/**
 * Reads what the relays have, and finds the hand-over to this request at the end of the chain. Throws
 * "move-no-handover", "handover-used".
 */
async function findWay(
  context: CommandContext,
  { timeout, takeover }: TakeOptions,
  { home, isNew }: Unpacked,
  joined: JoinedAgent,
  { request }: PendingMove,
): Promise<Way> {
  const { did } = home.config;
  const { instance } = request;
  await using pool = new RelayPool(systemPorts);
  const chain = await ChainStore.open({ disk: nodeDisk, folder: home.layout.chain, did, keys: home.identity });
  try {
    const seed = () => joined.vault.content.signSeed;
    await surveyAgent(context, { home, chain, pool, relays: [], timeoutMs: timeout * 1000, seed });
    const last = chain.head?.seq ?? -1;
    let newest: Event | undefined;
    for await (const event of ownEvents(chain, [HANDOVER_KIND], 0, last))
      if (handoverOf(event)?.instance === instance) newest = event;
    if (newest === undefined) {
      if (takeover === true) return { kind: "takeover" };
      throw noHandover(did, instance);
    }
    const after: Event[] = [];
    for await (const event of ownEvents(chain, [CLAIM_KIND], newest.seq + 1, last)) after.push(event);
    if (newest.seq === last) return { kind: "handover", id: newest.id };
    const isOurs = after.length === last - newest.seq && after.every(({ body }) => body?.instance === instance);
    if (!isNew && isOurs) return { kind: "claimed" };
    throw new AntsError("handover-used", `the chain of ${did} went on after the hand-over to this host`, {
      hint: "a hand-over works once: ask anew with ants migrate in --start, and move from where the agent is now",
      details: { did, handover: newest.id },
    });
  } finally {
    await chain.close();
  }
}

function noHandover(did: string, instance: string): AntsError {
  return new AntsError("move-no-handover", `no relay that answers has a hand-over of ${did} to this host`, {
    hint: "run ants migrate out there again; if that host is gone for good: ants migrate in --bundle FILE --takeover",
    details: { did, instance },
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
