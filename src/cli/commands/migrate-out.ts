import { lstat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fromUtf8 } from "../../../keys/bytes.js";
import { AntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { isMoveCode, MOVE_VALID_MS, type MoveRequest, parseMoveRequest } from "../../../keys/node/move-request.js";
import { readVaultFile } from "../../../keys/node/vault-file.js";
import { AgentHome } from "../../agent/home.js";
import { readBundle } from "../../agent/move-bundle.js";
import { type MoveOutStep, moveOut, requireNotArrived, stayHere } from "../../agent/move-out.js";
import { readDeparture } from "../../agent/moved.js";
import { ChainStore } from "../../client/chain-store.js";
import { systemPorts } from "../../client/ports.js";
import { RelayPool } from "../../client/relay-pool.js";
import { agentAtWork } from "../agent-at-work.js";
import { BackupPlace } from "../backup-place.js";
import type { CommandContext, CommandResult } from "../context.js";
import { surveyAgent } from "../owner-survey.js";
import { readPasted } from "../pasted.js";
import { isInside } from "../places.js";
import { openTerminal } from "../tty.js";
import type { UnlockedVault, UnlockOptions } from "../unlock.js";
import { usageError } from "../usage.js";

export interface MigrateOutOptions extends UnlockOptions {
  readonly request?: string;
  readonly bundle?: string;
  readonly code?: string;
  readonly cancel?: true;
  readonly takeover?: true;
  readonly wait?: true;
  readonly timeout: number;
}

const STEPS: Readonly<Record<MoveOutStep, string>> = {
  draining: "waiting until everything is committed",
  packing: "packing the home and the keys, sealed to the new host",
  "handing-over": "handing the pen over",
};

/** The old host: packs the agent for a host whose code a person has carried here, hands the pen over, steps down. */
export async function migrateOut(context: CommandContext, options: MigrateOutOptions): Promise<CommandResult> {
  if (options.cancel === true) return cancel(context, options);
  const { out, signal } = context;
  if (options.request === undefined || options.bundle === undefined)
    throw usageError("name the new host's request with --request, and the file to write with --bundle", "migrate out");
  const bundle = resolve(options.bundle);
  const home = await AgentHome.open(nodeDisk, context.home);
  const request = parseMoveRequest(isLine(options.request) ? options.request : await readPasted(options.request));
  await requirePlace(bundle, home, request);
  requireFresh(request);
  await requireCode(request, options.code, signal);
  const place = await BackupPlace.open(context, options.vault === undefined ? {} : { vault: options.vault });
  const leftOut = await place.leftOut();
  const moved = await agentAtWork(context, atWork(context, options), (agent, { path, vault }) =>
    moveOut({
      agent,
      vault,
      vaultBytes: () => readVaultFile(path),
      request,
      bundle,
      exclude: leftOut,
      disk: nodeDisk,
      ports: systemPorts,
      signal,
      onProgress: (step) => out.note(STEPS[step]),
    }),
  );
  const { did } = home.config;
  await out.result({ did, bundle, instance: request.instance, ...moved }, [
    `${did} is on its way: the pen is handed over to instance ${request.instance} (event ${moved.seq})`,
    `  bundle  ${bundle} (${moved.bytes} bytes, ${moved.files} files)`,
    `on the new host: ants migrate in --bundle FILE`,
    "this home is at rest, and so it stays; remove it and its vault once the agent is at work there",
  ]);
  return undefined;
}

async function cancel(context: CommandContext, options: MigrateOutOptions): Promise<CommandResult> {
  const { out } = context;
  if (options.takeover === true)
    throw usageError(
      "--cancel displaces nobody: whoever holds the pen by now may be this agent, arrived",
      "migrate out",
    );
  const home = await AgentHome.open(nodeDisk, context.home);
  const departure = await readDeparture(nodeDisk, home);
  if (departure === undefined)
    throw usageError("this agent is not moving away: there is nothing to cancel", "migrate out");
  const head = await agentAtWork(context, atWork(context, options), async (agent) => {
    await stayHere({ agent, disk: nodeDisk });
    return agent.pen.head;
  });
  const { did } = home.config;
  await out.result({ did, home: home.path, bundle: departure.bundle, epoch: head.epoch }, [
    `${did} stays here, and no host takes its bundle any more; there are keys in it: remove ${departure.bundle}`,
  ]);
  return undefined;
}

function atWork(context: CommandContext, { timeout, takeover, wait, vault, phraseFile }: MigrateOutOptions) {
  return {
    leaving: true,
    before: (home: AgentHome, unlocked: UnlockedVault) => survey(context, home, unlocked, timeout * 1000),
    timeoutMs: timeout * 1000,
    ...(takeover === true ? { takeover } : {}),
    ...(wait === true ? { wait } : {}),
    ...(vault === undefined ? {} : { vault }),
    ...(phraseFile === undefined ? {} : { phraseFile }),
  } as const;
}

/** An agent that has arrived is not to be displaced by whoever asks whether it has: first it is looked for. */
async function survey(
  context: CommandContext,
  home: AgentHome,
  { vault }: UnlockedVault,
  timeoutMs: number,
): Promise<void> {
  if ((await readDeparture(nodeDisk, home)) === undefined) return;
  const { layout, config, identity } = home;
  await using pool = new RelayPool(systemPorts);
  const chain = await ChainStore.open({ disk: nodeDisk, folder: layout.chain, did: config.did, keys: identity });
  try {
    const seed = () => vault.content.signSeed;
    await surveyAgent(context, { home, chain, pool, relays: [], timeoutMs, seed });
    await requireNotArrived({ home, chain }, nodeDisk);
  } finally {
    await chain.close();
  }
}

/** A request is one line of JSON; a file has no such name. */
function isLine(text: string): boolean {
  return text.trimStart().startsWith("{");
}

/** What a crash of this very move left may be replaced; nothing else is. */
async function requirePlace(bundle: string, home: AgentHome, request: MoveRequest): Promise<void> {
  if (await isInside(bundle, home.path))
    throw usageError(
      `--bundle: ${bundle} is within the home that is to be packed: name a place outside`,
      "migrate out",
    );
  if (!(await exists(dirname(bundle))))
    throw usageError(`--bundle: there is no folder ${dirname(bundle)}`, "migrate out");
  if (!(await exists(bundle)) || (await isOfRequest(bundle, request))) return;
  throw new AntsError("disk-exists", `cannot write the bundle to ${bundle}: there is something already`, {
    hint: "name a new file",
    details: { path: bundle },
  });
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
}

async function isOfRequest(bundle: string, request: MoveRequest): Promise<boolean> {
  try {
    const { answer, close } = await readBundle(bundle);
    await close();
    return answer.request === request.hash;
  } catch (error) {
    if (error instanceof AntsError) return false;
    throw error;
  }
}

/** Clocks of two hosts may differ; a request that says it is good for a week is none that ants made. */
function requireFresh({ expiresMs }: MoveRequest): void {
  const leftMs = expiresMs - systemPorts.clock.nowMs();
  if (leftMs > 0 && leftMs <= 2 * MOVE_VALID_MS) return;
  throw new AntsError("move-expired", "the request is older than a day, or of another time", {
    hint: "on the new host: ants migrate in --start",
  });
}

/** Typed, not merely looked at: a person who has to type it has looked. */
async function requireCode(request: MoveRequest, code: string | undefined, signal: AbortSignal): Promise<void> {
  if (isMoveCode(code ?? (await askCode(signal)), request)) return;
  throw new AntsError("move-code", "refused: this is not the code of the request", {
    hint: "type the code that the new host shows; if it was right, somebody changed the request on its way",
  });
}

async function askCode(signal: AbortSignal): Promise<string> {
  const terminal = openTerminal();
  if (terminal === undefined)
    throw usageError("there is no terminal to type the new host's code on: --code", "migrate out");
  try {
    return fromUtf8(await terminal.readSecret("The code that the new host shows: ", signal));
  } finally {
    terminal.close();
  }
}
