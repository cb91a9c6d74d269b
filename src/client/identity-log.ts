import { assertDid, type Did } from "../../keys/did.js";
import { type ParsedOperation, parsedOrNothing } from "../../keys/identity/operation.js";
import { OperationSet } from "../../keys/identity/operation-set.js";
import { type IdentityState, type KeyStanding, type Resolution, resolveSet } from "../../keys/identity/resolve.js";
import type { KeyView } from "../protocol/chain.js";
import type { ChainHead } from "../protocol/event.js";

/**
 * The identity operations of one agent as this client knows them, and what they say of its keys. Grows; the state that
 * was verified last stays pinned, so that nothing that arrives later takes it back except by the rule itself.
 */
export class IdentityLog implements KeyView {
  readonly did: Did;
  readonly #set: OperationSet;
  #resolution: Resolution;
  #keys = new Map<string, KeyStanding>();
  #anchors: (ChainHead | undefined)[] = [undefined];

  /** `operations` in any order; lines that are no valid operation of this DID are passed over. */
  constructor(did: string, operations: Iterable<ParsedOperation | Uint8Array | string> = []) {
    assertDid(did);
    this.did = did;
    this.#set = new OperationSet(did);
    this.#resolution = { status: "not-found", did };
    for (const operation of operations) {
      const parsed = parsedOrNothing(operation);
      if (parsed !== undefined) this.#set.add(parsed);
    }
    this.#resolve();
  }

  get resolution(): Resolution {
    return this.#resolution;
  }

  /** What holds now; undefined where nothing does (`not-found`, `conflicted`). */
  get state(): IdentityState | undefined {
    return "state" in this.#resolution ? this.#resolution.state : undefined;
  }

  /** The operation that speaks for the identity now. */
  get newest(): ParsedOperation | undefined {
    return this.state?.head;
  }

  get deactivated(): boolean {
    return this.#resolution.status === "deactivated";
  }

  get rotations(): number {
    return this.#anchors.length - 1;
  }

  rotationsOf(key: string): number | undefined {
    return this.#keys.get(key)?.rotations;
  }

  anchorOf(rotations: number): ChainHead | undefined {
    return this.#anchors[rotations];
  }

  standingOf(key: string): KeyStanding | undefined {
    return this.#keys.get(key);
  }

  has(hash: string): boolean {
    return this.#set.get(hash) !== undefined;
  }

  /** Every valid operation, each after its parent: what a relay needs that knows nothing of this agent. */
  operations(): ParsedOperation[] {
    return this.#set.operations();
  }

  /** Takes one more operation. True when the log grew; false for what is known, not valid, or has no parent here. */
  add(operation: ParsedOperation | Uint8Array | string): boolean {
    const parsed = parsedOrNothing(operation);
    if (parsed === undefined || parsed.did !== this.did) return false;
    // What waits for a parent is not kept: a relay could send any amount of it.
    if (parsed.op.op !== "genesis" && !this.has(parsed.op.prev)) return false;
    if (this.#set.add(parsed).status !== "added") return false;
    this.#resolve();
    return true;
  }

  #resolve(): void {
    const pinned = this.newest?.hash;
    this.#resolution = resolveSet(this.#set, pinned === undefined ? {} : { pinned });
    const { state } = this;
    this.#keys = new Map((state?.keys ?? []).map((standing) => [standing.key, standing]));
    this.#anchors = [undefined];
    for (const { op } of state?.operations ?? []) if (op.op === "rotate") this.#anchors.push(op.anchor);
  }
}
