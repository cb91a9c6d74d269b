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

export interface Survey {
  readonly home: AgentHome;
  readonly chain: ChainStore;
  readonly pool: RelayPool;
  /** Relays to ask beside those that the identity log names. */
  readonly relays: readonly string[];
  /** For each relay, in each of two rounds. */
  readonly timeoutMs: number;
  /** The seed that authenticates, once the identity log is read: of the sign key, or of the owner's recovery key. */
  readonly seed: () => Uint8Array;
}

/**
 * Reads all that the relays of all operations have of an agent: identity log, then chain, both kept in the home. What
 * each relay came to; those that could not be read are told. Throws what `seed` throws, disk errors, the signal's reason.
 */
export async function surveyAgent(
  { out, signal }: CommandContext,
  { home, chain, pool, relays, timeoutMs, seed }: Survey,
): Promise<RelayReport[]> {
  const options = { pool, clock: systemPorts.clock, timeoutMs, signal };
  const { identity } = home;
  const { did } = identity;
  const identityReports = await home.learning(() => surveyIdentity(identity, relays, options));
  chain.keysChanged();
  const key = seed();
  const instance = hex(systemRandom.bytes(8));
  const authLine: AuthLine = ({ relay, challenge }) =>
    createAuth({ did, instance, relay, challenge, timeMs: systemPorts.clock.nowMs(), seed: key });
  const answering = identityReports.filter(({ state }) => state === "read").map(({ url }) => url);
  const chainReports = await surveyChain(chain, answering, authLine, options);
  const reports = identityReports.map((report) => chainReports.find(({ url }) => url === report.url) ?? report);
  for (const report of reports) {
    if (report.state === "failed") out.warn(`${report.url} could not be read: ${report.error.message}`);
  }
  return reports;
}

/**
 * {@link surveyAgent} with nothing but the phrase. Throws "identity-conflicted", "identity-ended", "phrase-other-agent" besides.
 */
export function surveyAsOwner(
  context: CommandContext,
  { phrase, ...survey }: Omit<Survey, "seed"> & { readonly phrase: PhraseKeys },
): Promise<RelayReport[]> {
  const { identity } = survey.home;
  return surveyAgent(context, {
    ...survey,
    seed: () => requirePower(identity, requireOpen(identity), phrase).key.seed,
  });
}
