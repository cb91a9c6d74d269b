import { equalBytes } from "../bytes.js";
import { isHash, nodeHash } from "./hashes.js";

/** An inclusion proof as it was received. Nothing in it is trusted but `root`. */
export interface InclusionClaim {
  /** The RFC 6962 *leaf hash* (`leafHash(data)`), 32 bytes. */
  leaf: Uint8Array;
  /** Of the leaf, from 0. */
  index: bigint | number;
  /** Leaves of the tree. */
  size: bigint | number;
  /** Sibling hashes, 32 bytes each, leaf side first. */
  path: readonly Uint8Array[];
  /** Of the tree, 32 bytes. */
  root: Uint8Array;
}

/** A consistency proof as it was received. Nothing in it is trusted but the roots. */
export interface ConsistencyClaim {
  size1: bigint | number;
  root1: Uint8Array;
  size2: bigint | number;
  root2: Uint8Array;
  /** Hashes of 32 bytes; empty when the sizes are equal. */
  proof: readonly Uint8Array[];
}

/**
 * Is this leaf at this place of the tree with this root (RFC 9162 section 2.1.3.2)? False for anything malformed:
 * a hash that is not 32 bytes, an index outside the tree, a path too short or too long.
 */
export function verifyInclusion({ leaf, index, size, path, root }: InclusionClaim): boolean {
  if (!isHash(root)) return false;
  const reached = rootFromPath({ leaf, index, size, path });
  return reached !== undefined && equalBytes(reached, root);
}

/** The root that a path leads to, 32 bytes; undefined when the path cannot belong to such a leaf of such a tree. */
export function rootFromPath({ leaf, index, size, path }: Omit<InclusionClaim, "root">): Uint8Array | undefined {
  if (!isHash(leaf) || !areHashes(path)) return undefined;
  const sides = inclusionSides(index, size);
  if (sides === undefined || sides.length !== path.length) return undefined;
  let hash = leaf;
  for (let i = 0; i < path.length; i++) {
    hash = sides[i] === "left" ? nodeHash(path[i]!, hash) : nodeHash(hash, path[i]!);
  }
  return hash;
}

type Side = "left" | "right";

/** On which side of the climbing hash each element of an inclusion path belongs; undefined outside the tree. */
function inclusionSides(index: bigint | number, size: bigint | number): Side[] | undefined {
  const i = integer(index);
  const n = integer(size);
  if (i === undefined || n === undefined || i < 0n || i >= n) return undefined;
  return n <= Number.MAX_SAFE_INTEGER
    ? sidesOfNumber(Number(i), Number(n) - 1)
    : sidesOfBigInt(BigInt(i), BigInt(n) - 1n);
}

/**
 * RFC 9162 section 2.1.3.2: `node` and `last` climb together; a right child has its sibling on the left, a left child
 * on the right, and a last node without a sibling climbs for nothing.
 */
function sidesOfNumber(index: number, lastIndex: number): Side[] {
  const sides: Side[] = [];
  let node = index;
  let last = lastIndex;
  while (last > 0) {
    if (node % 2 === 1) sides.push("left");
    else if (node < last) sides.push("right");
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return sides;
}

/** The same beyond 2^53, where only the vectors of other projects go; ten times slower. */
function sidesOfBigInt(index: bigint, lastIndex: bigint): Side[] {
  const sides: Side[] = [];
  let node = index;
  let last = lastIndex;
  while (last > 0n) {
    if (node % 2n === 1n) sides.push("left");
    else if (node < last) sides.push("right");
    node /= 2n;
    last /= 2n;
  }
  return sides;
}

/**
 * Does the tree of size2 and root2 begin with the tree of size1 and root1 (RFC 9162 section 2.1.4.2)? False for
 * anything malformed, and for size1 = 0: every tree begins with the empty one, so such a proof would prove nothing.
 */
export function verifyConsistency({ size1, root1, size2, root2, proof }: ConsistencyClaim): boolean {
  if (!isHash(root1) || !isHash(root2) || !areHashes(proof)) return false;
  const first = integer(size1);
  const second = integer(size2);
  if (first === undefined || second === undefined || first < 1n || first > second) return false;
  if (first === second) return proof.length === 0 && equalBytes(root1, root2);
  return climbTogether(BigInt(first), root1, BigInt(second), root2, proof);
}

function climbTogether(
  size1: bigint,
  root1: Uint8Array,
  size2: bigint,
  root2: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  let node = size1 - 1n;
  let last = size2 - 1n;
  while (node % 2n === 1n) {
    node /= 2n;
    last /= 2n;
  }
  // node = 0: size1 is a power of two, its tree is one node of the other tree, and its hash is not repeated.
  const path = node === 0n ? [root1, ...proof] : proof;
  if (path.length === 0) return false;
  let hash1 = path[0]!;
  let hash2 = path[0]!;
  for (const sibling of path.slice(1)) {
    if (last === 0n) return false;
    if (node % 2n === 1n || node === last) {
      hash1 = nodeHash(sibling, hash1);
      hash2 = nodeHash(sibling, hash2);
      while (node % 2n === 0n && node !== 0n) {
        node /= 2n;
        last /= 2n;
      }
    } else {
      hash2 = nodeHash(hash2, sibling);
    }
    node /= 2n;
    last /= 2n;
  }
  return last === 0n && equalBytes(hash1, root1) && equalBytes(hash2, root2);
}

/** A whole number, in the form that it came; undefined for fractions, unsafe numbers and everything else. */
function integer(value: bigint | number): bigint | number | undefined {
  return typeof value === "bigint" || Number.isSafeInteger(value) ? value : undefined;
}

function areHashes(path: readonly Uint8Array[]): boolean {
  return Array.isArray(path) && path.every(isHash);
}
