import { describe, expect, test } from "vitest";
import {
  consistencyPath,
  EMPTY_ROOT,
  inclusionPath,
  leafHash,
  MerkleTree,
  merkleRoot,
  rootFromPath,
  verifyConsistency,
  verifyInclusion,
} from "../../../keys/merkle/index.js";
import { codeOf } from "../code-of.js";
import { mth, path, proof, sampleLeaves } from "./reference-tree.js";

const LARGEST = 40;
const leaves = sampleLeaves(LARGEST);
const tree = MerkleTree.of(leaves);

describe("for every size up to 40, as RFC 6962 defines them,", () => {
  const sizes = Array.from({ length: LARGEST }, (_, i) => i + 1);

  test("roots", () => {
    for (const size of sizes) {
      const expected = mth(leaves.slice(0, size));
      expect(merkleRoot(leaves.slice(0, size))).toEqual(expected);
      expect(tree.root(size)).toEqual(expected);
    }
  });

  test("inclusion paths, which verify", () => {
    for (const size of sizes) {
      const some = leaves.slice(0, size);
      const root = mth(some);
      for (let index = 0; index < size; index++) {
        const expected = path(index, some);
        expect(tree.inclusionPath(index, size)).toEqual(expected);
        expect(inclusionPath(some, index)).toEqual(expected);
        const leaf = leafHash(leaves[index]!);
        expect(verifyInclusion({ leaf, index, size, path: expected, root })).toBe(true);
        expect(verifyInclusion({ leaf, index: BigInt(index), size: BigInt(size), path: expected, root })).toBe(true);
        expect(rootFromPath({ leaf, index, size, path: expected })).toEqual(root);
      }
    }
  });

  test("consistency proofs, which verify", () => {
    for (const size2 of sizes) {
      for (let size1 = 1; size1 <= size2; size1++) {
        const expected = proof(size1, leaves.slice(0, size2));
        expect(tree.consistencyPath(size1, size2)).toEqual(expected);
        expect(consistencyPath(leaves.slice(0, size2), size1, size2)).toEqual(expected);
        const [root1, root2] = [tree.root(size1), tree.root(size2)];
        expect(verifyConsistency({ size1, root1, size2, root2, proof: expected })).toBe(true);
        expect(verifyConsistency({ size1: BigInt(size1), root1, size2: BigInt(size2), root2, proof: expected })).toBe(
          true,
        );
      }
    }
  });
});

test("the tree without leaves has the hash of nothing for its root", () => {
  expect(merkleRoot([])).toEqual(EMPTY_ROOT);
  expect(new MerkleTree().root()).toEqual(EMPTY_ROOT);
  expect(tree.root(0)).toEqual(EMPTY_ROOT);
});

test("the root of nothing belongs to the caller", () => {
  merkleRoot([]).fill(0);
  expect(merkleRoot([])).toEqual(EMPTY_ROOT);
  expect(EMPTY_ROOT[0]).toBe(0xe3);
});

test("asking beyond the tree is an error, not a wrong answer", () => {
  const impossible: (() => unknown)[] = [
    () => tree.root(LARGEST + 1),
    () => tree.root(-1),
    () => tree.root(1.5),
    () => tree.inclusionPath(LARGEST),
    () => tree.inclusionPath(-1),
    () => tree.inclusionPath(0.5),
    () => tree.inclusionPath(5, 5),
    () => tree.inclusionPath(0, LARGEST + 1),
    () => tree.consistencyPath(0),
    () => tree.consistencyPath(3, 2),
    () => tree.consistencyPath(1, LARGEST + 1),
    () => tree.node(0, LARGEST),
    () => tree.node(6, 0),
    () => inclusionPath([], 0),
    () => consistencyPath(leaves, 0, 5),
  ];
  for (const ask of impossible) expect(codeOf(ask), String(ask)).toBe("merkle-range");
});
