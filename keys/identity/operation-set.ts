import type { Did } from "../did.js";
import { AntsError, isAntsError } from "../errors.js";
import type { ParsedOperation } from "./operation.js";
import { type Branch, checkSuccession, type Era } from "./succession.js";

/** What became of an operation that joined a set. */
export type Joined =
  /** Valid where it stands. `released`: the hashes of operations that had waited for it and joined with it. */
  | { readonly status: "added"; readonly released: readonly string[] }
  /** Its hash is there already; the line that came first is kept. */
  | { readonly status: "known" }
  /** Its parent is not there (yet). It is kept, and judged when the parent comes. */
  | { readonly status: "waiting"; readonly prev: string }
  /** Not valid on its parent, in this set and in every other. */
  | { readonly status: "refused"; readonly reason: AntsError };

/**
 * Identity operations of one agent as a tree, joined in any order. Members are valid on their own path; which branch
 * counts is the matter of `resolveSet`. Operations that wait for a parent stay in memory: a set that lives long among
 * strangers should be given only operations whose parent it holds.
 */
export class OperationSet {
  readonly did: Did;
  readonly #members = new Map<string, Branch>();
  /** In the order in which they joined; only grows. */
  readonly #order: ParsedOperation[] = [];
  readonly #waiting = new Map<string, Map<string, ParsedOperation>>();
  #genesis: Branch | undefined;

  constructor(did: Did, operations: Iterable<ParsedOperation> = []) {
    this.did = did;
    for (const operation of operations) this.add(operation);
  }

  /** The genesis, once it joined. */
  get genesis(): Branch | undefined {
    return this.#genesis;
  }

  /** Valid operations. */
  get size(): number {
    return this.#members.size;
  }

  /** A valid operation by its hash. */
  get(hash: string): Branch | undefined {
    return this.#members.get(hash);
  }

  /** All valid operations, each after its parent. */
  operations(): ParsedOperation[] {
    return this.#order.slice();
  }

  /** What {@link operations} gives now, copied only when it is asked for: most states are never asked for their sides. */
  operationsNow(): () => readonly ParsedOperation[] {
    const { length } = this.#order;
    return () => this.#order.slice(0, length);
  }

  add(operation: ParsedOperation): Joined {
    const { hash, op } = operation;
    if (this.#members.has(hash)) return { status: "known" };
    if (operation.did !== this.did) {
      const reason = new AntsError("identity-did", `expected an operation of ${this.did}, got one of ${operation.did}`);
      return { status: "refused", reason };
    }
    if (op.op !== "genesis" && !this.#members.has(op.prev)) {
      this.#wait(op.prev, operation);
      return { status: "waiting", prev: op.prev };
    }
    const reason = this.#join(operation);
    if (reason !== undefined) {
      this.#release(hash);
      return { status: "refused", reason };
    }
    return { status: "added", released: this.#release(hash) };
  }

  #wait(prev: string, operation: ParsedOperation): void {
    const siblings = this.#waiting.get(prev) ?? new Map<string, ParsedOperation>();
    if (!siblings.has(operation.hash)) siblings.set(operation.hash, operation);
    this.#waiting.set(prev, siblings);
  }

  /**
   * Takes whatever waited for `hash`, and for those in turn; drops it where `hash` was refused. A loop, since a whole
   * log may have arrived backwards.
   */
  #release(hash: string): string[] {
    const released: string[] = [];
    const arrived = [hash];
    for (let next = arrived.pop(); next !== undefined; next = arrived.pop()) {
      for (const operation of this.#waiting.get(next)?.values() ?? []) {
        if (this.#members.has(next) && this.#join(operation) === undefined) released.push(operation.hash);
        arrived.push(operation.hash);
      }
      this.#waiting.delete(next);
    }
    return released;
  }

  /** Takes a genesis, or an operation whose parent is a member; returns why not otherwise. */
  #join(operation: ParsedOperation): AntsError | undefined {
    const { op, hash } = operation;
    const parent = op.op === "genesis" ? undefined : this.#members.get(op.prev)!;
    try {
      if (parent !== undefined) checkSuccession(parent, operation);
    } catch (error) {
      if (isAntsError(error)) return error;
      throw error;
    }
    const branch = grow(parent, operation);
    this.#members.set(hash, branch);
    this.#order.push(operation);
    if (parent === undefined) this.#genesis = branch;
    return undefined;
  }
}

/** The operation in its place. Also enters it in the lists of the era that it belongs to or ends. */
function grow(parent: Branch | undefined, operation: ParsedOperation): Branch {
  const { op } = operation;
  const opens = parent === undefined || op.op === "rotate";
  const era = opens ? openEra(parent?.era, operation) : parent.era;
  const updateCount = opens ? 0 : parent.updateCount + (op.op === "update" ? 1 : 0);
  const branch: Branch = { operation, parent, era, updateCount };
  if (opens) era.leaves.add(branch);
  if (parent === undefined) return branch;
  if (op.op !== "update") {
    parent.era.closings.push(branch);
    return branch;
  }
  era.updates.push(branch);
  era.leaves.delete(parent);
  era.leaves.add(branch);
  if (op.over !== undefined) era.settlements++;
  return branch;
}

function openEra(previous: Era | undefined, opening: ParsedOperation): Era {
  const index = previous === undefined ? 0 : previous.index + 1;
  const revealed = opening.op.reveal ?? [];
  return { index, previous, opening, revealed, updates: [], leaves: new Set(), settlements: 0, closings: [] };
}
