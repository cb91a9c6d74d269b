import { AntsError, isAntsError } from "../../keys/errors.js";
import type { AuthLine, RelayConnection } from "./connection.js";

/**
 * Resolves when an open connection is one of the reader that `authLine` names. Throws `auth-failed` where the relay does
 * not take it for that; `connection-lost`, `request-timeout`, the signal's reason.
 */
export async function requireAuthenticated(
  connection: RelayConnection,
  authLine: AuthLine,
  signal: AbortSignal,
): Promise<void> {
  const { status, url } = connection;
  if (status.state !== "open" || status.authenticated) return;
  try {
    await connection.authenticate(authLine, { signal });
  } catch (cause) {
    if (!isAntsError(cause) || cause.code === "connection-lost" || cause.code === "request-timeout") throw cause;
    const why = `${url} does not take the reader for itself, and would keep back what is for it: ${cause.message}`;
    throw new AntsError("auth-failed", why, { cause, details: { url, code: cause.code } });
  }
}
