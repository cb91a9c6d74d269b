import { resolve } from "node:path";
import { concat, fromUtf8, utf8, zero } from "../../../keys/bytes.js";
import { assertDid } from "../../../keys/did.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { makeJoinAnswer, openJoinAnswer, parseJoinAnswer } from "../../../keys/node/join-answer.js";
import {
  isJoinCode,
  JOIN_VALID_MS,
  type JoinRequest,
  joinCode,
  makeJoinRequest,
  parseJoinRequest,
} from "../../../keys/node/join-request.js";
import { assertDurablePlace } from "../../../keys/node/place.js";
import { createFile } from "../../../keys/node/whole-file.js";
import { systemRandom } from "../../../keys/ports.js";
import { AgentHome, homeLayout } from "../../agent/home.js";
import { systemPorts } from "../../client/ports.js";
import { MAX_LABEL_LENGTH } from "../../protocol/limits.js";
import type { CommandContext, CommandResult } from "../context.js";
import { readPasted } from "../pasted.js";
import { keepPending, noteAnswered, pendingPath, readPending } from "../pending-join.js";
import { allowsEphemeral, isInside, joinFolder, vaultPath } from "../places.js";
import { keepReceivedVault, receivedIdentity } from "../received-vault.js";
import { openTerminal } from "../tty.js";
import { type UnlockOptions, unlock } from "../unlock.js";
import { usageError } from "../usage.js";

export interface JoinOptions {
  readonly did?: string;
  readonly request?: string;
  readonly answer?: string;
  readonly label?: string;
  readonly vault?: string;
  readonly allowEphemeral?: true;
}

/** The new device: first asks to join, then takes the answer. Never makes a key of an agent (docs/decisions/0018). */
export async function join(context: CommandContext, options: JoinOptions): Promise<CommandResult> {
  if (options.label !== undefined && (options.label === "" || options.label.length > MAX_LABEL_LENGTH))
    throw usageError(`--label: expected 1 to ${MAX_LABEL_LENGTH} characters`, "join");
  await requireNoHome(context.home);
  const ephemeral = { allowEphemeral: options.allowEphemeral === true || allowsEphemeral(context.env) };
  await assertDurablePlace(context.home, { ...ephemeral, what: "an agent's home" });
  if (options.answer !== undefined) return takeAnswer(context, options, options.answer, ephemeral);
  if (options.did === undefined)
    throw usageError(
      "name the agent with --did (ants whoami on the first device), or its answer with --answer",
      "join",
    );
  return ask(context, options.did, options.request);
}

async function ask({ out, env }: CommandContext, did: string, file: string | undefined): Promise<CommandResult> {
  assertDid(did);
  const { request, secret } = makeJoinRequest(did, systemPorts.clock.nowMs(), systemRandom);
  try {
    // First: a file that cannot be written must not cost the request that waits.
    if (file !== undefined) await write(resolve(file), `${request.line}\n`, "request");
    await keepPending(nodeDisk, joinFolder(env), { request, secret });
  } finally {
    zero(secret);
  }
  const code = joinCode(request);
  await out.result(
    { did, request: request.line, code, expires: request.expiresMs, ...(file === undefined ? {} : { file }) },
    [
      ...(file === undefined ? [request.line] : [`the request is in ${file}`]),
      `code: ${code}`,
      `on the first device, within the hour: ants vault share --request ${file ?? "-"}`,
      "and then here: ants join --answer FILE",
    ],
  );
  return undefined;
}

async function takeAnswer(
  context: CommandContext,
  options: JoinOptions,
  from: string,
  ephemeral: { readonly allowEphemeral: boolean },
): Promise<CommandResult> {
  const { out, env, home } = context;
  const answer = parseJoinAnswer(await readPasted(from));
  const { did } = answer;
  const folder = joinFolder(env);
  const { request, secret } = await readPending(nodeDisk, folder, did);
  if (options.did !== undefined && options.did !== did) throw otherAgent(did, options.did);
  requireFresh(request);
  keepMemoryOutOfCoreDumps();
  const joined = openJoinAnswer(answer, request, secret);
  zero(secret);
  try {
    const log = receivedIdentity(joined, answer.key, did);
    const path = vaultPath(options.vault, did, env);
    if (await isInside(path, home))
      throw new AntsError("vault-in-home", `refused to keep the key in ${path}: that is within the home ${home}`, {
        details: { path, home },
      });
    const { vault, source } = await keepReceivedVault(context, joined, path, ephemeral);
    vault.close();
    const lines = log.operations().map(({ line }) => line);
    const config = { did, label: options.label ?? joined.label, founded: false };
    await AgentHome.create(nodeDisk, home, config, joinLines(lines));
    await nodeDisk.remove(pendingPath(folder, did));
    out.note(`the vault opens with ${source}, or with the recovery words`);
    out.warn("two devices are one agent now: one at a time holds the pen (ants publish --wait, --takeover)");
    await out.result({ did, home, vault: path, key: answer.key }, [did, `  home   ${home}`, `  vault  ${path}`]);
  } finally {
    joined.vault.close();
  }
  return undefined;
}

export interface VaultShareOptions extends UnlockOptions {
  readonly request: string;
  readonly answer?: string;
  readonly code?: string;
}

/** The first device: gives the keys to a device whose code a person has carried here. */
export async function vaultShare(context: CommandContext, options: VaultShareOptions): Promise<CommandResult> {
  const { out, env, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { did, label } = home.config;
  const request = parseJoinRequest(await readPasted(options.request));
  if (request.did !== did) throw otherAgent(request.did, did);
  requireFresh(request);
  await requireCode(request, options.code, signal);
  const { vault } = await unlock(context, did, options);
  try {
    const key = encodeMultikey(publicKeyFromSeed(vault.content.signSeed));
    if (home.identity.standingOf(key)?.live !== true)
      throw new AntsError("key-not-live", `the key in this vault, ${key}, may not sign for ${did}`, {
        details: { did, key },
      });
    const identity = joinLines(home.identity.operations().map(({ line }) => line));
    const answer = makeJoinAnswer(request, vault, { label, identity });
    const line = fromUtf8(answer);
    const file = options.answer === undefined ? undefined : resolve(options.answer);
    // First: a file that cannot be written must not use the request up.
    if (file !== undefined) await write(file, line, "answer");
    try {
      await noteAnswered(nodeDisk, joinFolder(env), request, systemPorts.clock.nowMs());
    } catch (error) {
      if (file !== undefined) await nodeDisk.remove(file);
      throw error;
    }
    await out.result(
      {
        did,
        expires: request.expiresMs,
        ...(options.answer === undefined ? { answer: line.trim() } : { file: options.answer }),
      },
      options.answer === undefined
        ? [line.trim()]
        : [`the answer is in ${options.answer}`, "on the new device: ants join --answer FILE"],
    );
  } finally {
    vault.close();
  }
  return undefined;
}

/** Typed, not merely looked at: a person who has to type it has looked. */
async function requireCode(request: JoinRequest, code: string | undefined, signal: AbortSignal): Promise<void> {
  const typed = code ?? (await askCode(signal));
  if (isJoinCode(typed, request)) return;
  throw new AntsError("join-code", "refused: this is not the code of the request", {
    hint: "type the code that the new device shows; if it was right, somebody changed the request on its way",
  });
}

async function askCode(signal: AbortSignal): Promise<string> {
  const terminal = openTerminal();
  if (terminal === undefined)
    throw usageError("there is no terminal to type the new device's code on: --code", "vault share");
  try {
    const bytes = await terminal.readSecret("The code that the new device shows: ", signal);
    return fromUtf8(bytes);
  } finally {
    terminal.close();
  }
}

/** Clocks of two devices may differ; a request that says it is good for days is none that ants made. */
function requireFresh({ expiresMs, did }: JoinRequest): void {
  const left = expiresMs - systemPorts.clock.nowMs();
  if (left > 0 && left <= 2 * JOIN_VALID_MS) return;
  throw new AntsError("join-expired", "the request is older than an hour, or of another time", {
    hint: `on the new device: ants join --did ${did}`,
  });
}

async function requireNoHome(home: string): Promise<void> {
  if ((await nodeDisk.read(homeLayout(home).config)) === undefined) return;
  throw new AntsError("home-exists", `${home} is already the home of an agent`, {
    hint: "choose another folder with --home; an identity is never overwritten",
    details: { home },
  });
}

async function write(path: string, text: string, what: string): Promise<void> {
  await createFile(path, utf8(text), 0o600).catch((error: unknown) => {
    if (!isAntsError(error, "disk-exists")) throw error;
    throw new AntsError("disk-exists", `cannot write the ${what} to ${path}: there is something already`, {
      hint: "name a new file",
      details: { path },
    });
  });
}

function otherAgent(came: string, expected: string): AntsError {
  return new AntsError("vault-other-agent", `this is about ${came}, not ${expected}`, {
    hint: "name the agent with --did on the new device, and its home with --home on the first",
    details: { did: came, expected },
  });
}

/** With a newline between them, as AgentHome.create takes them. */
function joinLines(lines: readonly Uint8Array[]): Uint8Array {
  return concat(...lines.flatMap((line, i) => (i === 0 ? [line] : [utf8("\n"), line])));
}
