import { assertDid, type Did } from "../did.js";
import { AntsError } from "../errors.js";
import { headsOf } from "./contest.js";
import { type ParsedOperation, parsedOrNothing } from "./operation.js";
import { OperationSet } from "./operation-set.js";
import type { IdentityOperation } from "./shape.js";
import { type IdentityState, stateAt } from "./state.js";
import type { Branch } from "./succession.js";

export type { AnchorPoint, IdentityState, KeyStanding } from "./state.js";

/** What a set of operations says about an identity. */
export type Resolution =
  | { readonly status: "verified"; readonly did: Did; readonly state: IdentityState }
  | { readonly status: "deactivated"; readonly did: Did; readonly state: IdentityState }
  /** Updates clash. `state`: the pinned one, or the last that all `branches` (hashes of their heads) share. */
  | {
      readonly status: "contested";
      readonly did: Did;
      readonly state: IdentityState;
      readonly branches: readonly string[];
    }
  /** Rotates of one era clash, and nothing tells which came first. There is no state that one could act on. */
  | { readonly status: "conflicted"; readonly did: Did; readonly rivals: readonly string[] }
  /** No genesis in the set hashes to the DID. */
  | { readonly status: "not-found"; readonly did: Did };

export interface ResolveOptions {
  /**
   * Hash of the head of the state that this verifier last took for true; the set must contain it. Decides where
   * nothing else does: which of several rivals, and what to go on with during a contest.
   */
  readonly pinned?: string;
  /**
   * Which of the rivals (hashes, sorted) was held first by a quorum of the relays that `parent` names; undefined where
   * that is unknown. Asked once for each rival, with its own parent: a rival counts if the answer is its own hash.
   */
  readonly firstHeld?: (rivals: readonly string[], parent: IdentityOperation) => string | undefined;
}

/**
 * Resolves an identity over a set of operations: lines, or operations that were parsed before (much faster: their
 * signatures are not verified again). The order makes no difference. Lines that do not parse, operations of other
 * agents and such as are not valid on their own path are ignored: anybody can add those to a set.
 *
 * Throws AntsError "identity-pin-missing" when `pinned` is no valid operation of the set, "did-syntax" when `did` is no DID.
 */
export function resolveIdentity(
  did: string,
  operations: Iterable<ParsedOperation | Uint8Array | string>,
  options: ResolveOptions = {},
): Resolution {
  assertDid(did);
  const set = new OperationSet(did);
  for (const operation of operations) {
    const parsed = parsedOrNothing(operation);
    if (parsed !== undefined) set.add(parsed);
  }
  return resolveSet(set, options);
}

/** {@link resolveIdentity} for a set that grows. */
export function resolveSet(set: OperationSet, options: ResolveOptions = {}): Resolution {
  const { did } = set;
  const pinned = options.pinned === undefined ? undefined : set.get(options.pinned);
  if (options.pinned !== undefined && pinned === undefined) {
    throw new AntsError("identity-pin-missing", `expected the pinned operation ${options.pinned} in the set`, {
      hint: "resolve over what was verified before and what was fetched, together",
      details: { did, pinned: options.pinned },
    });
  }
  let opening = set.genesis;
  if (opening === undefined) return { status: "not-found", did };

  // Era by era: a rotate or deactivate wins over every update of the era that it ends, whenever it arrives.
  while (opening.era.closings.length > 0) {
    const closing = chooseClosing(opening.era.closings, pinned, options);
    if (closing === undefined) return { status: "conflicted", did, rivals: hashesOf(opening.era.closings) };
    if (closing.operation.op.op === "deactivate") {
      return { status: "deactivated", did, state: stateAt(closing, set.operationsNow()) };
    }
    opening = closing;
  }

  const heads = headsOf(opening);
  if (heads.length === 1) return { status: "verified", did, state: stateAt(heads[0]!, set.operationsNow()) };
  const shared = lastShared(heads);
  const kept = pinned !== undefined && isOnPath(shared, pinned) ? pinned : shared;
  let branches: readonly string[] | undefined;
  return {
    status: "contested",
    did,
    state: stateAt(kept, set.operationsNow()),
    get branches() {
      branches ??= hashesOf(heads);
      return branches;
    },
  };
}

/** What {@link resolveHeld} says. */
export interface HeldHead {
  /** The operation that speaks for the identity; during a contest the last that all branches share. */
  readonly head: Branch;
  readonly status: "verified" | "deactivated" | "contested";
}

/**
 * What {@link resolveSet} says to a keeper that takes of several rivals the one that joined the set first and pins
 * nothing: a relay. However many rivals there are, they cost nothing. Undefined without a genesis.
 */
export function resolveHeld(set: OperationSet): HeldHead | undefined {
  let opening = set.genesis;
  if (opening === undefined) return undefined;
  for (let [closing] = opening.era.closings; closing !== undefined; [closing] = opening.era.closings) {
    if (closing.operation.op.op === "deactivate") return { status: "deactivated", head: closing };
    opening = closing;
  }
  const heads = headsOf(opening);
  return heads.length === 1
    ? { status: "verified", head: heads[0]! }
    : { status: "contested", head: lastShared(heads) };
}

/** Rivals: first the one that a quorum held first, else the one on the pinned branch, else nobody. */
function chooseClosing(
  rivals: readonly Branch[],
  pinned: Branch | undefined,
  { firstHeld }: ResolveOptions,
): Branch | undefined {
  if (rivals.length === 1) return rivals[0];
  const hashes = hashesOf(rivals);
  const held = rivals.filter(({ operation, parent }) => firstHeld?.(hashes, parent!.operation.op) === operation.hash);
  if (held.length === 1) return held[0];
  return pinned && rivals.find((rival) => isOnPath(rival, pinned));
}

/** Is `branch` the operation `head` or an ancestor of it? */
function isOnPath(branch: Branch, head: Branch): boolean {
  let at: Branch | undefined = head;
  while (at !== undefined && at.operation.op.n > branch.operation.op.n) at = at.parent;
  return at === branch;
}

function lastShared(heads: readonly Branch[]): Branch {
  let shared = heads[0]!;
  for (const head of heads) while (!isOnPath(shared, head)) shared = shared.parent!;
  return shared;
}

function hashesOf(branches: readonly Branch[]): string[] {
  return branches.map(({ operation }) => operation.hash).sort();
}
