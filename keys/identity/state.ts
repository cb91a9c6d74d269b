import type { Did } from "../did.js";
import type { ParsedOperation } from "./operation.js";
import type { Anchor } from "./shape.js";
import type { Branch } from "./succession.js";

/** What a key that was live once may still vouch for. */
export interface KeyStanding {
  /** Multikey. */
  readonly key: string;
  /** Rotates behind the key: the era that it signs in. A key belongs to one era only. */
  readonly rotations: number;
  readonly live: boolean;
  /** Hash of the rotate or deactivate that ended it; absent while it is live. */
  readonly retiredBy?: string;
  /**
   * The last good event. Events of a retired key count if they are this one or its ancestors; without an anchor none
   * do. A later rotate without an anchor voids the whole chain, and so takes the anchors of all earlier keys away.
   */
  readonly anchor?: Anchor;
}

/** One rotate or deactivate and the event that it names as the last good one. */
export interface AnchorPoint {
  /** Hash of the operation. */
  readonly operation: string;
  /** Absent: the chain before it is void as a whole. */
  readonly anchor?: Anchor;
}

/** An identity as of one operation. */
export interface IdentityState {
  readonly did: Did;
  /** The operation that speaks for the identity. */
  readonly head: ParsedOperation;
  /** From the genesis to the head. */
  readonly operations: readonly ParsedOperation[];
  /** Rotates behind the head. */
  readonly era: number;
  /** Every key that ever was live on the path to the head, in order. */
  readonly keys: readonly KeyStanding[];
  /**
   * What each rotate and deactivate on the path names, in order. Each anchor is a descendant of the one before it, that
   * one itself, or an ancestor of it: then what lies between is void as well. Which of these it is, and that it is one of
   * them, only somebody who has the chain can tell.
   */
  readonly anchors: readonly AnchorPoint[];
  /** Every valid operation off the path: lost, contested and rival branches, each operation after its parent. */
  readonly sides: readonly ParsedOperation[];
  /** Where the branches of the head's era end, those that lost included: what two verifiers agree in when they know the same. */
  readonly ends: readonly ParsedOperation[];
}

/** The standing of a key (Multikey) in a state, or undefined if it never was live. */
export function standingOf(state: IdentityState, key: string): KeyStanding | undefined {
  return state.keys.find((standing) => standing.key === key);
}

/** The state at `head`; `all` gives all valid operations of its agent. */
export function stateAt(head: Branch, all: () => readonly ParsedOperation[]): IdentityState {
  const operations: ParsedOperation[] = [];
  for (let at: Branch | undefined = head; at !== undefined; at = at.parent) operations.push(at.operation);
  operations.reverse();
  const anchors = operations.flatMap(({ op, hash }) =>
    op.op === "rotate" || op.op === "deactivate" ? [{ operation: hash, ...anchorOf(op.anchor) }] : [],
  );
  const ends = endsOf(head);
  let sides: readonly ParsedOperation[] | undefined;
  return {
    did: head.operation.did,
    head: head.operation,
    operations,
    era: head.era.index,
    keys: keyStandings(operations, anchors),
    anchors,
    get sides() {
      sides ??= sidesOf(operations, all());
      return sides;
    },
    ends,
  };
}

/** The last operation of every branch of the era that `head` belongs to. */
export function endsOf(head: Branch): ParsedOperation[] {
  return [...head.era.leaves].map(({ operation }) => operation);
}

/** In an order that doesn't depend on which came first. */
function sidesOf(path: readonly ParsedOperation[], all: readonly ParsedOperation[]): ParsedOperation[] {
  const onPath = new Set(path);
  return all.filter((operation) => !onPath.has(operation)).sort(byNumber);
}

function byNumber(a: ParsedOperation, b: ParsedOperation): number {
  return a.op.n - b.op.n || (a.hash < b.hash ? -1 : 1);
}

function keyStandings(path: readonly ParsedOperation[], anchors: readonly AnchorPoint[]): KeyStanding[] {
  // The closing operation number i retires the keys of era i. From the last one without an anchor backwards, all is void.
  const lastVoid = anchors.findLastIndex(({ anchor }) => anchor === undefined);
  const openings = path.filter(({ op }) => op.op === "genesis" || op.op === "rotate");
  return openings.flatMap(({ op }, rotations) => {
    const closing = anchors[rotations];
    // A later rotate may name an earlier event: the earliest that is named from here on is the last good one.
    const named = anchors.slice(rotations).flatMap(({ anchor }) => (anchor === undefined ? [] : [anchor]));
    const earliest = named.reduce((one, other) => (other.seq < one.seq ? other : one), named[0]!);
    return op.keys.sign.map((key): KeyStanding => {
      if (closing === undefined) return { key, rotations, live: true };
      const anchor = rotations <= lastVoid ? undefined : earliest;
      return { key, rotations, live: false, retiredBy: closing.operation, ...anchorOf(anchor) };
    });
  });
}

function anchorOf(anchor: Anchor | undefined): { anchor?: Anchor } {
  return anchor === undefined ? {} : { anchor };
}
