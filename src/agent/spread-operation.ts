import { AntsError, isAntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { relaySetOf } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { Clock } from "../../keys/ports.js";
import { requestTimeout } from "../client/connection-errors.js";
import { withDeadline } from "../client/deadline.js";
import { fetchIdentity, publishIdentity } from "../client/identity-exchange.js";
import { IdentityLog } from "../client/identity-log.js";
import { relayKey } from "../client/quorum.js";
import type { RelayPool } from "../client/relay-pool.js";
import { errorOfRefusal } from "../protocol/refusal.js";

/** Where an operation that only the owner makes has got to. `stream`: the relay's own, or what an operation says of it. */
export type Confirmation =
  /** The relay serves it, and by what the relay serves it is what holds now. */
  | { readonly url: string; readonly stream: string; readonly state: "confirmed" }
  /** The relay held another one of the same era first. */
  | { readonly url: string; readonly stream: string; readonly state: "rival" }
  | { readonly url: string; readonly stream: string; readonly state: "failed"; readonly error: AntsError };

export interface SpreadOptions {
  readonly pool: RelayPool;
  readonly ports: { readonly clock: Clock };
  /** How long every relay gets. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A thief's updates may name any number of relays: of those that are not the operation's own, so many are told. */
const MAX_OTHERS = 24;
const OTHERS_AT_ONCE = 8;

/**
 * Sends a rotate or deactivate to the relays that it names, with what leads to it, and reads back what each of them
 * serves afterwards: what a relay says it took is not believed, what it serves is verified.
 */
export function confirmOperation(
  operation: ParsedOperation,
  known: IdentityLog,
  options: SpreadOptions,
): Promise<Confirmation[]> {
  const log = logWith(operation, known);
  return Promise.all(operation.op.relays.map((relay) => tell(relay, operation, log, options)));
}

/**
 * Tells relays that only other operations name, so that they refuse whoever still has an old key: those on the way to
 * the operation first, then the ones that were named last. At most 24 of them; the others learn it when they are asked
 * for something.
 */
export async function tellOthers(
  operation: ParsedOperation,
  known: IdentityLog,
  options: SpreadOptions,
): Promise<Confirmation[]> {
  const log = logWith(operation, known);
  const own = new Set(operation.op.relays.map(({ url }) => url));
  const path = log.state?.operations ?? [];
  const rest = log.operations().reverse();
  const others = new Map<string, RelayAddress>();
  for (const relay of [...path, ...rest].flatMap(({ op }) => op.relays)) {
    if (others.size >= MAX_OTHERS) break;
    if (!own.has(relay.url) && !others.has(relay.url)) others.set(relay.url, relay);
  }
  const confirmations: Confirmation[] = [];
  const queue = [...others.values()];
  while (queue.length > 0) {
    const some = queue.splice(0, OTHERS_AT_ONCE);
    confirmations.push(...(await Promise.all(some.map((relay) => tell(relay, operation, log, options)))));
  }
  return confirmations;
}

/**
 * Throws "rotation-unconfirmed" unless a quorum of the relays that the operation names confirms it, each as the
 * incarnation that it names; "rotation-rival" where a quorum holds another of the same era.
 */
export function requireConfirmed(operation: ParsedOperation, confirmations: readonly Confirmation[]): void {
  const set = relaySetOf(operation);
  const own = new Set(set.relays.map(relayKey));
  const inSet = confirmations.filter((relay) => own.has(relayKey(relay)));
  const count = (state: Confirmation["state"]) => inSet.filter((relay) => relay.state === state).length;
  if (count("confirmed") >= set.quorum) return;
  const answers = confirmations.map((relay) => `${relay.url}: ${"error" in relay ? relay.error.message : relay.state}`);
  const details = { did: operation.did, operation: operation.hash, answers };
  if (count("rival") >= set.quorum) {
    throw new AntsError(
      "rotation-rival",
      `another rotate or end of ${operation.did} was made before this one, and a quorum of its relays holds that`,
      {
        hint: "if it was you, elsewhere, use that one; ants rotate with the words builds on it. If it was not, somebody else has the words",
        details,
      },
    );
  }
  throw new AntsError(
    "rotation-unconfirmed",
    `${count("confirmed")} of ${set.relays.length} relays confirm the operation, ${set.quorum} are needed: ${answers.join("; ")}`,
    { hint: "nothing is lost: it is signed and kept. Run the same command again when the relays answer", details },
  );
}

/** What is known, seen with the operation in force: until a quorum has it, the home's own log goes on saying what it said. */
function logWith(operation: ParsedOperation, known: IdentityLog): IdentityLog {
  return new IdentityLog(operation.did, [...known.operations(), operation], operation.hash);
}

async function tell(
  { url, stream: expected }: RelayAddress,
  operation: ParsedOperation,
  log: IdentityLog,
  { pool, ports, timeoutMs, signal }: SpreadOptions,
): Promise<Confirmation> {
  const connection = pool.get(url);
  const late = () => pool.whyAway(url) ?? requestTimeout(url, timeoutMs);
  try {
    return await withDeadline(ports.clock, timeoutMs, signal, late, async (signal): Promise<Confirmation> => {
      const { stream } = await connection.opened(signal);
      const refusal = await publishIdentity(connection, log, signal);
      const served = new IdentityLog(operation.did);
      await fetchIdentity(connection, served, signal);
      // Of rivals a relay serves the one that it held first before the others, and that one is what it goes by.
      const [first] = served.operations().filter(({ op }) => isRivalOf(op, operation.op));
      if (first?.hash === operation.hash) return { url, stream, state: "confirmed" };
      if (first !== undefined) return { url, stream, state: "rival" };
      const error = refusal === undefined ? notServed(url, operation) : errorOfRefusal(refusal);
      return { url, stream, state: "failed", error };
    });
  } catch (error) {
    if (signal.aborted || !isAntsError(error)) throw error;
    return { url, stream: expected, state: "failed", error };
  }
}

/** Whether an operation ends the same era, by revealing the same key. The operation itself is one, too. */
function isRivalOf(op: ParsedOperation["op"], ours: ParsedOperation["op"]): boolean {
  return op.op !== "update" && op.reveal?.some((key) => ours.reveal?.includes(key) === true) === true;
}

function notServed(url: string, { hash }: ParsedOperation): AntsError {
  return new AntsError("relay-omitted", `${url} took the operation ${hash} and does not serve it`, {
    details: { url, hash },
  });
}
