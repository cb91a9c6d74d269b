import type { RelaySet } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";

/** One relay as one incarnation: what it says counts only under the stream that the operation names. */
export function relayKey({ url, stream }: RelayAddress): string {
  return `${url} ${stream}`;
}

/** Whether enough relays of a set are among those that `counts` says yes to. */
export function hasQuorum(set: RelaySet, counts: (key: string) => boolean): boolean {
  return set.relays.filter((relay) => counts(relayKey(relay))).length >= set.quorum;
}

/** The highest seq that a quorum of the set has reached, where `reached` is -1 for a relay that has nothing. */
export function quorumSeq(set: RelaySet, reached: (key: string) => number): number {
  const seqs = set.relays.map((relay) => reached(relayKey(relay))).sort((a, b) => b - a);
  return seqs[set.quorum - 1] ?? -1;
}

/** Every relay of some sets, once. */
export function relaysOf(sets: readonly RelaySet[]): RelayAddress[] {
  const byKey = new Map(sets.flatMap(({ relays }) => relays).map((relay) => [relayKey(relay), relay]));
  return [...byKey.values()];
}
