import { AntsError, isAntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { Clock } from "../../keys/ports.js";
import { requestTimeout } from "../client/connection-errors.js";
import { withDeadline } from "../client/deadline.js";
import { fetchIdentity, publishIdentity } from "../client/identity-exchange.js";
import { IdentityLog } from "../client/identity-log.js";
import type { RelayPool } from "../client/relay-pool.js";
import { relaysEverNamed } from "../client/survey.js";
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

/**
 * Sends a rotate or deactivate to every relay that any operation ever named, with what leads to it, and reads back what
 * each of them serves afterwards: what a relay says it took is not believed, what it serves is verified. One that only
 * earlier operations name has to know as well, so that it refuses whoever still has an old key.
 */
export async function spreadOperation(
  operation: ParsedOperation,
  known: IdentityLog,
  options: SpreadOptions,
): Promise<Confirmation[]> {
  // Its own log: until a quorum has it, the home's goes on saying what it said.
  const log = new IdentityLog(operation.did, [...known.operations(), operation], operation.hash);
  const named = new Map(log.operations().flatMap(({ op }) => op.relays.map(({ url, stream }) => [url, stream])));
  for (const { url, stream } of operation.op.relays) named.set(url, stream);
  return Promise.all(relaysEverNamed(log).map((url) => tell(url, named.get(url)!, operation, log, options)));
}

async function tell(
  url: string,
  expected: string,
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
