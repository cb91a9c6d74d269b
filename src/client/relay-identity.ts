import { AntsError } from "../../keys/errors.js";
import type { RelayConnection } from "./connection.js";
import { sessionError } from "./connection-errors.js";

/** What one relay holds of one agent's identity. */
export interface RelayIdentity {
  /** The stream that the relay says it is. */
  readonly stream: string;
  /** Hashes of the valid operations, in the order in which the relay took them. */
  readonly order: readonly string[];
  /** It had no end: the rest was not read. */
  readonly isCut: boolean;
}

/** Eight full eras of updates. What is beyond is somebody's flood; the newest operation is at other relays too. */
const MAX_LINES = 8_192;
const MAX_BYTES = 16 * 2 ** 20;
/** Lines that are no operations of this agent, come before their parents, or come again: an honest relay sends none. */
const MAX_STRAY_LINES = 16;

/**
 * Reads an agent's identity log from a relay on one connection attempt into `take`, which says whether it knows the
 * operation now, by its hash. Bounded, whatever the relay sends; what was read until then counts.
 *
 * Throws `relay-unreachable`, `relay-protocol` (it sends something else), what the relay refused with,
 * `connection-lost`, or the signal's reason.
 */
export async function readRelayIdentity(
  connection: RelayConnection,
  did: string,
  take: (line: Uint8Array) => string | undefined,
  signal: AbortSignal,
): Promise<RelayIdentity> {
  const { stream } = await openedOnce(connection, signal);
  return { stream, ...(await readOperations(connection, did, take, signal)) };
}

/**
 * The same from a connection that is open, under whatever stream. Throws `relay-protocol`, what the relay refused with,
 * `connection-lost`, or the signal's reason.
 */
export async function readOperations(
  connection: RelayConnection,
  did: string,
  take: (line: Uint8Array) => string | undefined,
  signal?: AbortSignal,
): Promise<Omit<RelayIdentity, "stream">> {
  const order = new Set<string>();
  let lines = 0;
  let bytes = 0;
  let repeats = 0;
  let strays = 0;
  const follow = connection.follow({
    after: "start",
    live: false,
    filter: { dids: [did], types: ["identity"] },
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const { entries } of follow) {
    for (const line of entries) {
      lines += 1;
      bytes += line.length;
      // Each of them has to be verified to be known: whoever sends the same again has nothing more to say.
      if (lines > MAX_LINES || bytes > MAX_BYTES || repeats > MAX_STRAY_LINES)
        return { order: [...order], isCut: true };
      const hash = take(line);
      if (hash !== undefined && order.has(hash)) repeats += 1;
      else if (hash !== undefined) order.add(hash);
      else if (++strays > MAX_STRAY_LINES) {
        const message = `${connection.url} sends lines that are no identity operations of ${did}`;
        throw new AntsError("relay-protocol", message, { details: { url: connection.url, did } });
      }
    }
  }
  return { order: [...order], isCut: false };
}

/** Waits for the first attempt only: a reader that has other relays does not wait for one that is away. */
async function openedOnce(connection: RelayConnection, signal: AbortSignal): Promise<{ stream: string }> {
  for await (const status of connection.statuses(signal)) {
    if (status.state === "open") return status.relay;
    if (status.state === "waiting") throw status.error;
  }
  throw sessionError(connection.url, undefined);
}
