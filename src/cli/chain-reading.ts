import { nodeDisk } from "../../keys/node/disk.js";
import type { AgentHome } from "../agent/home.js";
import { ChainStore } from "../client/chain-store.js";

export interface ReadChain {
  readonly chain: ChainStore;
  /** Bytes at the end that are no event: an append that is under way, or that a crash or somebody's hand cut off. */
  readonly tornBytes: number;
}

/**
 * The chain of a home for reading, without the home's lock, also while an agent is at work in it: a line that is being
 * appended looks like one that a crash tore, and must not be cut by whoever only looks. `all` verifies every signature
 * and not only those that vouch for the rest. Throws "chain-damaged" and disk errors.
 */
export async function readChain(home: AgentHome, verify: "ends" | "all" = "ends"): Promise<ReadChain> {
  const { layout, identity, config } = home;
  let tornBytes = 0;
  const disk = {
    ...nodeDisk,
    truncate: async (path: string, size: number): Promise<void> => {
      tornBytes = ((await nodeDisk.read(path))?.length ?? size) - size;
    },
  };
  const chain = await ChainStore.open({ disk, folder: layout.chain, did: config.did, keys: identity, verify });
  return { chain, tornBytes };
}

/** What a person has to know of a torn end. */
export function tornText(tornBytes: number): string {
  return `the last ${tornBytes} bytes of the chain's file are no event: one that is being written now, or was cut off`;
}
