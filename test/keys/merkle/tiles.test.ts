import fc from "fast-check";
import { expect, test } from "vitest";
import { equalBytes } from "../../../keys/bytes.js";
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  MerkleTree,
  type NodeSource,
  parseTilePath,
  rootAt,
  TILE_HEIGHT,
  TILE_WIDTH,
  tileCoordinates,
  tilePath,
  tilesBetween,
} from "../../../keys/merkle/index.js";
import { codeOf } from "../code-of.js";

test("paths are those of C2SP tlog-tiles", () => {
  expect(tilePath(0, 0)).toBe("tile/0/000");
  expect(tilePath(0, 1234067)).toBe("tile/0/x001/x234/067");
  expect(tilePath(1, 5, 112)).toBe("tile/1/005.p/112");
  expect(tilePath(0, 1234, 5)).toBe("tile/0/x001/234.p/5");
  expect(tilePath(2, 999)).toBe("tile/2/999");
  expect(tilePath(2, 1000)).toBe("tile/2/x001/000");
});

test("every tile's path reads back", () => {
  const tile = fc.record({
    level: fc.nat({ max: 6 }),
    index: fc.oneof(fc.nat({ max: 2000 }), fc.maxSafeNat()),
    width: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(
    fc.property(tile, (each) => {
      fc.pre(each.index < Number.MAX_SAFE_INTEGER);
      expect(parseTilePath(tilePath(each.level, each.index, each.width))).toEqual(each);
    }),
  );
});

test.each([
  "tile/0/0",
  "tile/0/0000",
  "tile/0/001.p/0",
  "tile/0/001.p/256",
  "tile/0/001.p/05",
  "tile/0/x000/001",
  "tile/0/001/002",
  "tile/0/x001",
  "tile/00/001",
  "tile/7/001",
  "tile/-1/001",
  "/tile/0/001",
  "tile/0/001/",
  "tile/0/x999/x999/x999/x999/x999/999",
  "tile/0/../001",
  "tile/entries/001",
])("is no tile of ours: %s", (path) => {
  expect(parseTilePath(path)).toBeUndefined();
});

test("numbers that no tile has make no path", () => {
  for (const [level, index, width] of [
    [7, 0, 256],
    [-1, 0, 256],
    [0, -1, 256],
    [0, 0.5, 256],
    [0, 0, 0],
    [0, 0, 257],
    [0, Number.NaN, 1],
  ] as const) {
    expect(codeOf(() => tilePath(level, index, width))).toBe("merkle-tile");
  }
});

/** Tiles as a relay writes them, after each growth only those that changed. */
class TileStore implements NodeSource {
  readonly #tiles = new Map<string, Uint8Array[]>();
  readonly #tree: MerkleTree;

  constructor(tree: MerkleTree) {
    this.#tree = tree;
  }

  grow(oldSize: number, size: number): void {
    for (const { level, index, width } of tilesBetween(oldSize, size)) {
      const first = index * TILE_WIDTH;
      const hashes = Array.from({ length: width }, (_, i) => this.#tree.node(level * TILE_HEIGHT, first + i));
      this.#tiles.set(tilePath(level, index), hashes);
    }
  }

  node(level: number, index: number): Uint8Array {
    const { level: tileLevel, index: tileIndex, offset, count } = tileCoordinates(level, index);
    const hashes = this.#tiles.get(tilePath(tileLevel, tileIndex))!.slice(offset, offset + count);
    if (hashes.length !== count) throw new RangeError(`tile ${tileIndex} of level ${tileLevel} is too narrow`);
    const subtree = new MerkleTree();
    for (const hash of hashes) subtree.append(hash);
    return subtree.root();
  }
}

test("tiles written at each growth answer for every size as the tree in memory does", () => {
  const size = 70_000; // three levels of tiles
  const tree = new MerkleTree();
  const store = new TileStore(tree);
  const steps = [1, 2, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, size];
  let written = 0;
  for (const step of steps) {
    for (let i = tree.size; i < step; i++) tree.append(leafHash(Uint8Array.of(i, i >> 8, i >> 16)));
    store.grow(written, step);
    written = step;
    expect(equalBytes(rootAt(store, step), tree.root()), `root at ${step}`).toBe(true);
  }
  for (const at of steps) {
    expect(rootAt(store, at)).toEqual(tree.root(at));
    const index = Math.floor(at / 2);
    expect(inclusionProof(store, index, at)).toEqual(tree.inclusionPath(index, at));
    expect(consistencyProof(store, at, size)).toEqual(tree.consistencyPath(at, size));
  }
});

test("growth within a tile rewrites that tile only, and no growth nothing", () => {
  expect(tilesBetween(5, 5)).toEqual([]);
  expect(tilesBetween(5, 9)).toEqual([{ level: 0, index: 0, width: 9 }]);
  expect(tilesBetween(0, 256)).toEqual([
    { level: 0, index: 0, width: 256 },
    { level: 1, index: 0, width: 1 },
  ]);
  expect(tilesBetween(256, 300)).toEqual([{ level: 0, index: 1, width: 44 }]);
  expect(tilesBetween(300, 513)).toEqual([
    { level: 0, index: 1, width: 256 },
    { level: 0, index: 2, width: 1 },
    { level: 1, index: 0, width: 2 },
  ]);
});
