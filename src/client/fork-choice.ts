import type { RelaySet } from "../../keys/identity/relay-set.js";
import { compareHeads } from "../protocol/chain.js";
import type { ChainTree, TreeEvent } from "./chain-tree.js";
import { relayKey } from "./quorum.js";

/** What a claim may build on, and who has it. */
export interface BaseCandidate {
  readonly event: TreeEvent;
  /** The relay that names it as its head; absent for what this disk holds. */
  readonly relay?: string;
}

export interface BaseChoice {
  readonly tree: ChainTree;
  /** The heads of the relays that promised, and the own chain's. */
  readonly candidates: readonly BaseCandidate[];
  /** Whether a relay (by its key) promised, so that what it holds is known. */
  readonly isKnown: (relay: string) => boolean;
  /** The relays whose acknowledgements commit what stands after this event's claim; undefined where that is not known. */
  readonly setOf: (event: TreeEvent) => RelaySet | undefined;
}

/**
 * What a claim builds on: the highest head, which holds everything that was committed, since one writer at most writes in
 * an epoch. Where two wrote in one (a machine was cloned while the agent ran), the highest need not be what a quorum has:
 * of such branches the one is taken beside which no other can have been committed. "undecided" where several can; then
 * more relays must say what they hold. (docs/decisions/0026-a-simulation-runs-the-production-code.md)
 */
export function chooseBase(choice: BaseChoice): TreeEvent | "undecided" | undefined {
  const { tree, candidates } = choice;
  let highest: TreeEvent | undefined;
  for (const { event } of candidates) {
    // Of two that are equally high, what a relay holds may be committed; what only this disk holds, which comes first, is not.
    if (highest === undefined || compareHeads(tree.keys, event, highest) >= 0) highest = event;
  }
  if (highest === undefined) return undefined;
  const top = highest;
  const inItsEpoch = candidates.filter(({ event }) => event.epoch === top.epoch && isOfEra(tree, event, top));
  if (inItsEpoch.every(({ event }) => departure(tree, event, top) === undefined)) return top;
  const branches = inItsEpoch.map(({ event }) => event).sort((a, b) => b.seq - a.seq);
  const safe = branches.find((branch) => branches.every((other) => !mayBeCommitted(choice, other, branch)));
  return safe ?? "undecided";
}

function isOfEra({ keys }: ChainTree, a: TreeEvent, b: TreeEvent): boolean {
  return keys.rotationsOf(a.key) === keys.rotationsOf(b.key);
}

/** Whether a quorum may have what is on the way to `branch` and not on the way to `other`. */
function mayBeCommitted(
  { tree, candidates, isKnown, setOf }: BaseChoice,
  branch: TreeEvent,
  other: TreeEvent,
): boolean {
  const own = departure(tree, branch, other);
  if (own === undefined) return false;
  const set = setOf(branch);
  if (set === undefined) return true;
  const having = set.relays.map(relayKey).filter((key) => {
    if (!isKnown(key)) return true;
    return candidates.some(({ event, relay }) => relay === key && departure(tree, own, event) === undefined);
  });
  // As many as may lie can have it and say otherwise.
  return having.length + set.faults >= set.quorum;
}

/** The first event on the way to `from` that is not on the way to `to`; undefined where `from` is on it itself. */
function departure(tree: ChainTree, from: TreeEvent, to: TreeEvent): TreeEvent | undefined {
  let first: TreeEvent | undefined;
  let a: TreeEvent | undefined = from;
  let b: TreeEvent | undefined = to;
  while (a !== undefined) {
    while (b !== undefined && b.seq > a.seq) b = tree.before(b);
    if (a.id === b?.id) return first;
    first = a;
    a = tree.before(a);
  }
  return first;
}

/** What relays hold where the choice is undecided, and what to do. */
export const TWO_HISTORIES = {
  what: "hold two histories of one epoch, and too few of them answer to tell which is committed",
  hint: "bring back the relays that do not answer, and start again; where one is gone for good: ants rotate, which names the event to go on from",
};
