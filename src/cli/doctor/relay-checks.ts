import type { Did } from "../../../keys/did.js";
import { isAntsError } from "../../../keys/errors.js";
import { relaySetOf } from "../../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../../keys/identity/shape.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { AgentHome } from "../../agent/home.js";
import type { ChainHead } from "../../protocol/event.js";
import { readChain } from "../chain-reading.js";
import { agentHead, askRelay } from "../relay-info.js";
import { type RelayStanding, standings, withheldText } from "../relay-standing.js";
import { advice, broken, type Finding, ok } from "./finding.js";

/** Three survive the loss of one with a quorum left. */
const ADVISED_RELAYS = 3;

interface Asked {
  readonly finding: Finding;
  /** It is the relay that the identity names, and it answers. */
  readonly counts: boolean;
}

export interface RelayCheckOptions {
  readonly head: ChainHead | undefined;
  /** The newest event that home or vault know of, -1 for none; undefined where the chain cannot be read. */
  readonly knownSeq: number | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** What this home is told where it lacks events though nothing is published from it: it moved, is a copy, or its key was replaced. */
  readonly atRest?: string;
}

/** Each relay of the identity, and whether those that answer are a quorum. */
export async function checkRelays(home: AgentHome, options: RelayCheckOptions): Promise<Finding[]> {
  const newest = home.identity.newest;
  if (newest === undefined) return [];
  const { relays, quorum } = relaySetOf(newest);
  const standing = await standings(home, options);
  const withholding = keptFromReaders(standing);
  const asked = await Promise.all(relays.map((relay) => askOne(home.config.did, relay, withholding, options)));
  const counting = asked.filter(({ counts }) => counts).length;
  const findings = asked.map(({ finding }) => finding);
  const all = `${counting} of ${relays.length} relays answer, ${quorum} are a quorum`;
  if (counting >= quorum) findings.push(ok("quorum", all));
  else
    findings.push(
      broken(
        "quorum",
        all,
        "bring relays back: without a quorum nothing is published (ants publish --wait waits for it)",
      ),
    );
  if (relays.length < ADVISED_RELAYS) {
    const found = `${relays.length === 1 ? "one relay" : `${relays.length} relays`}: the loss of one stops the agent`;
    findings.push(
      advice("redundancy", found, `an identity with ${ADVISED_RELAYS} relays or more, run by different people`),
    );
  }
  return [...findings, ...(await elsewhere(home, standing, options))];
}

/**
 * What relays have of this agent that its home does not: somebody works as it elsewhere. A relay's word is a hint and no
 * proof, so this is advice.
 */
async function elsewhere(
  home: AgentHome,
  standing: readonly RelayStanding[],
  options: RelayCheckOptions,
): Promise<Finding[]> {
  const audits = standing.flatMap((relay) => ("audit" in relay ? [relay.audit] : []));
  const findings: Finding[] = [];
  const told = Math.max(-1, ...audits.map(({ head }) => head?.seq ?? -1));
  if (options.knownSeq !== undefined && told > options.knownSeq) {
    // Read again: an instance at work in this very home may have published since, and it keeps before it sends.
    const { chain } = await readChain(home);
    const known = Math.max(options.knownSeq, chain.head?.seq ?? -1);
    await chain.close();
    if (told > known) {
      const which =
        told === known + 1
          ? `an event that this home does not have (seq ${told})`
          : `${told - known} events that this home does not have (seq ${known + 1} to ${told})`;
      findings.push(
        advice(
          "other instance",
          `the relays have ${which}: another instance writes`,
          options.atRest ?? "if it is not yours: ants rotate --turns",
        ),
      );
    }
  }
  // It may have begun before what this home wrote last, and then it has no more events.
  const beyond = standing.flatMap(({ url, state }) => (state === "beyond" ? [url] : []));
  if (findings.length === 0 && beyond.length > 0) {
    const found = `the agent went on in a later turn than this home's, as its key signed: another instance writes (${beyond.join(", ")})`;
    const fix =
      "stop what runs here, its backups too; to go on here: ants publish; if it is not yours: ants rotate --turns";
    findings.push(advice("other instance", found, options.atRest ?? fix));
  }
  const { identity } = await AgentHome.open(nodeDisk, home.path);
  if (audits.some(({ identity: hash }) => hash !== undefined && !identity.has(hash))) {
    const found =
      "the relays know a newer identity operation than this home: the key or the relays were changed elsewhere";
    findings.push(
      advice("newer identity", found, options.atRest ?? "ants publish reads it; if that was not you: ants rotate"),
    );
  }
  return findings;
}

/** By URL: what a relay that acknowledged events keeps from readers. */
function keptFromReaders(found: readonly RelayStanding[]): Map<string, string> {
  return new Map(found.flatMap((relay) => (relay.state === "withholds" ? [[relay.url, withheldText(relay)]] : [])));
}

async function askOne(
  did: Did,
  relay: RelayAddress,
  withholding: ReadonlyMap<string, string>,
  options: RelayCheckOptions,
): Promise<Asked> {
  const { url, stream } = relay;
  const { head, signal, timeoutMs } = options;
  const check = `relay ${url}`;
  try {
    const started = performance.now();
    const info = await askRelay(url, { signal, timeoutMs });
    const tookMs = Math.round(performance.now() - started);
    if (info.stream !== stream) {
      const found = `its log is another one now (stream ${info.stream}, the identity names ${stream}): it counts for nothing`;
      return {
        finding: broken(check, found, "ask its operator; a new stream has to be named in the identity"),
        counts: false,
      };
    }
    const held = await agentHead(url, did, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    const kept = withholding.get(url);
    if (kept !== undefined) {
      const way = `ants relays status shows the evidence; replace it (ants relays add, ants relays remove ${url})`;
      return { finding: broken(check, kept, way), counts: true };
    }
    const behind = (head?.seq ?? -1) - (held?.seq ?? -1);
    if (behind > 0) {
      const found = `answers in ${tookMs} ms, and lacks ${behind} of the agent's events`;
      return { finding: advice(check, found, "the next ants publish sends them"), counts: true };
    }
    return {
      finding: ok(check, `answers in ${tookMs} ms${head === undefined ? "" : ", and has every event"}`),
      counts: true,
    };
  } catch (error) {
    signal.throwIfAborted();
    const found = isAntsError(error) ? error.message.replace(`${url}: `, "") : "no answer in time";
    return {
      finding: advice(check, found, "start it again or ask its operator; events for it wait in the outbox"),
      counts: false,
    };
  }
}
