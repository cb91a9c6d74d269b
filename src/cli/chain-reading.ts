import { AntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import type { AgentHome } from "../agent/home.js";
import { ChainStore } from "../client/chain-store.js";
import type { IdentityLog } from "../client/identity-log.js";
import type { KeyView } from "../protocol/chain.js";

const NEWLINE = 0x0a;

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
      const torn = ((await nodeDisk.read(path)) ?? new Uint8Array(0)).subarray(size);
      tornBytes = torn.length;
      if (verify === "all" && torn.includes(NEWLINE)) throw changedEnd(path);
    },
  };
  const chain = await ChainStore.open({
    disk,
    folder: layout.chain,
    did: config.did,
    keys: keysToRead(identity),
    verify,
  });
  return { chain, tornBytes };
}

/** After the owner ended the identity nothing may be written; what it wrote up to the last good event stays readable. */
function keysToRead(identity: IdentityLog): KeyView {
  const end = identity.newest?.op;
  if (end?.op !== "deactivate") return identity;
  const { rotations } = identity;
  return {
    deactivated: false,
    rotations: rotations + 1,
    rotationsOf: (key) => identity.rotationsOf(key),
    anchorOf: (number) => (number > rotations ? end.anchor : identity.anchorOf(number)),
  };
}

/** A crash can leave part of a line; a whole line that is no event is somebody's hand, or the disk's. */
function changedEnd(path: string): AntsError {
  return new AntsError("chain-damaged", `${path}: its last line is whole, and no event`, {
    hint: "the next ants publish cuts it and fetches the event from the relays",
    details: { file: path },
  });
}

/** What a person has to know of a torn end. */
export function tornText(tornBytes: number): string {
  return `the last ${tornBytes} bytes of the chain's file are no event: one that is being written now, or was cut off`;
}
