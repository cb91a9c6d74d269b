import { assertDid } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { fetchIdentity } from "../client/identity-exchange.js";
import { IdentityLog } from "../client/identity-log.js";
import { systemPorts } from "../client/ports.js";
import { RelayPool } from "../client/relay-pool.js";
import { relayUrl } from "./relay-url-option.js";

const TIMEOUT_MS = 10_000;

/**
 * What these relays know of an agent's identity, together. Throws AntsError "did-syntax", "relay-unreachable" (none
 * answers), "identity-not-found" (those that answer have no genesis of it), or the signal's reason.
 */
export async function identityAt(relays: readonly string[], did: string, signal: AbortSignal): Promise<IdentityLog> {
  assertDid(did);
  const log = new IdentityLog(did);
  await using pool = new RelayPool(systemPorts);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const answered = await Promise.all(
    relays.map(async (named) => {
      const connection = pool.get(relayUrl(named, "phrase verify"));
      try {
        await connection.opened(limit);
        await fetchIdentity(connection, log, limit);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        if (isAntsError(error) || limit.aborted) return false;
        throw error;
      }
    }),
  );
  if (log.newest !== undefined) return log;
  if (!answered.includes(true))
    throw new AntsError("relay-unreachable", `${relays.join(", ")}: no answer within ${TIMEOUT_MS / 1000} s`, {
      details: { relays },
    });
  throw new AntsError("identity-not-found", `no relay that was asked knows ${did}`, {
    hint: "name a relay of this agent with --relay",
    details: { did, relays },
  });
}
