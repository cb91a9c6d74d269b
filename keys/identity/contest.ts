import type { Branch } from "./succession.js";

/**
 * Who heads an era that no rotate ended. `first`: the operation that began it; `updates`: all updates of the era, on
 * every branch. One head: decided. Several: contested, and these are the branches that still count.
 *
 * An update S that names a head in `over` beats that head and whatever grows on it without knowing of S. To know S is
 * to descend from it by `prev` and `over`, links that hashes make one-way: so of two settlements, the one that knows
 * the other wins, and two that don't know of each other leave the contest open. A head has the settlements that it knows
 * on its side; it wins when those beat all other heads, and none on their side beats it.
 *
 * Takes time in proportion to updates × branches.
 */
export function headsOf(first: Branch, updates: readonly Branch[]): readonly Branch[] {
  const members = [first, ...updates];
  const index = new Map(members.map(({ operation }, i) => [operation.hash, i]));
  const parents = members.map(({ operation: { op } }, i) => (i === 0 ? [] : [index.get(op.prev!)!]));
  const withChildren = new Set(parents.flat());
  const leaves = members.flatMap((_, i) => (withChildren.has(i) ? [] : [i]));
  const settled = members.map(({ operation }) => (operation.op.over ?? []).flatMap((hash) => index.get(hash) ?? []));
  const nothingSettled = settled.every((losers) => losers.length === 0);
  if (leaves.length === 1 || nothingSettled) return leaves.map((leaf) => members[leaf]!);

  const grownOn = leafSets(leaves, parents);
  const knownBy = leafSets(
    leaves,
    parents.map((parent, i) => [...parent, ...settled[i]!]),
  );
  const beats = leaves.map(() => 0n);
  for (const [i, losers] of settled.entries()) {
    const beaten = losers.reduce((union, loser) => union | grownOn[loser]!, 0n) & ~knownBy[i]!;
    if (beaten === 0n) continue;
    for (let leaf = 0; leaf < leaves.length; leaf++) if (has(knownBy[i]!, leaf)) beats[leaf]! |= beaten;
  }
  return undefeated(beats).map((leaf) => members[leaves[leaf]!]!);
}

/**
 * For each member the set of leaves (bit i: `leaves[i]`) from which it is reached along `links`, its own bit included.
 * Visits a member only after all that link to it; hashes allow no cycles.
 */
function leafSets(leaves: readonly number[], links: readonly (readonly number[])[]): bigint[] {
  const sets = links.map(() => 0n);
  for (const [bit, leaf] of leaves.entries()) sets[leaf] = 1n << BigInt(bit);
  const unvisitedLinks = links.map(() => 0);
  for (const target of links.flat()) unvisitedLinks[target]!++;
  const ready = unvisitedLinks.flatMap((count, i) => (count === 0 ? [i] : []));
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    for (const target of links[next]!) {
      sets[target]! |= sets[next]!;
      if (--unvisitedLinks[target]! === 0) ready.push(target);
    }
  }
  return sets;
}

/**
 * Who stays: a head that is beaten by one that stays is out, and what an outed head beats is free again. So branches
 * that were settled long ago drop out of a later contest, and those that beat each other in a circle all stay.
 */
function undefeated(beats: readonly bigint[]): number[] {
  const rows = beats.map((set) => set.toString(2).padStart(beats.length, "0"));
  const beatsOne = (a: number, b: number) => rows[a]![beats.length - 1 - b] === "1";
  const victims = beats.map((_, a) => beats.flatMap((_, b) => (beatsOne(a, b) && !beatsOne(b, a) ? [b] : [])));
  const threats = beats.map(() => 0);
  for (const victim of victims.flat()) threats[victim]!++;
  const out = new Set<number>();
  const staying = threats.flatMap((count, leaf) => (count === 0 ? [leaf] : []));
  for (let winner = staying.pop(); winner !== undefined; winner = staying.pop()) {
    for (const loser of victims[winner]!) {
      if (out.has(loser)) continue;
      out.add(loser);
      for (const freed of victims[loser]!) if (--threats[freed]! === 0 && !out.has(freed)) staying.push(freed);
    }
  }
  return beats.flatMap((_, leaf) => (out.has(leaf) ? [] : [leaf]));
}

function has(set: bigint, bit: number): boolean {
  return ((set >> BigInt(bit)) & 1n) === 1n;
}
