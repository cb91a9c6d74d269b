import type { Did } from "../keys/did.js";
import type { ParsedOperation } from "../keys/identity/operation.js";
import { OperationSet } from "../keys/identity/operation-set.js";
import { type Resolution, resolveHeld, resolveSet } from "../keys/identity/resolve.js";
import type { RelayAddress } from "../keys/identity/shape.js";

/** Agents whose newest operation is remembered, so that asking for it again costs no parsing. */
const MAX_AGENTS = 4_096;
/** Operations kept parsed, some 10 KiB each: of an agent that goes on writing them only the new ones are read. */
const MAX_OPERATIONS = 4_096;

/** What the newest operation on the branch that counts says; of a contest, the last one that all branches share. */
export interface NewestOperation {
  readonly hash: string;
  readonly isDeactivated: boolean;
  /** Multikeys. */
  readonly signKeys: readonly string[];
  readonly handles: readonly string[];
  readonly relays: readonly RelayAddress[];
}

/** Each agent's newest identity operation on the branch that counts, among the committed ones. */
export class NewestOperations {
  readonly #operationAt: (position: number) => ParsedOperation;
  readonly #known = new Map<string, { readonly operations: number; readonly newest: NewestOperation | undefined }>();
  /** Those asked for last at the end. */
  readonly #sets = new Map<string, OperationSet>();

  /** `operationAt`: reads the committed operation at a log position. */
  constructor(operationAt: (position: number) => ParsedOperation) {
    this.#operationAt = operationAt;
  }

  /** `positions`: of all committed operations of the agent, in the order of their arrival; only grows. */
  newest(did: Did, positions: readonly number[]): NewestOperation | undefined {
    const known = this.#known.get(did);
    if (known?.operations === positions.length) return known.newest;
    const newest = newestOf(this.#setOf(did, positions));
    this.#known.set(did, { operations: positions.length, newest });
    if (this.#known.size > MAX_AGENTS) dropFirst(this.#known);
    return newest;
  }

  /** Reads and verifies at most `count` more of the operations that {@link resolution} needs; how many are then left. */
  read(did: Did, positions: readonly number[], count: number): number {
    const size = this.#sets.get(did)?.size ?? 0;
    return positions.length - this.#setOf(did, positions.slice(0, size + count)).size;
  }

  /** What the operations say as a whole; of rivals the one counts that was here first. `positions` as for {@link newest}. */
  resolution(did: Did, positions: readonly number[]): Resolution {
    const set = this.#setOf(did, positions);
    const held = resolveHeld(set);
    return resolveSet(set, held === undefined ? {} : { pinned: held.head.operation.hash });
  }

  #setOf(did: Did, positions: readonly number[]): OperationSet {
    const set = this.#sets.get(did) ?? new OperationSet(did);
    for (const position of positions.slice(set.size)) set.add(this.#operationAt(position));
    this.#keep(did, set);
    return set;
  }

  #keep(did: Did, set: OperationSet): void {
    this.#sets.delete(did);
    this.#sets.set(did, set);
    let operations = 0;
    for (const { size } of this.#sets.values()) operations += size;
    while (operations > MAX_OPERATIONS && this.#sets.size > 1) operations -= dropFirst(this.#sets)?.size ?? 0;
  }
}

function newestOf(set: OperationSet): NewestOperation | undefined {
  const held = resolveHeld(set);
  if (held === undefined) return undefined;
  const { hash, op } = held.head.operation;
  const { handles, keys, relays } = op;
  return { hash, isDeactivated: held.status === "deactivated", signKeys: keys.sign, handles, relays };
}

function dropFirst<Value>(map: Map<string, Value>): Value | undefined {
  for (const [name, value] of map) {
    map.delete(name);
    return value;
  }
  return undefined;
}
