/** Which protocol versions are spoken here, and how two sides find a common one. */
import { AntsError } from "../../keys/errors.js";

/** The `v` of entries, of `hello`, and of nothing else. */
export const PROTOCOL_VERSION = 1;
/** The WebSocket subprotocol of {@link PROTOCOL_VERSION}. */
export const SUBPROTOCOL = "ants.1";
/** Every subprotocol that this code speaks, preferred first. */
export const SUBPROTOCOLS: readonly string[] = [SUBPROTOCOL];

/**
 * Chooses the subprotocol of a connection from those that the client offered, in the client's order.
 * Returns undefined where none is spoken: answer with {@link versionUnsupported} and close.
 */
export function chooseSubprotocol(offered: Iterable<string>): string | undefined {
  for (const name of offered) if (SUBPROTOCOLS.includes(name)) return name;
  return undefined;
}

/** The error for a peer of another version: its details name what was offered and what is spoken. */
export function versionUnsupported(offered: Iterable<string>): AntsError {
  const names = [...offered];
  return new AntsError(
    "version-unsupported",
    `no common protocol version: offered ${names.length === 0 ? "none" : names.join(", ")}, spoken here ${SUBPROTOCOLS.join(", ")}`,
    {
      hint: `connect with the WebSocket subprotocol ${SUBPROTOCOL}`,
      details: { offered: names, spoken: [...SUBPROTOCOLS] },
    },
  );
}
