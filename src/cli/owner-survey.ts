import { hex } from "../../keys/bytes.js";
import type { PhraseKeys } from "../../keys/phrase.js";
import { systemRandom } from "../../keys/ports.js";
import type { AgentHome } from "../agent/home.js";
import { requirePower } from "../agent/recovery.js";
import { requireOpen } from "../agent/succession.js";
import type { ChainStore } from "../client/chain-store.js";
import type { AuthLine } from "../client/connection.js";
import { systemPorts } from "../client/ports.js";
import type { RelayPool } from "../client/relay-pool.js";
import { type RelayReport, surveyChain, surveyIdentity } from "../client/survey.js";
import { createAuth } from "../protocol/auth.js";
import type { CommandContext } from "./context.js";

export interface OwnerSurvey {
  readonly home: AgentHome;
  readonly chain: ChainStore;
  readonly phrase: PhraseKeys;
  readonly pool: RelayPool;
  /** Relays to ask beside those that the identity log names. */
  readonly relays: readonly string[];
  /** For each relay, in each of two rounds. */
  readonly timeoutMs: number;
}

/**
 * Reads all that the relays of all operations have of an agent, as its owner: identity log, then chain, both kept in the
 * home. What each relay came to. Throws "identity-conflicted", "identity-ended", "identity-not-found",
 * "phrase-other-agent", disk errors, the signal's reason.
 */
export async function surveyAsOwner(
  { out, signal }: CommandContext,
  { home, chain, phrase, pool, relays, timeoutMs }: OwnerSurvey,
): Promise<RelayReport[]> {
  const options = { pool, clock: systemPorts.clock, timeoutMs, signal };
  const { identity } = home;
  const identityReports = await home.learning(() => surveyIdentity(identity, relays, options));
  chain.keysChanged();
  const newest = requireOpen(identity);
  const { key } = requirePower(identity, newest, phrase);
  const instance = hex(systemRandom.bytes(8));
  const authLine: AuthLine = ({ relay, challenge }) =>
    createAuth({ did: identity.did, instance, relay, challenge, timeMs: systemPorts.clock.nowMs(), seed: key.seed });
  const answering = identityReports.filter(({ state }) => state === "read").map(({ url }) => url);
  const chainReports = await surveyChain(chain, answering, authLine, options);
  const reports = identityReports.map((report) => chainReports.find(({ url }) => url === report.url) ?? report);
  for (const report of reports) {
    if (report.state === "failed") out.warn(`${report.url} could not be read: ${report.error.message}`);
  }
  return reports;
}
