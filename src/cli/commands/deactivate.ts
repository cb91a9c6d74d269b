import { zero } from "../../../keys/bytes.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { deactivateIdentity } from "../../../keys/identity/create.js";
import { type ParsedOperation, parseOperation } from "../../../keys/identity/operation.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { openVault } from "../../../keys/node/vault.js";
import { readVaultFile } from "../../../keys/node/vault-file.js";
import { phraseKeys } from "../../../keys/phrase.js";
import { AgentHome } from "../../agent/home.js";
import { requirePower } from "../../agent/recovery.js";
import { confirmOperation, requireConfirmed, tellOthers } from "../../agent/spread-operation.js";
import { findAnchor, planRotation } from "../../agent/succession.js";
import { ChainStore } from "../../client/chain-store.js";
import { systemPorts } from "../../client/ports.js";
import { RelayPool } from "../../client/relay-pool.js";
import { confirm } from "../confirm.js";
import type { CommandContext, CommandResult } from "../context.js";
import { tellConfirmations } from "../finish-rotation.js";
import { surveyAsOwner } from "../owner-survey.js";
import { type PhraseSource, readPhrase } from "../phrase-input.js";
import { vaultPath } from "../places.js";
import { planLines } from "../succession-text.js";

export interface DeactivateOptions extends PhraseSource {
  readonly anchor: string;
  readonly yes?: true;
  readonly vault?: string;
  /** Seconds that each relay gets. */
  readonly timeout: number;
}

/**
 * Ends the identity for good, with the recovery phrase. The signed operation is on the disk before a relay hears of it,
 * and becomes the home's own once a quorum holds it; run again, it is sent to those that lack it.
 */
export async function deactivate(context: CommandContext, options: DeactivateOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { identity } = home;
  const { did } = home.config;
  const lock = await home.lock();
  try {
    await using pool = new RelayPool(systemPorts);
    const file = `${home.layout.state}/identity.ending`;
    const operation = identity.deactivated ? identity.newest! : await signed(context, options, home, pool, file);
    const spread = { pool, ports: systemPorts, timeoutMs: options.timeout * 1000, signal };
    const confirmations = await confirmOperation(operation, identity, spread);
    tellConfirmations(context, confirmations);
    try {
      requireConfirmed(operation, confirmations);
    } catch (error) {
      if (isAntsError(error, "rotation-rival")) await nodeDisk.remove(file);
      throw error;
    }
    await home.learn([operation]);
    await nodeDisk.remove(file);
    tellConfirmations(context, await tellOthers(operation, identity, spread));
    const confirmed = confirmations.filter(({ state }) => state === "confirmed").map(({ url }) => url);
    await out.result({ did, deactivated: true, operation: operation.hash, confirmed }, [
      `${did} is deactivated: ${confirmed.length} relays say so`,
    ]);
    return undefined;
  } finally {
    await lock.release();
  }
}

/** The operation that an earlier run signed, or a new one, on the disk. */
async function signed(
  context: CommandContext,
  options: DeactivateOptions,
  home: AgentHome,
  pool: RelayPool,
  file: string,
): Promise<ParsedOperation> {
  const kept = await nodeDisk.read(file);
  if (kept !== undefined) return parseOperation(kept);
  const operation = await sign(context, options, home, pool);
  await nodeDisk.replace(file, operation.line);
  return operation;
}

async function sign(
  context: CommandContext,
  options: DeactivateOptions,
  home: AgentHome,
  pool: RelayPool,
): Promise<ParsedOperation> {
  const { identity, layout } = home;
  const { did } = home.config;
  const { entropy } = await readPhrase(context, options);
  const phrase = phraseKeys(entropy);
  try {
    await refuseUnfinished(vaultPath(options.vault, did, context.env), entropy, did);
    const chain = await ChainStore.open({ disk: nodeDisk, folder: layout.chain, did, keys: identity });
    const survey = { home, chain, phrase, pool, relays: [], timeoutMs: options.timeout * 1000 };
    await surveyAsOwner(context, survey);
    const plan = planRotation(identity, chain, findAnchor(chain, options.anchor));
    const { parent, anchor } = plan;
    const power = requirePower(identity, parent, phrase);
    await confirm({
      about: ["", `Ending ${did} for good. No key and no words bring it back.`, ...planLines(plan)],
      word: did.slice(-8),
      yes: options.yes === true,
      signal: context.signal,
    });
    const { parsed } = deactivateIdentity({
      parent,
      ...(anchor === undefined ? {} : { anchor: { epoch: anchor.epoch, seq: anchor.seq, id: anchor.id } }),
      revealSeeds: [power.key.seed],
      timeMs: systemPorts.clock.nowMs(),
    });
    zero(power.key.seed, power.next.key.seed);
    return parsed;
  } finally {
    zero(entropy, phrase.escrow.secret, phrase.backup.secret, phrase.vaultKey);
  }
}

/** A rotate that waits in the vault reveals the same key: the two would be rivals. */
async function refuseUnfinished(path: string, entropy: Uint8Array, did: string): Promise<void> {
  let bytes: Uint8Array;
  try {
    bytes = await readVaultFile(path);
  } catch (error) {
    // Without its vault an agent can be ended all the same.
    if (isAntsError(error, "vault-missing")) return;
    throw error;
  }
  const vault = openVault(bytes, { phrase: entropy });
  const isUnfinished = vault.content.next !== undefined;
  vault.close();
  if (!isUnfinished) return;
  throw new AntsError("rotation-unfinished", `a rotation of ${did} is under way in ${path}`, {
    hint: "finish it first: ants rotate",
    details: { did, path },
  });
}
