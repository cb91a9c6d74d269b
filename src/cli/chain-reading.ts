import { nodeDisk } from "../../keys/node/disk.js";
import type { Disk } from "../../keys/ports.js";
import type { AgentHome } from "../agent/home.js";
import { ChainStore } from "../client/chain-store.js";

/**
 * The chain of a home for reading, without the home's lock, also while an agent is at work in it: a line that is being
 * appended looks like one that a crash tore, and must not be cut by whoever only looks. `all` verifies every signature
 * and not only those that vouch for the rest. Throws "chain-damaged" and disk errors.
 */
export function readChain(home: AgentHome, verify: "ends" | "all" = "ends"): Promise<ChainStore> {
  const { layout, identity, config } = home;
  return ChainStore.open({ disk: lookingOnly, folder: layout.chain, did: config.did, keys: identity, verify });
}

const lookingOnly: Disk = { ...nodeDisk, truncate: async () => {} };
