import type { Did } from "../keys/did.js";
import type { ParsedOperation } from "../keys/identity/operation.js";
import { OperationSet } from "../keys/identity/operation-set.js";
import { resolveHeld } from "../keys/identity/resolve.js";

/** Agents whose newest operation is remembered, so that asking for it again costs no parsing. */
const MAX_AGENTS = 4_096;
/** Operations kept parsed, some 10 KiB each: of an agent that goes on writing them only the new ones are read. */
const MAX_OPERATIONS = 4_096;

/** Each agent's newest identity operation on the branch that counts, among the committed ones. */
export class NewestOperations {
  readonly #operationAt: (position: number) => ParsedOperation;
  readonly #known = new Map<string, { readonly operations: number; readonly hash: string | undefined }>();
  /** Those asked for last at the end. */
  readonly #sets = new Map<string, OperationSet>();

  /** `operationAt`: reads the committed operation at a log position. */
  constructor(operationAt: (position: number) => ParsedOperation) {
    this.#operationAt = operationAt;
  }

  /** Its hash. `positions`: of all committed operations of the agent, in the order of their arrival; only grows. */
  hash(did: Did, positions: readonly number[]): string | undefined {
    const known = this.#known.get(did);
    if (known?.operations === positions.length) return known.hash;
    const set = this.#sets.get(did) ?? new OperationSet(did);
    for (const position of positions.slice(set.size)) set.add(this.#operationAt(position));
    this.#keep(did, set);
    const hash = resolveHeld(set)?.head.operation.hash;
    this.#known.set(did, { operations: positions.length, hash });
    if (this.#known.size > MAX_AGENTS) dropFirst(this.#known);
    return hash;
  }

  #keep(did: Did, set: OperationSet): void {
    this.#sets.delete(did);
    this.#sets.set(did, set);
    let operations = 0;
    for (const { size } of this.#sets.values()) operations += size;
    while (operations > MAX_OPERATIONS && this.#sets.size > 1) operations -= dropFirst(this.#sets)?.size ?? 0;
  }
}

function dropFirst<Value>(map: Map<string, Value>): Value | undefined {
  for (const [name, value] of map) {
    map.delete(name);
    return value;
  }
  return undefined;
}
