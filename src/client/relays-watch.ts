import type { Did } from "../../keys/did.js";
import { isAntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { ConnectionOptions } from "./connection.js";
import { follow } from "./follow.js";
import type { ClientPorts } from "./ports.js";

export interface RelaysWatchOptions {
  readonly did: Did;
  /** The agent's own identity operations, as far as they are known. */
  readonly operations: Iterable<ParsedOperation>;
  readonly ports: ClientPorts;
  readonly signal: AbortSignal;
  readonly connection?: ConnectionOptions;
  /** URLs of the relays that the identity names from now on. */
  readonly moved: (relays: readonly string[]) => void;
}

/**
 * Watches an agent's identity at its own relays, wherever they come to be, and tells when it names others: whoever reads
 * there is another process than the one that changes them. Runs until the signal aborts, or no relay can be read any more.
 */
export async function watchRelays(options: RelaysWatchOptions): Promise<void> {
  const { did, operations, ports, signal, connection, moved } = options;
  const known = [...operations];
  let before: string | undefined;
  try {
    const following = follow(
      {
        agents: [{ did, operations: known }],
        filter: { dids: [did], types: ["identity"] },
        proofs: "none",
        // The agent named them itself.
        mayDial: () => true,
        signal,
        ...(connection === undefined ? {} : { connection }),
      },
      ports,
    );
    before = following.relays.join(" ");
    for await (const item of following) {
      if (item.type !== "identity" || item.operation.did !== did || !("state" in item.resolution)) continue;
      const relays = item.resolution.state.head.op.relays.map(({ url }) => url);
      const now = relays.join(" ");
      if (now !== before) moved(relays);
      before = now;
    }
  } catch (error) {
    // What is wrong with the relays is told of by who reads the messages there.
    if (!signal.aborted && !isAntsError(error)) throw error;
  }
}
