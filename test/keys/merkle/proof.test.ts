import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EMPTY_ROOT,
  leafHash,
  MerkleTree,
  nodeHash,
  rootFromPath,
  verifyConsistency,
  verifyInclusion,
} from "../../../keys/merkle/index.js";
import { sampleLeaves } from "./reference-tree.js";

const leaves = sampleLeaves(70);
const tree = MerkleTree.of(leaves);
const hashes = leaves.map(leafHash);

const place = fc.integer({ min: 1, max: 70 }).chain((size) => fc.tuple(fc.nat({ max: size - 1 }), fc.constant(size)));

function inclusion(index: number, size: number) {
  return { leaf: hashes[index]!, index, size, path: tree.inclusionPath(index, size), root: tree.root(size) };
}

function consistency(size1: number, size2: number) {
  const proof = tree.consistencyPath(size1, size2);
  return { size1, root1: tree.root(size1), size2, root2: tree.root(size2), proof };
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

test("no inclusion proof survives a flipped bit, another place, another root, or a changed length", () => {
  fc.assert(
    fc.property(place, fc.nat({ max: 255 }), fc.nat(), ([index, size], bit, pick) => {
      const claim = inclusion(index, size);
      expect(verifyInclusion(claim)).toBe(true);
      expect(verifyInclusion({ ...claim, leaf: flipped(claim.leaf, bit) })).toBe(false);
      expect(verifyInclusion({ ...claim, root: flipped(claim.root, bit) })).toBe(false);
      expect(verifyInclusion({ ...claim, path: [...claim.path, claim.root] })).toBe(false);
      expect(verifyInclusion({ ...claim, path: [claim.leaf, ...claim.path] })).toBe(false);
      const other = pick % 70;
      if (other !== index) expect(verifyInclusion({ ...claim, index: other })).toBe(false);
      if (claim.path.length === 0) return;
      const at = pick % claim.path.length;
      expect(verifyInclusion({ ...claim, path: claim.path.with(at, flipped(claim.path[at]!, bit)) })).toBe(false);
      expect(verifyInclusion({ ...claim, path: claim.path.toSpliced(at, 1) })).toBe(false);
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("no consistency proof survives a flipped bit, other sizes, swapped roots, or a changed length", () => {
  fc.assert(
    fc.property(place, fc.nat({ max: 255 }), fc.nat(), ([before, size2], bit, pick) => {
      const size1 = before + 1;
      const claim = consistency(size1, size2);
      expect(verifyConsistency(claim)).toBe(true);
      expect(verifyConsistency({ ...claim, root1: flipped(claim.root1, bit) })).toBe(false);
      expect(verifyConsistency({ ...claim, root2: flipped(claim.root2, bit) })).toBe(false);
      expect(verifyConsistency({ ...claim, proof: [...claim.proof, claim.root2] })).toBe(false);
      expect(verifyConsistency({ ...claim, proof: [claim.root1, ...claim.proof] })).toBe(false);
      if (size1 !== size2) {
        expect(verifyConsistency({ ...claim, size1: size2, size2: size1 })).toBe(false);
        expect(verifyConsistency({ ...claim, root1: claim.root2, root2: claim.root1 })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: [] })).toBe(false);
        expect(verifyConsistency({ ...claim, size1: size2 })).toBe(false);
        const at = pick % claim.proof.length;
        const changed = claim.proof.with(at, flipped(claim.proof[at]!, bit));
        expect(verifyConsistency({ ...claim, proof: changed })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: claim.proof.toSpliced(at, 1) })).toBe(false);
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("a proof that climbs beyond the root is refused, even if it reaches roots that fit", () => {
  const claim = consistency(3, 11);
  const above = hashes[40]!;
  const root1 = nodeHash(above, claim.root1);
  const root2 = nodeHash(above, claim.root2);
  expect(verifyConsistency({ ...claim, root1, root2, proof: [...claim.proof, above] })).toBe(false);
  const { leaf, index, size, path, root } = inclusion(3, 11);
  const higher = nodeHash(root, above);
  expect(verifyInclusion({ leaf, index, size, path: [...path, above], root: higher })).toBe(false);
});

test("trees of size1 = 0 are refused, since any tree begins with the empty one", () => {
  const { root2 } = consistency(1, 8);
  for (const proof of [[], [root2]]) {
    expect(verifyConsistency({ size1: 0, root1: EMPTY_ROOT, size2: 8, root2, proof })).toBe(false);
    expect(verifyConsistency({ size1: 0n, root1: EMPTY_ROOT, size2: 0n, root2: EMPTY_ROOT, proof })).toBe(false);
  }
});

describe("answered with false, never with an exception:", () => {
  const good = inclusion(5, 11);
  const short = new Uint8Array(31);
  const long = new Uint8Array(33);
  const text = "0".repeat(32) as unknown as Uint8Array;
  test.each([
    ["a short leaf", { leaf: short }],
    ["a long leaf", { leaf: long }],
    ["a leaf that is text", { leaf: text }],
    ["a short root", { root: short }],
    ["a root that is undefined", { root: undefined as unknown as Uint8Array }],
    ["a short hash in the path", { path: good.path.with(1, short) }],
    ["a long hash in the path", { path: good.path.with(1, long) }],
    ["a path that is no array", { path: undefined as unknown as Uint8Array[] }],
    ["a hole in the path", { path: good.path.with(0, undefined as unknown as Uint8Array) }],
    ["an index outside the tree", { index: 11 }],
    ["a negative index", { index: -1 }],
    ["a negative big index", { index: -1n }],
    ["a fraction", { index: 5.5 }],
    ["NaN", { index: Number.NaN }],
    ["an unsafe number", { size: 2 ** 53 }],
    ["infinity", { size: Number.POSITIVE_INFINITY }],
    ["an index that is text", { index: "5" as unknown as number }],
    ["an empty tree", { size: 0, index: 0 }],
    ["a negative tree", { size: -11 }],
  ])("%s in an inclusion proof", (_, wrong) => {
    expect(verifyInclusion(good)).toBe(true);
    expect(verifyInclusion({ ...good, ...wrong })).toBe(false);
  });

  const sound = consistency(6, 11);
  test.each([
    ["a short root", { root1: short }],
    ["a long root", { root2: long }],
    ["a short hash", { proof: sound.proof.with(0, short) }],
    ["a proof that is null", { proof: null as unknown as Uint8Array[] }],
    ["a size that is text", { size1: "6" as unknown as number }],
    ["a fraction", { size1: 6.5 }],
    ["a negative size", { size1: -6 }],
    ["an unsafe number", { size2: 2 ** 60 }],
  ])("%s in a consistency proof", (_, wrong) => {
    expect(verifyConsistency(sound)).toBe(true);
    expect(verifyConsistency({ ...sound, ...wrong })).toBe(false);
  });
});

test("places beyond 2^53 are bigints and verify as any other", () => {
  const leaf = hashes[1]!;
  // The last leaf of a tree of 2^60 + 1 stands alone on its right side: one sibling, the complete tree of 2^60.
  const left = hashes[2]!;
  const size = 2n ** 60n + 1n;
  const root = nodeHash(left, leaf);
  expect(verifyInclusion({ leaf, index: 2n ** 60n, size, path: [left], root })).toBe(true);
  expect(verifyInclusion({ leaf, index: 2n ** 60n - 1n, size, path: [left], root })).toBe(false);
  expect(verifyInclusion({ leaf, index: 2n ** 60n, size: size + 1n, path: [left], root })).toBe(false);
  expect(verifyConsistency({ size1: 2n ** 60n, root1: left, size2: size, root2: root, proof: [leaf] })).toBe(true);
  expect(verifyConsistency({ size1: 2n ** 59n, root1: left, size2: size, root2: root, proof: [leaf] })).toBe(false);
});

test("paths of the largest number and of the smallest bigint beyond it have the same rule", () => {
  const path = hashes.slice(0, 53);
  const leaf = hashes[60]!;
  const small = rootFromPath({ leaf, index: 12345, size: 2 ** 53 - 1, path });
  const large = rootFromPath({ leaf, index: 12345n, size: 2n ** 53n, path });
  expect(small).toBeDefined();
  expect(large).toEqual(small);
});

test("proofs are not changed by being verified", () => {
  const claim = consistency(8, 11);
  const before = claim.proof.map((hash) => hash.slice());
  verifyConsistency(claim);
  expect(claim.proof).toEqual(before);
});
