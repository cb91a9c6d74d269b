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
  #resolved: Resolved;
  /** Updates came since: thousands may come before anybody asks what they say. */
  #isStale = true;
  #pinned: string | undefined;

  /**
   * `operations` in any order; lines that are no valid operation of this DID are passed over. `pinned`: hash of the one
   * that spoke for the identity when it was verified last; throws "identity-pin-missing" where they don't contain it.
   */
  constructor(did: string, operations: Iterable<ParsedOperation | Uint8Array | string> = [], pinned?: string) {
    assertDid(did);
    this.did = did;
    this.#pinned = pinned;
    this.#set = new OperationSet(did);
    this.#resolved = { resolution: { status: "not-found", did }, keys: new Map(), anchors: [undefined] };
    for (const operation of operations) {
      const parsed = parsedOrNothing(operation);
      if (parsed !== undefined) this.#set.add(parsed);
    }
    this.#now();
  }

  /**
   * A log as it grew: `operations` in the order in which they were learnt, so that of rivals the one that came first stays
   * pinned. What comes before its parent is passed over.
   */
  static learnt(did: string, operations: Iterable<ParsedOperation | Uint8Array | string>): IdentityLog {
    const log = new IdentityLog(did);
    for (const operation of operations) log.add(operation);
    return log;
  }

  get resolution(): Resolution {
    return this.#now().resolution;
  }

  /** What holds now; undefined where nothing does (`not-found`, `conflicted`). */
  get state(): IdentityState | undefined {
    return stateOf(this.resolution);
  }

  /** The operation that speaks for the identity now. */
  get newest(): ParsedOperation | undefined {
    return this.state?.head;
  }

  get deactivated(): boolean {
    return this.resolution.status === "deactivated";
  }

  get rotations(): number {
    return this.#now().anchors.length - 1;
  }

  rotationsOf(key: string): number | undefined {
    return this.#now().keys.get(key)?.rotations;
  }

  anchorOf(rotations: number): ChainHead | undefined {
    return this.#now().anchors[rotations];
  }

  standingOf(key: string): KeyStanding | undefined {
    return this.#now().keys.get(key);
  }

  /** How many valid operations are known; only grows. */
  get size(): number {
    return this.#set.size;
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
    this.#isStale = true;
    if (parsed.op.op !== "update") this.#now();
    else if (this.#extendsPinned(parsed.hash)) this.#pinned = parsed.hash;
    return true;
  }

  /** An update that nothing contests is verified at once, without a look at the rest. */
  #extendsPinned(hash: string): boolean {
    const branch = this.#set.get(hash);
    if (branch?.parent === undefined || branch.parent.operation.hash !== this.#pinned) return false;
    return branch.era.leaves.size === 1 && branch.era.closings.length === 0;
  }

  #now(): Resolved {
    if (!this.#isStale) return this.#resolved;
    const resolution = resolveSet(this.#set, this.#pinned === undefined ? {} : { pinned: this.#pinned });
    this.#pinned = stateOf(resolution)?.head.hash;
    const { keys = [], operations = [] } = stateOf(resolution) ?? {};
    this.#resolved = {
      resolution,
      keys: new Map(keys.map((standing) => [standing.key, standing])),
      anchors: [undefined, ...operations.flatMap(({ op }) => (op.op === "rotate" ? [op.anchor] : []))],
    };
    this.#isStale = false;
    return this.#resolved;
  }
}

/** What the operations say, taken as one. */
interface Resolved {
  readonly resolution: Resolution;
  readonly keys: ReadonlyMap<string, KeyStanding>;
  readonly anchors: readonly (ChainHead | undefined)[];
}

function stateOf(resolution: Resolution): IdentityState | undefined {
  return "state" in resolution ? resolution.state : undefined;
}
