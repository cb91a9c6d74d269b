import { hex, zero } from "../../keys/bytes.js";
import type { PhraseKeys } from "../../keys/phrase.js";
import { systemRandom } from "../../keys/ports.js";
import type { AgentHome } from "../agent/home.js";
import { requirePower } from "../agent/recovery.js";
import { requireOpen } from "../agent/succession.js";
import type { ChainStore } from "../client/chain-store.js";
import type { AuthLine } from "../client/connection.js";
import type { IdentityLog } from "../client/identity-log.js";
import { systemPorts } from "../client/ports.js";
import type { RelayPool } from "../client/relay-pool.js";
import { type RelayReport, surveyChain, surveyIdentity } from "../client/survey.js";
import { createAuth } from "../protocol/auth.js";
import type { CommandContext } from "./context.js";
import { atMost, tellWaiting } from "./waiting.js";

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
  /** Does not warn of relays that cannot be read: the caller says so. */
  readonly quiet?: boolean;
}

/**
 * Reads all that the relays of all operations have of an agent: identity log, then chain, both kept in the home. What
 * each relay came to; those that could not be read are told. Throws what `seed` throws, disk errors, the signal's reason.
 */
export async function surveyAgent(
  context: CommandContext,
  { home, chain, pool, relays, timeoutMs, seed, quiet = false }: Survey,
): Promise<RelayReport[]> {
  const { out, signal } = context;
  using _waiting = tellWaiting(context, () => {
    const named = home.identity.newest?.op.relays.map(({ url }) => url) ?? [];
    return `the relays ${[...new Set([...relays, ...named])].join(", ")}, ${atMost(timeoutMs)} for each`;
  });
  const options = { pool, clock: systemPorts.clock, timeoutMs, signal };
  const { identity } = home;
  const { did } = identity;
  const first = [...relays, ...relaysOfClaims(chain, identity)];
  const found = await home.learning(() => surveyIdentity(identity, first, options));
  chain.keysChanged();
  const key = seed();
  const instance = hex(systemRandom.bytes(8));
  const authLine: AuthLine = ({ relay, challenge }) =>
    createAuth({ did, instance, relay, challenge, timeMs: systemPorts.clock.nowMs(), seed: key });
  const chosen = new Set([...relays, ...firstRelays(identity)]);
  const known = new Set([...first, ...chosen]);
  const maxBytes = (url: string) => {
    if (chosen.has(url)) return Number.POSITIVE_INFINITY;
    return known.has(url) ? MAX_KNOWN_BYTES : MAX_STRANGE_BYTES;
  };
  const survey = { ...options, chain, log: identity, authLine, maxBytes };
  const reports = new Map(found.map((report) => [report.url, report]));
  // Known ones first: what they have is not read again from one that a thief may have named.
  const answering = found.filter(({ state }) => state === "read").map(({ url }) => url);
  const strange = answering.filter((url) => !known.has(url)).slice(0, MAX_STRANGE_RELAYS);
  let next = [...answering.filter((url) => known.has(url)), ...strange];
  while (next.length > 0) {
    const asking = next;
    for (const report of await home.learning(() => surveyChain(asking, survey))) reports.set(report.url, report);
    // What was read may tell of claims under operations whose relays were not among those asked.
    next = relaysOfClaims(chain, identity).filter((url) => !reports.has(url));
    for (const url of next) known.add(url);
  }
  for (const report of reports.values()) {
    if (!quiet && report.state === "failed" && known.has(report.url))
      out.warn(`${report.url} could not be read: ${report.error.message}`);
  }
  return [...reports.values()];
}

/** The relays under which the chain was written: of the operations that its claims name. */
function relaysOfClaims(chain: ChainStore, identity: IdentityLog): string[] {
  const named = new Set<string>();
  for (const event of chain.tree.all()) {
    const operation = event.claim ? chain.claim(event.id)?.identity : undefined;
    if (operation !== undefined) named.add(operation);
  }
  const operations = identity.operations().filter(({ hash }) => named.has(hash));
  const urls = operations.reverse().flatMap(({ op }) => op.relays.map(({ url }) => url));
  return [...new Set(urls)].slice(0, MAX_KNOWN_RELAYS);
}

/** The relays that the identity began with. */
function firstRelays(identity: IdentityLog): string[] {
  return identity.operations()[0]?.op.relays.map(({ url }) => url) ?? [];
}

/** An agent moves now and then; a thief claims as often as it likes. */
const MAX_KNOWN_RELAYS = 64;
const MAX_KNOWN_BYTES = 256 * 1024 * 1024;
/** Relays that no claim was written under: how many are read, and how much of each. */
const MAX_STRANGE_RELAYS = 8;
const MAX_STRANGE_BYTES = 16 * 1024 * 1024;

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
    seed: () => {
      const { key, next } = requirePower(identity, requireOpen(identity), phrase);
      zero(next.key.seed);
      return key.seed;
    },
  });
}
