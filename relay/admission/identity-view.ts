import { type AntsError, isAntsError } from "../../keys/errors.js";
import { commitmentOf } from "../../keys/identity/commitment.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { Joined, OperationSet } from "../../keys/identity/operation-set.js";
import { resolveHeld } from "../../keys/identity/resolve.js";
import { endsOf, type KeyStanding, stateAt } from "../../keys/identity/state.js";
import { checkSuccession } from "../../keys/identity/succession.js";
import type { KeyView } from "../../src/protocol/chain.js";
import type { ChainHead } from "../../src/protocol/event.js";

/** A live key speaks for the agent. The owner's recovery key reads what is addressed to it, and does nothing else. */
export type Power = "agent" | "owner";

/** What follows from all operations. */
interface Known {
  readonly newest: ParsedOperation | undefined;
  readonly otherEnds: readonly string[];
}

/** What follows from the rotates alone. */
interface Standings {
  readonly deactivated: boolean;
  readonly keys: ReadonlyMap<string, KeyStanding>;
  readonly anchors: readonly (ChainHead | undefined)[];
}

/**
 * What this relay makes of the identity operations it holds for one DID, in the form that the chain rule asks. Of the
 * rivals of one era a relay keeps the one that it held first. Resolved when it is asked, not with every operation: an
 * author may send a thousand of them, and an update changes nothing of what events are judged by.
 */
export class IdentityView implements KeyView {
  readonly #set: OperationSet;
  #standings: Standings | undefined;
  #known: Known | undefined;

  constructor(operations: OperationSet) {
    this.#set = operations;
  }

  /** In the order of arrival; the relay serves all of them, also those of losing branches. Grows by {@link add} only. */
  get operations(): Omit<OperationSet, "add"> {
    return this.#set;
  }

  /** Why an operation is not valid where it stands; its parent is here. */
  objection(operation: ParsedOperation): AntsError | undefined {
    const parent = operation.op.op === "genesis" ? undefined : this.#set.get(operation.op.prev);
    try {
      if (parent !== undefined) checkSuccession(parent, operation);
      return undefined;
    } catch (error) {
      if (isAntsError(error)) return error;
      throw error;
    }
  }

  /** Takes one more operation. */
  add(operation: ParsedOperation): Joined {
    const joined = this.#set.add(operation);
    if (joined.status !== "added") return joined;
    this.#known = undefined;
    if (operation.op.op !== "update" || joined.released.length > 0) this.#standings = undefined;
    return joined;
  }

  /** The newest operation on the branch that counts; undefined before the genesis arrived. */
  get newest(): ParsedOperation | undefined {
    return this.#knownNow().newest;
  }

  /** Hashes of the last operations of all branches beside the newest's, of its era. */
  get otherEnds(): readonly string[] {
    return this.#knownNow().otherEnds;
  }

  get deactivated(): boolean {
    return this.#now().deactivated;
  }

  get rotations(): number {
    return this.#now().anchors.length - 1;
  }

  rotationsOf(key: string): number | undefined {
    return this.#now().keys.get(key)?.rotations;
  }

  isLive(key: string): boolean {
    return this.#now().keys.get(key)?.live === true;
  }

  /** What a key (Multikey) may do now; undefined for one that has no say. */
  powerOf(key: string): Power | undefined {
    if (!this.deactivated && this.isLive(key)) return "agent";
    const op = this.newest?.op;
    return op?.recovery.commit.includes(commitmentOf(key, op.keys.sign)) === true ? "owner" : undefined;
  }

  anchorOf(rotations: number): ChainHead | undefined {
    return this.#now().anchors[rotations];
  }

  has(hash: string): boolean {
    return this.#set.get(hash) !== undefined;
  }

  #knownNow(): Known {
    this.#known ??= knownOf(this.#set);
    return this.#known;
  }

  #now(): Standings {
    this.#standings ??= standingsOf(this.#set);
    return this.#standings;
  }
}

function knownOf(set: OperationSet): Known {
  const head = resolveHeld(set)?.head;
  if (head === undefined) return { newest: undefined, otherEnds: [] };
  const newest = head.operation;
  return { newest, otherEnds: endsOf(head).flatMap(({ hash }) => (hash === newest.hash ? [] : [hash])) };
}

function standingsOf(set: OperationSet): Standings {
  const held = resolveHeld(set);
  if (held === undefined) return { deactivated: false, keys: new Map(), anchors: [undefined] };
  const { operations, keys } = stateAt(held.head, set.operationsNow());
  const anchors = operations.flatMap(({ op }) => (op.op === "rotate" ? [op.anchor] : []));
  return {
    deactivated: held.status === "deactivated",
    keys: new Map(keys.map((standing) => [standing.key, standing])),
    anchors: [undefined, ...anchors],
  };
}
