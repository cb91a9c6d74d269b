import { AntsError } from "../errors.js";
import type { ParsedOperation } from "./operation.js";
import type { RelayAddress } from "./shape.js";
import type { IdentityState } from "./state.js";

/** The relays of one operation, of which a quorum must agree. */
export interface RelaySet {
  readonly relays: readonly RelayAddress[];
  readonly faults: number;
  /** How many of them are a quorum. */
  readonly quorum: number;
}

/** ⌊(n + f) / 2⌋ + 1: any two quorums of n relays share more than f, so at least one that tells the truth. */
export function quorumSize(relays: number, faults: number): number {
  return Math.floor((relays + faults) / 2) + 1;
}

/** The relay set of one operation. */
export function relaySetOf({ op }: ParsedOperation): RelaySet {
  return { relays: op.relays, faults: op.faults, quorum: quorumSize(op.relays.length, op.faults) };
}

/**
 * Every relay set that was named from the operation `from` up to the operation `to` on the state's path (its head
 * unless given), without repetitions: whoever claims the pen needs a quorum of each. `from`: what the newest claim
 * names; undefined where there was none, then the count begins with the genesis.
 *
 * A rotate begins the count anew, since what was claimed beyond its anchor is void. Branches beside the path count too, from
 * wherever they split off, until `from` knows them as settled: an instance may claim through the relays that they name, and
 * hear of nothing else (docs/decisions/0035-whoever-promises-knows-every-branch.md).
 *
 * Throws AntsError "identity-operation-unknown" when the state has no such operations.
 */
export function relaySetsBetween(
  state: IdentityState,
  from: string | undefined,
  to: string = state.head.hash,
): RelaySet[] {
  // Where on the path each operation stands, or its branch begins. Sides come after their parents.
  const onPath = new Map(state.operations.map(({ hash }, i) => [hash, i]));
  const places = new Map(onPath);
  for (const { op, hash } of state.sides) places.set(hash, places.get(op.prev!)!);

  const end = onPath.get(to);
  const named = from === undefined ? 0 : places.get(from);
  if (end === undefined || named === undefined) {
    throw new AntsError("identity-operation-unknown", `expected operations of ${state.did}, got ${from} to ${to}`, {
      hint: "fetch the identity log from the agent's relays",
      details: { did: state.did, from, to },
    });
  }
  const eraStart = state.operations.findLastIndex(
    ({ op }, i) => i <= end && (op.op === "genesis" || op.op === "rotate"),
  );
  const start = Math.max(named, eraStart);
  const open = openBranches(state, start).filter(({ hash }) => {
    const fork = places.get(hash)!;
    return fork >= eraStart && fork <= end;
  });
  // Nothing can be claimed, or committed, where there is no relay.
  const sets = [...state.operations.slice(start, end + 1), ...open].map(relaySetOf);
  return distinct(sets.filter(({ relays }) => relays.length > 0));
}

/**
 * The operations beside the path, but for branches whose end the operation number `at` of the path knows as settled: it
 * reaches, by `prev` and `over`, one that names that end or what it grew from. A branch that settles something itself may
 * stand against that, and counts until its very end is named.
 */
function openBranches({ operations, sides }: IdentityState, at: number): ParsedOperation[] {
  const beside = new Map(sides.map((operation) => [operation.hash, operation]));
  const settled = new Set<string>();
  const known = new Set(operations.slice(0, at + 1));
  for (const { op } of known) {
    for (const hash of op.over ?? []) {
      settled.add(hash);
      // What is added to the set while it is gone through is gone through as well.
      for (let on = beside.get(hash); on !== undefined && !known.has(on); on = beside.get(on.op.prev!)) known.add(on);
    }
  }

  const isSettled = new Map<string, boolean>();
  for (const { hash, op } of sides) {
    isSettled.set(hash, settled.has(hash) || (op.over === undefined && isSettled.get(op.prev!) === true));
  }
  const parents = new Set(sides.map(({ op }) => op.prev));
  const open = new Set<ParsedOperation>();
  for (const end of sides) {
    if (parents.has(end.hash) || isSettled.get(end.hash) === true) continue;
    for (let on = beside.get(end.hash); on !== undefined && !open.has(on); on = beside.get(on.op.prev!)) open.add(on);
  }
  return [...open];
}

/** Sets with the same relays, in whatever order, and the same faults are one. */
function distinct(sets: readonly RelaySet[]): RelaySet[] {
  const known = new Map<string, RelaySet>();
  for (const set of sets) {
    const key = JSON.stringify([set.faults, set.relays.map(({ url, stream }) => [stream, url]).sort()]);
    if (!known.has(key)) known.set(key, set);
  }
  return [...known.values()];
}
