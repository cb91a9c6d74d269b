import { zero } from "../../../keys/bytes.js";
import { assertDid, type Did } from "../../../keys/did.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { assertDurablePlace } from "../../../keys/node/place.js";
import { type OpenVault, openVault, sealVault } from "../../../keys/node/vault.js";
import { readVaultFile, writeVaultFile } from "../../../keys/node/vault-file.js";
import { type PhraseKeys, phraseKeys } from "../../../keys/phrase.js";
import { AgentHome, homeLayout } from "../../agent/home.js";
import { requireNotMovedToRotate } from "../../agent/moved.js";
import { assertVaultOf } from "../../agent/open-home.js";
import { escrowedKeys, type FoundAgent, findAgents, requirePower } from "../../agent/recovery.js";
import { discardNext, signRotation, withNext } from "../../agent/rotation.js";
import { findAnchor, planRotation } from "../../agent/succession.js";
import { ChainStore } from "../../client/chain-store.js";
import { dialTimeout } from "../../client/connection-errors.js";
import { withDeadline } from "../../client/deadline.js";
import { systemPorts } from "../../client/ports.js";
import { RelayPool } from "../../client/relay-pool.js";
import { confirm } from "../confirm.js";
import type { CommandContext, CommandResult } from "../context.js";
import { finishAndClaim, requireWakeableCopy } from "../finish-rotation.js";
import { type NewRelayOptions, newRelays } from "../new-relays.js";
import { surveyAsOwner } from "../owner-survey.js";
import { readPassphrase } from "../passphrase.js";
import { passphraseSlot } from "../passphrase-slot.js";
import { type PhraseSource, readPhrase } from "../phrase-input.js";
import { allowsEphemeral, isInside, vaultPath } from "../places.js";
import { relayUrl } from "../relay-url-option.js";
import { missingLines, planLines } from "../succession-text.js";

export interface RecoverOptions extends PhraseSource, NewRelayOptions {
  /** Relays that the agent published to; one is enough. */
  readonly relay: readonly string[];
  readonly did?: string;
  readonly anchor: string;
  readonly label: string;
  readonly yes?: true;
  readonly vault?: string;
  readonly allowEphemeral?: true;
  /** The owner knows that the archive of this restored home is from before the theft of the key that signed it. */
  readonly signedByReplacedKey?: true;
  /** Seconds that each relay gets. */
  readonly timeout: number;
}

/**
 * Brings an agent back from its recovery words and one relay: finds it, reads all that its relays have, rotates to a
 * fresh key, writes a new home and vault, and claims. Run again with the same home it goes on where it stopped.
 */
export async function recover(context: CommandContext, options: RecoverOptions): Promise<CommandResult> {
  const { home: path, env, signal } = context;
  const allowEphemeral = options.allowEphemeral === true || allowsEphemeral(env);
  await assertDurablePlace(path, { allowEphemeral, what: "an agent's home" });
  keepMemoryOutOfCoreDumps();
  const { entropy } = await readPhrase(context, options);
  const phrase = phraseKeys(entropy);
  await using pool = new RelayPool(systemPorts);
  try {
    const found = await find(context, options, phrase, pool);
    const vaultFile = vaultPath(options.vault, found.did, env);
    if (await isInside(vaultFile, path)) throw vaultInHome(vaultFile, path);
    await refuseOtherHome(path, found.did);
    // Before anything is made: a vault that is whole is no matter for a recovery.
    const kept = await staged(vaultFile, entropy, found.did, path);
    const home = await settle(context, options, found);
    const lock = await home.lock();
    let vault: OpenVault;
    try {
      signal.throwIfAborted();
      vault = kept ?? (await stage(context, options, { home, vaultFile, phrase, entropy, pool, allowEphemeral }));
    } catch (error) {
      kept?.close();
      await lock.release();
      throw error;
    }
    const more = { json: { home: path, vault: vaultFile }, lines: [`  home   ${path}`, `  vault  ${vaultFile}`] };
    const timeoutMs = options.timeout * 1000;
    return await finishAndClaim(context, {
      home,
      lock,
      vault,
      vaultPath: vaultFile,
      pool,
      timeoutMs,
      signedByReplacedKey: options.signedByReplacedKey === true,
      more,
    });
  } finally {
    zero(entropy, phrase.escrow.secret, phrase.backup.secret, phrase.vaultKey);
  }
}

/** The agent of these words, as all relays that were named tell of it: one of them may know a decoy only. */
async function find(
  { out, signal }: CommandContext,
  { relay, did, timeout }: RecoverOptions,
  phrase: PhraseKeys,
  pool: RelayPool,
): Promise<FoundAgent> {
  if (did !== undefined) assertDid(did);
  const found = new Map<Did, FoundAgent>();
  const failures: AntsError[] = [];
  for (const named of relay) {
    const url = relayUrl(named, "recover");
    const late = () => pool.whyAway(url) ?? dialTimeout(url, timeout * 1000);
    try {
      const options = { relay: url, phrase, pool, ports: systemPorts, ...(did === undefined ? {} : { did }) };
      const work = (signal: AbortSignal) => findAgents({ ...options, signal });
      const agents = await withDeadline(systemPorts.clock, timeout * 1000, signal, late, work);
      for (const agent of agents) if (!found.has(agent.did)) found.set(agent.did, agent);
    } catch (error) {
      signal.throwIfAborted();
      if (!isAntsError(error)) throw error;
      out.warn(`${url} could not be asked: ${error.message}`);
      failures.push(error);
    }
  }
  const agents = [...found.values()];
  if (agents.length > 1) throw severalAgents(agents.map((agent) => agent.did));
  if (agents.length === 1) return agents[0]!;
  if (failures.length === relay.length) {
    throw new AntsError("relay-unreachable", "none of the relays that were named could be asked", {
      hint: "name another relay that the agent published to: --relay wss://…; or give them more time: --timeout 60",
      cause: failures[0],
      details: { relays: relay },
    });
  }
  throw new AntsError("recover-not-found", "no relay that answered knows an agent of these words", {
    hint: "check the words (ants phrase verify), and name a relay that the agent published to: --relay wss://…",
    details: { relays: relay },
  });
}

/** The home to recover into: a new one, or that of a recovery which was cut off. */
async function settle(
  { home: path }: CommandContext,
  { label }: RecoverOptions,
  { did, log }: FoundAgent,
): Promise<AgentHome> {
  const isThere = (await nodeDisk.read(homeLayout(path).config)) !== undefined;
  const [genesis, ...rest] = log.operations();
  if (!isThere) {
    const config = { did, label, founded: false };
    const made = await AgentHome.create(nodeDisk, path, config, genesis!.line);
    await made.learn(rest);
    return made;
  }
  const home = await AgentHome.open(nodeDisk, path);
  await home.learn(log.operations());
  return home;
}

async function refuseOtherHome(path: string, did: Did): Promise<void> {
  if ((await nodeDisk.read(homeLayout(path).config)) === undefined) return;
  const home = await AgentHome.open(nodeDisk, path);
  const { config } = home;
  if (config.did !== did) throw homeExists(path, `it is of ${config.did}, and these words are of ${did}`);
  await requireNotMovedToRotate(nodeDisk, home);
}

/** The vault of a recovery that was cut off after it was written; undefined where there is none yet. */
async function staged(path: string, entropy: Uint8Array, did: Did, home: string): Promise<OpenVault | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readVaultFile(path);
  } catch (error) {
    if (isAntsError(error, "vault-missing")) return undefined;
    throw error;
  }
  const vault = openVault(bytes, { phrase: entropy });
  assertVaultOf(did, vault, path);
  if (vault.content.next !== undefined) return vault;
  vault.close();
  if ((await nodeDisk.read(homeLayout(home).config)) !== undefined) {
    throw homeExists(home, `and ${path} is its vault`);
  }
  throw new AntsError("vault-exists", `there is a whole vault of ${did} at ${path}`, {
    hint: "it opens with its passphrase or the words: put its home back, or recover into a new vault: --vault FILE",
    details: { path, did },
  });
}

interface Staging {
  readonly home: AgentHome;
  readonly vaultFile: string;
  readonly phrase: PhraseKeys;
  readonly entropy: Uint8Array;
  readonly pool: RelayPool;
  readonly allowEphemeral: boolean;
}

/** Reads everything, shows what the anchor drops and what may be missing, asks, and writes the vault with the new keys. */
async function stage(context: CommandContext, options: RecoverOptions, staging: Staging): Promise<OpenVault> {
  const { out, env, signal } = context;
  const { home, vaultFile, phrase, entropy, pool, allowEphemeral } = staging;
  const { identity, layout } = home;
  const did: Did = home.config.did;
  const chain = await ChainStore.open({ disk: nodeDisk, folder: layout.chain, did, keys: identity });
  const relays = [...options.relay, ...(options.newRelay ?? [])].map((url) => relayUrl(url, "recover"));
  const reports = await surveyAsOwner(context, {
    home,
    chain,
    phrase,
    pool,
    relays,
    timeoutMs: options.timeout * 1000,
  });
  if (chain.head === undefined) {
    throw new AntsError("chain-missing", `no relay that answers has an event of ${did}`, {
      hint: "name a relay that has its chain: --relay wss://…; a second chain is never begun",
      details: { did },
    });
  }
  await requireWakeableCopy(home, chain, options);
  const plan = planRotation(identity, chain, findAnchor(chain, options.anchor));
  const power = requirePower(identity, plan.parent, phrase);
  const lines = [...planLines(plan), ...missingLines(plan, reports)];
  if (options.yes === true) for (const line of [did, ...lines]) out.note(line);
  // Also where nothing is missing: the key in force signs nothing any more after this, and a host may be at work with it.
  await confirm({
    about: ["", `Recovering ${did}: the key that it has now is replaced.`, ...lines.map((line) => `  ${line}`)],
    word: "recover",
    yes: options.yes === true,
    signal,
  });
  const chosen = await newRelays(context, options, plan.parent, reports, "recover");
  const eras = await escrowedKeys(did, chain, phrase, plan.anchor);
  if (eras.length === 0) out.warn("no claim carries keys that these words open: older private bodies stay closed");
  const { passphrase } = await readPassphrase({
    purpose: "create",
    subject: "the new vault",
    env,
    signal,
    warn: (text) => out.warn(text),
  });
  const { handles } = plan.parent.op;
  const next = signRotation({ plan, power, ...chosen, handles, timeMs: systemPorts.clock.nowMs() });
  const { signSeed, agreeSecret, stateKey } = next;
  try {
    signal.throwIfAborted();
    const backup = encodeMultikey(phrase.backup.publicKey, "x25519");
    const content = withNext({ did, signSeed, agreeSecret, stateKey, earlier: eras, backup, secrets: {} }, next);
    const slots = [passphraseSlot(passphrase, context.env), { type: "phrase", entropy } as const];
    await writeVaultFile(vaultFile, sealVault(content, { slots }), { allowEphemeral });
  } finally {
    zero(passphrase, power.key.seed, power.next.key.seed);
    discardNext(next);
    for (const era of eras) zero(era.agreeSecret, era.stateKey);
  }
  return openVault(await readVaultFile(vaultFile), { phrase: entropy });
}

function severalAgents(dids: readonly Did[]): AntsError {
  return new AntsError("recover-several", `these words rule several agents: ${dids.join(", ")}`, {
    hint: `name one of them: --did ${dids[0]}`,
    details: { dids },
  });
}

function homeExists(path: string, why: string): AntsError {
  return new AntsError("home-exists", `${path} is already the home of an agent: ${why}`, {
    hint: "recover into another folder: --home DIR; a key that was stolen is replaced with ants rotate",
    details: { home: path },
  });
}

function vaultInHome(path: string, home: string): AntsError {
  return new AntsError("vault-in-home", `refused to keep the key in ${path}: that is within the home ${home}`, {
    hint: "homes are copied and read: name a place outside with --vault, or another home with --home",
    details: { path, home },
  });
}
