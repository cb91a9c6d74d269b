import type { Branch, Era } from "./succession.js";

/**
 * Who heads an era that no rotate ended. `first`: the operation that began it. One head: decided. Several: contested,
 * and these are the branches that still count.
 *
 * An update S that names a head in `over` beats that head and whatever grows on it without knowing of S. To know S is
 * to descend from it by `prev` and `over`, links that hashes make one-way: so of two settlements, the one that knows
 * the other wins, and two that don't know of each other leave the contest open. A head has the settlements that it knows
 * on its side; it wins when those beat all other heads, and none on their side beats it.
 *
 * Takes no time where nothing was settled, else time in proportion to updates × branches.
 */
export function headsOf(first: Branch): readonly Branch[] {
  const { updates, leaves, settlements }: Era = first.era;
  if (leaves.size === 1 || settlements === 0) return [...leaves];
  const members = [first, ...updates];
  const index = new Map(members.map(({ operation }, i) => [operation.hash, i]));
  const parents = members.map(({ operation: { op } }, i) => (i === 0 ? [] : [index.get(op.prev!)!]));
  const heads = members.flatMap((member, i) => (leaves.has(member) ? [i] : []));
  const settled = members.map(({ operation }) => (operation.op.over ?? []).flatMap((hash) => index.get(hash) ?? []));

  const links = parents.map((parent, i) => [...parent, ...settled[i]!]);
  const order = linkedAfterLinking(links);
  const grownOn = headsThatReach(heads, parents, order);
  const knownBy = headsThatReach(heads, links, order);
  // What the settlements beat that a member knows, each where all that it links to has its own already.
  const beaten = members.map(() => newSet(heads.length));
  for (const i of order.reverse()) {
    for (const loser of settled[i]!) unite(beaten[i]!, grownOn[loser]!);
    subtract(beaten[i]!, knownBy[i]!);
    for (const target of links[i]!) unite(beaten[i]!, beaten[target]!);
  }
  const beats = heads.map((head) => beaten[head]!);
  return undefeated(beats).map((head) => members[heads[head]!]!);
}

/** Some of the heads: head i is bit i % 32 of word i / 32. Numbers of any size would be copied at every step. */
type HeadSet = Uint32Array;

function newSet(heads: number): HeadSet {
  return new Uint32Array(Math.ceil(heads / 32));
}

function has(set: HeadSet, head: number): boolean {
  return (set[head >>> 5]! & (1 << (head & 31))) !== 0;
}

function unite(set: HeadSet, more: HeadSet): void {
  for (let word = 0; word < set.length; word++) set[word]! |= more[word]!;
}

function subtract(set: HeadSet, less: HeadSet): void {
  for (let word = 0; word < set.length; word++) set[word]! &= ~less[word]!;
}

function bitsOf(set: HeadSet): number[] {
  const heads: number[] = [];
  for (const [word, bits] of set.entries()) {
    for (let left = bits; left !== 0; left &= left - 1) heads.push(word * 32 + 31 - Math.clz32(left & -left));
  }
  return heads;
}

/** All members, each after all that link to it; hashes allow no cycles. */
function linkedAfterLinking(links: readonly (readonly number[])[]): number[] {
  const unvisitedLinks = links.map(() => 0);
  for (const targets of links) for (const target of targets) unvisitedLinks[target]!++;
  const order = unvisitedLinks.flatMap((count, i) => (count === 0 ? [i] : []));
  for (let next = 0; next < order.length; next++) {
    for (const target of links[order[next]!]!) if (--unvisitedLinks[target]! === 0) order.push(target);
  }
  return order;
}

/** For each member the set of heads from which it is reached along `links`, its own bit included. */
function headsThatReach(
  heads: readonly number[],
  links: readonly (readonly number[])[],
  order: readonly number[],
): HeadSet[] {
  const sets = links.map(() => newSet(heads.length));
  for (const [bit, head] of heads.entries()) sets[head]![bit >>> 5]! |= 1 << (bit & 31);
  for (const next of order) for (const target of links[next]!) unite(sets[target]!, sets[next]!);
  return sets;
}

/**
 * Who stays: a head that is beaten by one that stays is out, and what an outed head beats is free again. So branches
 * that were settled long ago drop out of a later contest, and those that beat each other in a circle all stay.
 */
function undefeated(beats: readonly HeadSet[]): number[] {
  const victims = beats.map((set, a) => bitsOf(set).filter((b) => !has(beats[b]!, a)));
  const threats = beats.map(() => 0);
  for (const beaten of victims) for (const victim of beaten) threats[victim]!++;
  const out = new Set<number>();
  const staying = threats.flatMap((count, head) => (count === 0 ? [head] : []));
  for (let winner = staying.pop(); winner !== undefined; winner = staying.pop()) {
    for (const loser of victims[winner]!) {
      if (out.has(loser)) continue;
      out.add(loser);
      for (const freed of victims[loser]!) if (--threats[freed]! === 0 && !out.has(freed)) staying.push(freed);
    }
  }
  return beats.flatMap((_, head) => (out.has(head) ? [] : [head]));
}
