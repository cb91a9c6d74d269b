import fc from "fast-check";
import { expect, test } from "vitest";
import { EMPTY_ROOT, Frontier, leafHash, MerkleTree } from "../../../keys/merkle/index.js";
import { codeOf } from "../code-of.js";
import { sampleLeaves } from "./reference-tree.js";

const hashes = sampleLeaves(300).map(leafHash);
const tree = new MerkleTree();
for (const hash of hashes) tree.append(hash);

test("a frontier has the root of the tree at every size, with at most log2 n + 1 hashes", () => {
  const frontier = Frontier.empty();
  expect(frontier.root()).toEqual(EMPTY_ROOT);
  for (const [i, hash] of hashes.entries()) {
    frontier.append(hash);
    expect(frontier.size).toBe(i + 1);
    expect(frontier.root()).toEqual(tree.root(i + 1));
    expect(frontier.hashes.length).toBeLessThanOrEqual(Math.floor(Math.log2(i + 1)) + 1);
  }
});

test("a frontier written down anywhere and read back goes on as if nothing had happened", () => {
  fc.assert(
    fc.property(fc.nat({ max: 299 }), (size) => {
      const frontier = Frontier.empty();
      frontier.appendAll(hashes.slice(0, size));
      const fromJson = Frontier.fromJSON(JSON.parse(JSON.stringify(frontier)));
      const fromParts = Frontier.from(frontier.size, frontier.hashes);
      for (const copy of [fromJson, fromParts, frontier.clone()]) {
        expect(copy.root()).toEqual(tree.root(size));
        copy.appendAll(hashes.slice(size));
        expect(copy.root()).toEqual(tree.root());
      }
      expect(frontier.size).toBe(size);
      expect(frontier.root()).toEqual(tree.root(size));
    }),
    { numRuns: 50, seed: 1 },
  );
});

test("appending works beyond 2^31 leaves", () => {
  const size = 2 ** 40 - 1;
  const frontier = Frontier.from(size, hashes.slice(0, 40));
  frontier.append(hashes[50]!);
  expect(frontier.size).toBe(2 ** 40);
  expect(frontier.hashes).toHaveLength(1);
  frontier.append(hashes[51]!);
  expect(frontier.hashes).toHaveLength(2);
});

test("hashes that do not fit the size are refused", () => {
  const wrong: (() => unknown)[] = [
    () => Frontier.from(3, hashes.slice(0, 1)),
    () => Frontier.from(4, hashes.slice(0, 2)),
    () => Frontier.from(0, hashes.slice(0, 1)),
    () => Frontier.from(-1, []),
    () => Frontier.from(1.5, hashes.slice(0, 1)),
    () => Frontier.from(Number.NaN, []),
    () => Frontier.from(1, [new Uint8Array(31)]),
    () => Frontier.fromJSON(null as never),
    () => Frontier.fromJSON({ size: 1 } as never),
    () => Frontier.fromJSON({ size: "1", hashes: [] } as never),
  ];
  for (const make of wrong) expect(codeOf(make), String(make)).toBe("merkle-frontier");
  expect(codeOf(() => Frontier.fromJSON({ size: 1, hashes: ["AA"] }))).toBe("bytes-base64url");
});

test("whoever keeps the hashes cannot change the frontier made from them", () => {
  const mine = [hashes[0]!.slice()];
  const frontier = Frontier.from(1, mine);
  mine[0]!.fill(0);
  expect(frontier.root()).toEqual(hashes[0]);
});
