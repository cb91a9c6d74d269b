import { type AntsError, isAntsError } from "../../keys/errors.js";
import type { Clock } from "../../keys/ports.js";
import { fetchOwnEvents } from "./chain-fetch.js";
import type { ChainStore } from "./chain-store.js";
import type { AuthLine, RelayConnection } from "./connection.js";
import { requestTimeout } from "./connection-errors.js";
import { withDeadline } from "./deadline.js";
import { fetchIdentity } from "./identity-exchange.js";
import type { IdentityLog } from "./identity-log.js";
import type { RelayPool } from "./relay-pool.js";
import { relaysToAsk } from "./relays-named.js";

/** What asking one relay came to. */
export type RelayReport =
  | { readonly url: string; readonly state: "read"; readonly stream: string }
  /** It could not be reached or read; `error` says why. */
  | { readonly url: string; readonly state: "failed"; readonly error: AntsError };

export interface SurveyOptions {
  readonly pool: RelayPool;
  readonly clock: Clock;
  /** For each relay. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Relays that one survey asks, whatever it finds on the way. */
const MAX_RELAYS = 64;

/**
 * Reads an agent's identity log from these relays and from those that its operations name ({@link relaysToAsk}), also
 * operations that were read on the way, all at once. `log` grows. What each relay said, in the order in which they
 * were first asked. Throws the signal's reason.
 */
export async function surveyIdentity(
  log: IdentityLog,
  urls: readonly string[],
  options: SurveyOptions,
): Promise<RelayReport[]> {
  const asked = new Map<string, Promise<RelayReport>>();
  for (;;) {
    for (const url of [...urls, ...relaysToAsk(log.operations())]) {
      if (asked.size >= MAX_RELAYS) break;
      if (asked.has(url)) continue;
      asked.set(
        url,
        ask(url, options, async (connection, signal) => {
          await fetchIdentity(connection, log, signal);
        }),
      );
    }
    const reports = await Promise.all(asked.values());
    if (asked.size >= MAX_RELAYS || [...relaysToAsk(log.operations())].every((url) => asked.has(url))) return reports;
  }
}

export interface ChainSurvey extends SurveyOptions {
  readonly chain: ChainStore;
  readonly log: IdentityLog;
  /** Signs for a relay. */
  readonly authLine: AuthLine;
  /** How many bytes of events are taken from a relay: from one that only a thief may have named, not everything. */
  readonly maxBytes: (url: string) => number;
}

/**
 * Reads identity log and everything that these relays have of an agent's own events, one relay after the other: what the
 * first one had is not read into memory again. Lines that do not verify make a relay's report a failure.
 */
export async function surveyChain(
  urls: readonly string[],
  { chain, log, authLine, maxBytes, ...options }: ChainSurvey,
): Promise<RelayReport[]> {
  const reports: RelayReport[] = [];
  for (const url of urls) {
    reports.push(
      await ask(url, options, async (connection, signal) => {
        await fetchIdentity(connection, log, signal);
        chain.keysChanged();
        await authenticated(connection, authLine, signal);
        await fetchOwnEvents({ connection, chain, signal }, maxBytes(url));
      }),
    );
  }
  return reports;
}

/** A relay that does not take this key still gives what is public. */
async function authenticated(connection: RelayConnection, authLine: AuthLine, signal: AbortSignal): Promise<void> {
  try {
    await connection.authenticate(authLine, { signal });
  } catch (error) {
    if (!isAntsError(error, "auth-failed") && !isAntsError(error, "identity-needed")) throw error;
  }
}

async function ask(
  url: string,
  { pool, clock, timeoutMs, signal }: SurveyOptions,
  work: (connection: RelayConnection, signal: AbortSignal) => Promise<void>,
): Promise<RelayReport> {
  const connection = pool.get(url);
  const late = () => pool.whyAway(url) ?? requestTimeout(url, timeoutMs);
  try {
    return await withDeadline(clock, timeoutMs, signal, late, async (signal) => {
      const { stream } = await connection.opened(signal);
      await work(connection, signal);
      return { url, state: "read", stream };
    });
  } catch (error) {
    if (signal?.aborted || !isAntsError(error)) throw error;
    return { url, state: "failed", error };
  }
}
