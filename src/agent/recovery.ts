import { fromUtf8 } from "../../keys/bytes.js";
import type { JsonObject, JsonValue } from "../../keys/canonical.js";
import { type Did, isDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { type ParsedOperation, parsedOrNothing } from "../../keys/identity/operation.js";
import { encodeMultikey } from "../../keys/multikey.js";
import type { PhraseKeys } from "../../keys/phrase.js";
import type { ChainStore } from "../client/chain-store.js";
import type { TreeEvent } from "../client/chain-tree.js";
import type { RelayConnection } from "../client/connection.js";
import { fetchIdentity } from "../client/identity-exchange.js";
import { IdentityLog } from "../client/identity-log.js";
import type { ClientPorts } from "../client/ports.js";
import type { RelayPool } from "../client/relay-pool.js";
import { openEscrow, type ReadingKeys, uniteEras } from "../protocol/escrow.js";
import { parseEvent } from "../protocol/event.js";
import { httpUrlOf } from "../protocol/relay-url.js";
import { commitsTo, type RecoveryPower, recoveryPower } from "./succession.js";

/** An agent that a phrase rules, as one relay tells of it. */
export interface FoundAgent {
  readonly did: Did;
  readonly log: IdentityLog;
}

export interface FindOptions {
  /** URL of the relay that is asked. */
  readonly relay: string;
  readonly phrase: PhraseKeys;
  readonly pool: RelayPool;
  readonly ports: ClientPorts;
  readonly signal: AbortSignal;
  /** Only this agent. */
  readonly did?: Did;
}

/** Anybody can copy an escrow key into a genesis of its own; so many of them are looked at. */
const MAX_CANDIDATES = 2_000;
const MAX_PAGE_BYTES = 256 * 1024;
const AT_ONCE = 8;

/**
 * Finds the agents of a phrase at a relay: those of which an operation names its escrow key and commits to one of
 * its recovery keys. The commitment is bound to the agent's sign keys, so a genesis that copies a victim's commitment and
 * escrow key is passed over, unless whoever made it has the victim's sign key as well: then there are two, and only the
 * owner knows which DID is the agent's.
 *
 * The genesis of every candidate is looked at before any log is read whole: decoys may be long. `did`: only
 * this one is asked for.
 *
 * Throws "relay-unreachable", "not-a-relay" for an answer that cannot be read, `connection-lost`, the signal's reason.
 */
export async function findAgents(options: FindOptions): Promise<FoundAgent[]> {
  const { relay, pool, signal, did } = options;
  const connection = pool.get(relay);
  await connection.opened(signal);
  const dids = did === undefined ? await candidates(options) : [did];
  const geneses = await inTurns(dids, (candidate) => genesisOf(connection, candidate, signal));
  const likely = geneses.flatMap((genesis) => (genesis !== undefined && rules(genesis, options) ? [genesis.did] : []));
  // None by its genesis: the words may have been changed by a rotate since.
  const found = await inTurns(likely.length > 0 ? likely : dids, async (candidate): Promise<FoundAgent | undefined> => {
    const log = new IdentityLog(candidate);
    await fetchIdentity(connection, log, signal);
    const operations = log.state?.operations ?? log.operations();
    return operations.some((operation) => rules(operation, options)) ? { did: candidate, log } : undefined;
  });
  return found.filter((agent) => agent !== undefined);
}

/** Whether an operation names the phrase's escrow key and commits to one of its keys. */
function rules(operation: ParsedOperation, { phrase }: FindOptions): boolean {
  const escrow = encodeMultikey(phrase.escrow.publicKey, "x25519");
  return operation.op.escrow === escrow && commitsTo(operation, phrase);
}

/** The genesis of an identity, which a relay gives first; undefined where it gives something else. */
async function genesisOf(
  connection: RelayConnection,
  did: Did,
  signal: AbortSignal,
): Promise<ParsedOperation | undefined> {
  const filter = { dids: [did], types: ["identity" as const] };
  for await (const { entries } of connection.follow({ after: "start", live: false, filter, signal })) {
    const [genesis] = entries.slice(0, 1).map(parsedOrNothing);
    return genesis?.did === did ? genesis : undefined;
  }
  return undefined;
}

/** A few at a time, in order. */
async function inTurns<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let i = 0; i < items.length; i += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(i, i + AT_ONCE).map(work))));
  }
  return results;
}

async function candidates(options: FindOptions): Promise<Did[]> {
  const dids: Did[] = [];
  for (let after: string | undefined; dids.length < MAX_CANDIDATES; ) {
    const page = await candidatePage(options, after);
    dids.push(...page.dids);
    if (page.next === undefined || page.dids.length === 0) break;
    after = page.next;
  }
  return dids;
}

interface Page {
  readonly dids: readonly Did[];
  readonly next?: string;
}

async function candidatePage({ relay, ports, phrase, signal }: FindOptions, after?: string): Promise<Page> {
  const escrow = encodeMultikey(phrase.escrow.publicKey, "x25519");
  const query = after === undefined ? "" : `&after=${encodeURIComponent(after)}`;
  const url = `${httpUrlOf(relay).replace(/\/$/, "")}/agents?escrow=${escrow}${query}`;
  const { status, body } = await ports.get(url, { maxBytes: MAX_PAGE_BYTES, signal });
  try {
    if (status !== 200) throw new AntsError("not-a-relay", `it answers with status ${status}`);
    const { dids, next } = JSON.parse(fromUtf8(body)) as { dids: unknown; next?: unknown };
    if (!Array.isArray(dids)) throw new AntsError("not-a-relay", "it answers with no list of DIDs");
    return { dids: dids.filter((did) => isDid(did)), ...(typeof next === "string" ? { next } : {}) };
  } catch (cause) {
    throw new AntsError("not-a-relay", `${relay} cannot be asked which agent a phrase belongs to`, {
      hint: "name another relay that the agent published to",
      cause,
      details: { url: relay, status },
    });
  }
}

/**
 * What the phrase can do with a found agent. Throws "phrase-other-agent" when the operation that speaks for the identity
 * commits to another phrase.
 */
export function requirePower(
  log: IdentityLog,
  parent: Parameters<typeof recoveryPower>[0],
  phrase: PhraseKeys,
): RecoveryPower {
  const power = recoveryPower(parent, log, phrase);
  if (power !== undefined) return power;
  throw new AntsError("phrase-other-agent", `these are not the recovery words of ${log.did}`, {
    hint: "use the words that were shown when this agent was made, or when its words were last changed",
    details: { did: log.did },
  });
}

/** A vault keeps so many eras. */
const MAX_ERAS = 64;

/**
 * The reading keys that the claims up to an event carry for this phrase, the newest era first. Anybody can seal to the
 * escrow key, and whoever has the hot key can claim: so every claim is asked, not the newest only, and where there are
 * too many eras, those that were told of first are kept. Of the claims that name the same state key, the first and the
 * last are opened.
 */
export async function escrowedKeys(
  did: Did,
  chain: ChainStore,
  phrase: PhraseKeys,
  upTo: TreeEvent | undefined,
): Promise<ReadingKeys[]> {
  const byKey = new Map<string, JsonValue[]>();
  for (const { escrow } of await claimsUpTo(chain, upTo)) {
    const k =
      typeof escrow === "object" && !Array.isArray(escrow) && typeof escrow.k === "string" ? escrow.k : undefined;
    if (k === undefined) continue;
    const [first = escrow!] = byKey.get(k) ?? [];
    byKey.set(k, [first, escrow!]);
  }
  let found: ReadingKeys[] = [];
  for (const escrow of [...byKey.values()].flat()) {
    found = uniteEras(found, openEscrow(did, escrow, phrase.escrow.secret)?.reverse() ?? []);
  }
  return found.slice(0, MAX_ERAS).reverse();
}

/** The bodies of the claims on the path that ends at an event, the oldest first. */
async function claimsUpTo(chain: ChainStore, upTo: TreeEvent | undefined): Promise<JsonObject[]> {
  const bodies: JsonObject[] = [];
  for (let at = upTo; at !== undefined; ) {
    const claim = chain.tree.claimBefore(at);
    if (claim === undefined) break;
    bodies.push(parseEvent(await chain.line(claim)).event.body ?? {});
    at = chain.tree.before(claim);
  }
  return bodies.reverse();
}
