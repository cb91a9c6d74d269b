import { type ParsedOperation, parsedOrNothing } from "../../keys/identity/operation.js";
import type { RefusedMessage } from "../protocol/messages.js";
import type { RelayConnection } from "./connection.js";
import type { IdentityLog } from "./identity-log.js";
import { readOperations } from "./relay-identity.js";

/** Operations of one frame: at most 8 KiB each, so half a MiB. */
const OPERATIONS_A_FRAME = 64;

/**
 * Reads an agent's identity operations from a relay into `log`, as many as one relay may have of them: a thief of the key
 * can sign updates without end, and name relays that send them. True when the log grew. Throws `relay-protocol` (it sends
 * something else), `connection-lost`, what the relay refused with, or the signal's reason.
 */
export async function fetchIdentity(
  connection: RelayConnection,
  log: IdentityLog,
  signal?: AbortSignal,
): Promise<boolean> {
  const before = log.size;
  await readOperations(connection, log.did, (line) => taken(log, line), signal);
  return log.size > before;
}

/** The line's hash if it is an operation that `log` has now. */
function taken(log: IdentityLog, line: Uint8Array): string | undefined {
  const operation = parsedOrNothing(line);
  if (operation?.did !== log.did) return undefined;
  log.add(operation);
  return log.has(operation.hash) ? operation.hash : undefined;
}

/** What a relay says of a handle in the newest operation of a frame; one that another follows may list it. */
const HANDLE_REFUSALS: ReadonlySet<string> = new Set(["handle-taken", "handle-refused"]);

/**
 * Sends a relay every operation that is known here, parents first: those that speak for the identity, then the others.
 * An operation that is refused for a handle because it ended its frame is sent again with those that follow it. Returns
 * the relay's refusal where it refused one of the first; what it thinks of side branches is its own affair (a thief may
 * have filled an era with them).
 *
 * Throws `connection-lost`, `request-timeout`, or the signal's reason.
 */
export async function publishIdentity(
  connection: RelayConnection,
  log: IdentityLog,
  signal: AbortSignal,
): Promise<RefusedMessage | undefined> {
  const path = log.state?.operations ?? [];
  const refusal = await publishOperations(connection, path, signal);
  if (refusal !== undefined) return refusal;
  if (path.length > 0 && !needsSides(log)) return undefined;
  const onPath = new Set(path);
  const sides = log.operations().filter((operation) => !onPath.has(operation));
  const refusedSide = await publishOperations(connection, sides, signal);
  // Without a path (rivals) the sides are all there is.
  return path.length === 0 ? refusedSide : undefined;
}

/** A contest is shown whole, and a settled one names the branches that lost. What a rotate left behind nobody needs. */
function needsSides({ resolution, state }: IdentityLog): boolean {
  return resolution.status === "contested" || state?.operations.some(({ op }) => op.over !== undefined) === true;
}

async function publishOperations(
  connection: RelayConnection,
  operations: readonly ParsedOperation[],
  signal: AbortSignal,
): Promise<RefusedMessage | undefined> {
  const lines = operations.map(({ line }) => line);
  for (let i = 0; i < lines.length; ) {
    const answer = await connection.publish(lines.slice(i, i + OPERATIONS_A_FRAME), { signal });
    if (answer.t !== "refused") {
      i += OPERATIONS_A_FRAME;
      continue;
    }
    const { code, i: taken = 0 } = answer;
    const isBorder = taken > 0 && i + OPERATIONS_A_FRAME < lines.length;
    if (!HANDLE_REFUSALS.has(code) || !isBorder) return answer;
    i += taken;
  }
  return undefined;
}
