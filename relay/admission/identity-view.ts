import type { ParsedOperation } from "../../keys/identity/operation.js";
import { type KeyStanding, resolveIdentity } from "../../keys/identity/resolve.js";
import type { KeyView } from "../../src/protocol/chain.js";
import type { ChainHead } from "../../src/protocol/event.js";

/** What this relay makes of the identity operations it holds for one DID, in the form that the chain rule asks. */
export class IdentityView implements KeyView {
  readonly deactivated: boolean;
  readonly rotations: number;
  /** Hash of the newest operation on the branch that counts; undefined before the genesis arrived. */
  readonly newest: string | undefined;
  /** In the order of arrival; the relay serves all of them, also those of losing branches. */
  readonly operations: readonly ParsedOperation[];
  readonly #keys = new Map<string, KeyStanding>();
  readonly #anchors: (ChainHead | undefined)[] = [undefined];

  /** Resolves the set anew. Rivals of one era: a relay keeps the one that it held first. */
  constructor(did: string, operations: readonly ParsedOperation[]) {
    this.operations = operations;
    const order = new Map(operations.map((operation, i) => [operation.hash, i]));
    const resolution = resolveIdentity(did, operations, {
      firstHeld: (rivals) => [...rivals].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0))[0],
    });
    this.deactivated = resolution.status === "deactivated";
    const state = "state" in resolution ? resolution.state : undefined;
    this.newest = state?.head.hash;
    for (const { op } of state?.operations ?? []) if (op.op === "rotate") this.#anchors.push(op.anchor);
    this.rotations = this.#anchors.length - 1;
    for (const standing of state?.keys ?? []) this.#keys.set(standing.key, standing);
  }

  rotationsOf(key: string): number | undefined {
    return this.#keys.get(key)?.rotations;
  }

  isLive(key: string): boolean {
    return this.#keys.get(key)?.live === true;
  }

  anchorOf(rotations: number): ChainHead | undefined {
    return this.#anchors[rotations];
  }

  has(hash: string): boolean {
    return this.operations.some((operation) => operation.hash === hash);
  }
}
