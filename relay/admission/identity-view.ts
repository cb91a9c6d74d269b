import type { Did } from "../../keys/did.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { OperationSet } from "../../keys/identity/operation-set.js";
import { type KeyStanding, resolveSet } from "../../keys/identity/resolve.js";
import type { KeyView } from "../../src/protocol/chain.js";
import type { ChainHead } from "../../src/protocol/event.js";

/** What this relay makes of the identity operations it holds for one DID, in the form that the chain rule asks. */
export class IdentityView implements KeyView {
  /** In the order of arrival; the relay serves all of them, also those of losing branches. */
  readonly operations: OperationSet;
  readonly deactivated: boolean;
  readonly rotations: number;
  /** The newest operation on the branch that counts; undefined before the genesis arrived. */
  readonly newest: ParsedOperation | undefined;
  readonly #keys = new Map<string, KeyStanding>();
  readonly #anchors: (ChainHead | undefined)[] = [undefined];

  /** Resolves the set as it is now. Of the rivals of one era a relay keeps the one that it held first. */
  constructor(operations: OperationSet) {
    this.operations = operations;
    const arrival = new Map(operations.operations().map(({ hash }, i) => [hash, i]));
    const resolution = resolveSet(operations, {
      firstHeld: (rivals) => [...rivals].sort((a, b) => (arrival.get(a) ?? 0) - (arrival.get(b) ?? 0))[0],
    });
    this.deactivated = resolution.status === "deactivated";
    const state = "state" in resolution ? resolution.state : undefined;
    this.newest = state?.head;
    for (const { op } of state?.operations ?? []) if (op.op === "rotate") this.#anchors.push(op.anchor);
    this.rotations = this.#anchors.length - 1;
    for (const standing of state?.keys ?? []) this.#keys.set(standing.key, standing);
  }

  static empty(did: Did): IdentityView {
    return new IdentityView(new OperationSet(did));
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
    return this.operations.get(hash) !== undefined;
  }
}
