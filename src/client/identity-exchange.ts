import type { RefusedMessage } from "../protocol/messages.js";
import type { RelayConnection } from "./connection.js";
import type { IdentityLog } from "./identity-log.js";

/** Operations of one frame: at most 8 KiB each, so half a MiB. */
const OPERATIONS_A_FRAME = 64;

/**
 * Reads an agent's identity operations from a relay into `log`. True when the log grew. Throws `connection-lost`, what
 * the relay refused with, or the signal's reason.
 */
export async function fetchIdentity(
  connection: RelayConnection,
  log: IdentityLog,
  signal?: AbortSignal,
): Promise<boolean> {
  let grew = false;
  const follow = connection.follow({
    after: "start",
    live: false,
    filter: { dids: [log.did], types: ["identity"] },
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const { entries } of follow) for (const line of entries) grew = log.add(line) || grew;
  return grew;
}

/**
 * Sends a relay every operation that is known here, parents first. Returns its refusal where it refused one. Throws
 * `connection-lost`, `request-timeout`, or the signal's reason.
 */
export async function publishIdentity(
  connection: RelayConnection,
  log: IdentityLog,
  signal: AbortSignal,
): Promise<RefusedMessage | undefined> {
  const lines = log.operations().map(({ line }) => line);
  for (let i = 0; i < lines.length; i += OPERATIONS_A_FRAME) {
    const answer = await connection.publish(lines.slice(i, i + OPERATIONS_A_FRAME), { signal });
    if (answer.t === "refused") return answer;
  }
  return undefined;
}
