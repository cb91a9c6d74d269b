import { zero } from "../../../keys/bytes.js";
import { AntsError } from "../../../keys/errors.js";
import { deactivateIdentity } from "../../../keys/identity/create.js";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import { relaySetOf } from "../../../keys/identity/relay-set.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { phraseKeys } from "../../../keys/phrase.js";
import { AgentHome } from "../../agent/home.js";
import { requirePower } from "../../agent/recovery.js";
import { spreadOperation } from "../../agent/spread-operation.js";
import { findAnchor, planRotation } from "../../agent/succession.js";
import { ChainStore } from "../../client/chain-store.js";
import { systemPorts } from "../../client/ports.js";
import { RelayPool } from "../../client/relay-pool.js";
import { confirm } from "../confirm.js";
import type { CommandContext, CommandResult } from "../context.js";
import { tellConfirmations } from "../finish-rotation.js";
import { surveyAsOwner } from "../owner-survey.js";
import { type PhraseSource, readPhrase } from "../phrase-input.js";
import { planLines } from "../succession-text.js";

export interface DeactivateOptions extends PhraseSource {
  readonly anchor: string;
  readonly yes?: true;
  /** Seconds that each relay gets. */
  readonly timeout: number;
}

/**
 * Ends the identity for good, with the recovery phrase. The signed operation is kept in the home before a relay hears of
 * it; run again, it is sent to those that lack it.
 */
export async function deactivate(context: CommandContext, options: DeactivateOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { identity } = home;
  const { did } = home.config;
  const timeoutMs = options.timeout * 1000;
  const lock = await home.lock();
  try {
    await using pool = new RelayPool(systemPorts);
    const operation = identity.deactivated ? identity.newest! : await sign(context, options, home, pool);
    const confirmations = await spreadOperation(operation, identity, { pool, ports: systemPorts, timeoutMs, signal });
    tellConfirmations(context, confirmations);
    const confirmed = confirmations.filter(({ state }) => state === "confirmed").map(({ url }) => url);
    requireQuorum(operation, confirmed);
    await out.result({ did, deactivated: true, operation: operation.hash, confirmed }, [
      `${did} is deactivated: ${confirmed.length} relays say so`,
    ]);
    return undefined;
  } finally {
    await lock.release();
  }
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
    identity.add(parsed);
    await home.keepOperations([parsed]);
    return parsed;
  } finally {
    zero(entropy, phrase.escrow.secret, phrase.backup.secret, phrase.vaultKey);
  }
}

function requireQuorum(operation: ParsedOperation, confirmed: readonly string[]): void {
  const { relays, quorum } = relaySetOf(operation);
  const count = relays.filter(({ url }) => confirmed.includes(url)).length;
  if (count >= quorum) return;
  throw new AntsError(
    "rotation-unconfirmed",
    `${count} of ${relays.length} relays confirm the end, ${quorum} are needed`,
    {
      hint: "the operation is signed and kept: run ants deactivate again when the relays answer",
      details: { did: operation.did },
    },
  );
}
