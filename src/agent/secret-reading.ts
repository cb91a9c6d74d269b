import type { JsonObject } from "../../keys/canonical.js";
import { isAntsError } from "../../keys/errors.js";
import { relaySetOf } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { VaultContent } from "../../keys/node/vault-content.js";
import type { ChainStore } from "../client/chain-store.js";
import { requestTimeout } from "../client/connection-errors.js";
import { withDeadline } from "../client/deadline.js";
import { Identities } from "../client/identities.js";
import type { IdentityLog } from "../client/identity-log.js";
import type { ClientPorts } from "../client/ports.js";
import { hasQuorum, relayKey } from "../client/quorum.js";
import { RelayPool } from "../client/relay-pool.js";
import { RootCache, verifyBatch } from "../protocol/batch.js";
import { type Event, type ParsedEvent, parseEvent } from "../protocol/event.js";
import { isSealedBody, openBody, stateKeyId } from "../protocol/private-body.js";
import { ownEvents } from "./own-events.js";
import { ALARM_KIND, alarmOfBody, recordOfBody, SECRET_KIND, type SecretLedger } from "./secret-records.js";

const KINDS: readonly string[] = [SECRET_KIND, ALARM_KIND];

/** What opens an agent's own private bodies, by key id: the present state key and those of earlier eras. */
export type StateKeys = ReadonlyMap<string, Uint8Array>;

export function stateKeysOf({ stateKey, earlier }: VaultContent): StateKeys {
  return new Map([stateKey, ...earlier.map((keys) => keys.stateKey)].map((key) => [stateKeyId(key), key]));
}

/** Adds what the chain on this disk says, from a seq on; returns the seq to go on from. Throws disk errors. */
export async function readFromChain(
  ledger: SecretLedger,
  chain: ChainStore,
  keys: StateKeys,
  fromSeq = 0,
): Promise<number> {
  const head = chain.head?.seq ?? -1;
  for await (const event of ownEvents(chain, KINDS, fromSeq, head)) take(ledger, event, keys);
  return Math.max(fromSeq, head + 1);
}

export interface AskRelaysOptions {
  readonly identity: IdentityLog;
  /** What is here already: of that the chain has the last word. */
  readonly chain: ChainStore;
  readonly keys: StateKeys;
  readonly ports: ClientPorts;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Which of the agent's relays answered in time. */
export interface Asked {
  readonly relays: number;
  readonly answered: number;
  readonly isQuorum: boolean;
}

/**
 * Adds what the agent's relays have of these records and this disk lacks: what another copy of the agent wrote since.
 * Every line is verified, and counts only where its key may have signed it. Ends when a quorum has answered, or the time is
 * up; relays that serve what does not verify are left out: see the result. Throws the signal's reason.
 */
export async function readFromRelays(ledger: SecretLedger, options: AskRelaysOptions): Promise<Asked> {
  const { identity, ports, signal, timeoutMs } = options;
  const newest = identity.newest;
  if (newest === undefined) return { relays: 0, answered: 0, isQuorum: false };
  const set = relaySetOf(newest);
  const identities = new Identities(ports.clock, identity.operations());
  const answered = new Set<string>();
  await using pool = new RelayPool(ports);
  const late = () => requestTimeout("the relays", timeoutMs);
  const isQuorum = () => hasQuorum(set, (key) => answered.has(key));
  // What a quorum was told, one of any quorum knows: nobody waits for a relay that is gone.
  const enough = new AbortController();
  await withDeadline(ports.clock, timeoutMs, signal, late, async (limit) => {
    const until = AbortSignal.any([limit, enough.signal]);
    await Promise.all(
      set.relays.map(async (relay) => {
        if (await askOne(ledger, relay, pool, identities, options, until)) answered.add(relayKey(relay));
        if (isQuorum()) enough.abort();
      }),
    );
  });
  signal.throwIfAborted();
  return { relays: set.relays.length, answered: answered.size, isQuorum: isQuorum() };
}

/** False where the relay is not the one that the identity names, does not answer, or serves what does not verify. */
async function askOne(
  ledger: SecretLedger,
  { url, stream }: RelayAddress,
  pool: RelayPool,
  identities: Identities,
  { identity, chain, keys }: AskRelaysOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { did } = identity;
  const roots = new RootCache();
  try {
    const connection = pool.get(url);
    if ((await connection.opened(signal)).stream !== stream) return false;
    // A key of after a rotation is known to the relay at least.
    await identities.read(did, connection, signal);
    const filter = { dids: [did], types: ["event"], kinds: KINDS } as const;
    for await (const { entries } of connection.follow({ after: "start", live: false, filter, signal })) {
      const events: ParsedEvent[] = entries.map((line) => parseEvent(line)).filter((event) => event.did === did);
      const unknown = events.filter(({ id, event }) => chain.tree.find(id, event.seq) === undefined);
      const verified = verifyBatch(unknown, roots);
      for (const [i, { event }] of unknown.entries()) {
        if (verified[i] !== true) return false;
        const standing = await identities.standing(event, [connection], signal);
        if (standing === "live" || standing === "retired") take(ledger, event, keys);
      }
    }
    return true;
  } catch (error) {
    if (signal.aborted || isAntsError(error)) return false;
    throw error;
  }
}

function take(ledger: SecretLedger, event: Event, keys: StateKeys): void {
  const body = opened(event, keys);
  ledger.read(event, body !== undefined);
  if (body === undefined) return;
  const record = event.kind === SECRET_KIND ? recordOfBody(body) : undefined;
  if (record !== undefined) ledger.add(record);
  const alarm = event.kind === ALARM_KIND ? alarmOfBody(body) : undefined;
  if (alarm !== undefined) ledger.addAlarm(alarm);
}

/** Undefined for what these keys do not open, and for what is not private: nobody but the agent writes these. */
function opened(event: Event, keys: StateKeys): JsonObject | undefined {
  const { body } = event;
  if (body === undefined || !isSealedBody(body)) return undefined;
  const key = keys.get(body.k);
  if (key === undefined) return undefined;
  try {
    return openBody(body, key, event);
  } catch (error) {
    if (isAntsError(error)) return undefined;
    throw error;
  }
}
