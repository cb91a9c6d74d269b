import { AntsError } from "../errors.js";
import { EMPTY_ROOT, nodeHash } from "./hashes.js";

/**
 * Where the stored hashes of a growing tree come from: memory, tiles on disk, tiles fetched from a relay.
 * `node(level, index)` is the root of the complete subtree over the leaves index·2^level … (index+1)·2^level − 1; at
 * level 0 it is a leaf hash. Only nodes whose leaves all exist are ever asked for. Throws what it likes for others.
 */
export interface NodeSource {
  node(level: number, index: number): Uint8Array;
}

/** The root of the tree over the first `size` leaves: 32 bytes. Throws AntsError "merkle-range" for an impossible size. */
export function rootAt(source: NodeSource, size: number): Uint8Array {
  assertSize(size);
  return size === 0 ? EMPTY_ROOT.slice() : rangeRoot(source, 0, size);
}

/**
 * The hashes that lead from leaf `index` to the root at `size`, leaf side first (RFC 6962 section 2.1.1). Throws
 * AntsError "merkle-range" unless 0 ≤ index < size.
 */
export function inclusionProof(source: NodeSource, index: number, size: number): Uint8Array[] {
  assertSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new AntsError("merkle-range", `expected a leaf below the tree size ${size}, got ${index}`);
  }
  const path: Uint8Array[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start);
    if (index < middle) {
      path.push(rangeRoot(source, middle, end));
      end = middle;
    } else {
      path.push(rangeRoot(source, start, middle));
      start = middle;
    }
  }
  return path.reverse();
}

/**
 * The hashes that prove that the tree at `size2` begins with the tree at `size1` (RFC 6962 section 2.1.2); [] when the
 * sizes are equal. Throws AntsError "merkle-range" unless 0 < size1 ≤ size2: there is nothing to prove about no leaves.
 */
export function consistencyProof(source: NodeSource, size1: number, size2: number): Uint8Array[] {
  assertSize(size2);
  if (!Number.isSafeInteger(size1) || size1 < 1 || size1 > size2) {
    throw new AntsError("merkle-range", `expected a first size of 1 to ${size2}, got ${size1}`);
  }
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = size2;
  while (size1 !== end) {
    const middle = start + largestPowerBelow(end - start);
    if (size1 <= middle) {
      proof.push(rangeRoot(source, middle, end));
      end = middle;
    } else {
      proof.push(rangeRoot(source, start, middle));
      start = middle;
    }
  }
  // Where the old tree is a complete subtree from the start, the verifier has its hash already: it is root1.
  if (start !== 0) proof.push(rangeRoot(source, start, end));
  return proof.reverse();
}

/**
 * The root over the leaves start … end − 1, where `start` is a multiple of a power of two that is at least end − start.
 * Such a range is a row of complete subtrees, larger ones first; they are folded from the right.
 */
function rangeRoot(source: NodeSource, start: number, end: number): Uint8Array {
  const subtrees: Uint8Array[] = [];
  let at = start;
  while (at < end) {
    const width = largestPowerAtMost(end - at);
    subtrees.push(source.node(Math.log2(width), at / width));
    at += width;
  }
  let root = subtrees.pop()!;
  for (let i = subtrees.length - 1; i >= 0; i--) root = nodeHash(subtrees[i]!, root);
  return root;
}

/** The largest power of two below `count` (which is at least 2): where RFC 6962 splits a tree. */
function largestPowerBelow(count: number): number {
  return largestPowerAtMost(count - 1);
}

/** By doubling, since shifts end at 2^31 and logarithms round. */
function largestPowerAtMost(count: number): number {
  if (count < 0x40000000) return 1 << (31 - Math.clz32(count));
  let power = 0x40000000;
  while (power * 2 <= count) power *= 2;
  return power;
}

function assertSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new AntsError("merkle-range", `expected a tree size, got ${size}`);
  }
}
