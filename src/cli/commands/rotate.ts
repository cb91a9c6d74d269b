import { zero } from "../../../keys/bytes.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { type OpenVault, openVault, sealVault } from "../../../keys/node/vault.js";
import { readVaultFile, updateVaultFile } from "../../../keys/node/vault-file.js";
import { type Phrase, phraseKeys } from "../../../keys/phrase.js";
import { AgentHome } from "../../agent/home.js";
import { requireNotMovedToRotate } from "../../agent/moved.js";
import { assertVaultOf } from "../../agent/open-home.js";
import { requirePower } from "../../agent/recovery.js";
import { discardNext, signRotation, withNext } from "../../agent/rotation.js";
import { findAnchor, planRotation, turnsOf } from "../../agent/succession.js";
import { ChainStore } from "../../client/chain-store.js";
import { systemPorts } from "../../client/ports.js";
import { RelayPool } from "../../client/relay-pool.js";
import { confirm } from "../confirm.js";
import type { CommandContext, CommandResult } from "../context.js";
import { finishAndClaim, requireWakeableCopy } from "../finish-rotation.js";
import { type NewRelayOptions, newRelays } from "../new-relays.js";
import { surveyAgent, surveyAsOwner } from "../owner-survey.js";
import { passphraseSlot } from "../passphrase-slot.js";
import { type PhraseSource, readPhrase } from "../phrase-input.js";
import { vaultPath } from "../places.js";
import { missingLines, planLines, turnLines } from "../succession-text.js";
import { unlock } from "../unlock.js";
import { type NewPassphraseOptions, vaultPassphrase } from "../vault-passphrase.js";

export interface RotateOptions extends PhraseSource, NewRelayOptions, NewPassphraseOptions {
  readonly anchor: string;
  /** Only list the turns that an anchor may be chosen from. */
  readonly turns?: true;
  readonly yes?: true;
  readonly vault?: string;
  /** The owner knows that the archive of this restored home is from before the theft of the key that signed it. */
  readonly signedByReplacedKey?: true;
  /** Seconds that each relay gets. */
  readonly timeout: number;
}

/**
 * Takes the identity over with the recovery phrase: a fresh key, and everything after the anchor is void. In two phases
 * (agent/rotation.ts); run again, it finishes what a crash or a missing quorum left.
 */
export async function rotate(context: CommandContext, options: RotateOptions): Promise<CommandResult> {
  const home = await AgentHome.open(nodeDisk, context.home);
  if (options.turns === true) return listTurns(context, options, home);
  await requireNotMovedToRotate(nodeDisk, home);
  const lock = await home.lock();
  let isHandedOver = false;
  try {
    await using pool = new RelayPool(systemPorts);
    const path = vaultPath(options.vault, home.config.did, context.env);
    const bytes = await readVaultFile(path);
    keepMemoryOutOfCoreDumps();
    const phrase = isNamed(options) ? await readPhrase(context, options) : undefined;
    let vault = await opened(context, home, options, path, bytes, phrase);
    try {
      if (vault.content.next === undefined) vault = await stage(context, options, { home, path, vault, pool, phrase });
      else context.out.note("a rotation is under way in this vault: it is finished now");
    } catch (error) {
      vault.close();
      throw error;
    } finally {
      if (phrase !== undefined) zero(phrase.entropy);
    }
    isHandedOver = true;
    return await finishAndClaim(context, {
      home,
      lock,
      vault,
      vaultPath: path,
      pool,
      timeoutMs: options.timeout * 1000,
      signedByReplacedKey: options.signedByReplacedKey === true,
    });
  } finally {
    if (!isHandedOver) await lock.release();
  }
}

/** The turns of the chain as the relays have it now: what a thief wrote is there and not here. */
async function listTurns(context: CommandContext, options: RotateOptions, home: AgentHome): Promise<CommandResult> {
  const { did } = home.config;
  const lock = await home.lock();
  try {
    const path = vaultPath(options.vault, did, context.env);
    const bytes = await readVaultFile(path);
    const phrase = isNamed(options) ? await readPhrase(context, options) : undefined;
    const vault = await opened(context, home, options, path, bytes, phrase);
    try {
      await using pool = new RelayPool(systemPorts);
      const chain = await openChain(home);
      const seed = () => vault.content.signSeed;
      await surveyAgent(context, { home, chain, pool, relays: [], timeoutMs: options.timeout * 1000, seed });
      const turns = turnsOf(chain);
      await context.out.result({ did, turns }, turnLines(turns));
    } finally {
      vault.close();
      if (phrase !== undefined) zero(phrase.entropy);
    }
  } finally {
    await lock.release();
  }
  return undefined;
}

function openChain({ identity, layout, config }: AgentHome): Promise<ChainStore> {
  return ChainStore.open({ disk: nodeDisk, folder: layout.chain, did: config.did, keys: identity });
}

function isNamed({ phraseFile, shareFile = [] }: PhraseSource): boolean {
  return phraseFile !== undefined || shareFile.length > 0;
}

/** With the words where they were named, else with the passphrase, which is enough to finish a rotation. */
async function opened(
  context: CommandContext,
  home: AgentHome,
  { vault: file }: RotateOptions,
  path: string,
  bytes: Uint8Array,
  phrase: Phrase | undefined,
): Promise<OpenVault> {
  const { did } = home.config;
  if (phrase === undefined) return (await unlock(context, did, file === undefined ? {} : { vault: file })).vault;
  const vault = openVault(bytes, { phrase: phrase.entropy });
  assertVaultOf(did, vault, path);
  return vault;
}

interface Staging {
  readonly home: AgentHome;
  readonly path: string;
  readonly vault: OpenVault;
  readonly pool: RelayPool;
  readonly phrase: Phrase | undefined;
}

/** The first phase: reads all that the relays have, shows what the anchor drops, and puts new keys into the vault. */
async function stage(context: CommandContext, options: RotateOptions, staging: Staging): Promise<OpenVault> {
  const { out, signal } = context;
  const { home, path, vault, pool } = staging;
  const { identity, config } = home;
  const { entropy } = staging.phrase ?? (await readPhrase(context, options));
  const phrase = phraseKeys(entropy);
  try {
    const chain = await openChain(home);
    const relaysToAsk = options.newRelay ?? [];
    const survey = { home, chain, phrase, pool, relays: relaysToAsk, timeoutMs: options.timeout * 1000 };
    const reports = await surveyAsOwner(context, survey);
    await requireWakeableCopy(home, chain, options);
    const plan = planRotation(identity, chain, findAnchor(chain, options.anchor));
    const power = requirePower(identity, plan.parent, phrase);
    const { relays, faults } = await newRelays(context, options, plan.parent, reports, "rotate");
    const lines = [...planLines(plan), ...missingLines(plan, reports)];
    if (options.yes === true) for (const line of lines) out.note(line);
    // Its bytes are not here, and the new data key is wrapped for nobody who has to show them first.
    if (vault.slotTypes.includes("key-file")) {
      out.warn(
        "the vault opens with a key file, too: not any more after this; a program adds it again (OpenVault.withSlot)",
      );
    }
    await confirm({
      about: ["", `Rotating ${config.did}:`, ...lines.map((line) => `  ${line}`)],
      word: "rotate",
      yes: options.yes === true,
      signal,
    });
    const bytes = await readVaultFile(path);
    const { passphrase } = await vaultPassphrase(context, options, path, bytes);
    const { handles } = plan.parent.op;
    const next = signRotation({ plan, power, relays, faults, handles, timeMs: systemPorts.clock.nowMs() });
    try {
      signal.throwIfAborted();
      await updateVaultFile(path, (present) => {
        vault.refresh(present);
        // Under a new data key: a copy of the old file and its passphrase open nothing of the new one.
        const slots = [passphraseSlot(passphrase, context.env), { type: "phrase", entropy }] as const;
        const backup = encodeMultikey(phrase.backup.publicKey, "x25519");
        return sealVault(withNext({ ...vault.content, backup }, next), { slots });
      });
    } finally {
      zero(passphrase, power.key.seed, power.next.key.seed);
      discardNext(next);
    }
    vault.close();
    return openVault(await readVaultFile(path), { phrase: entropy });
  } finally {
    zero(entropy, phrase.escrow.secret, phrase.backup.secret, phrase.vaultKey);
  }
}
