import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { fromHex } from "../../../keys/bytes.js";
import { MerkleTree, verifyConsistency, verifyInclusion } from "../../../keys/merkle/index.js";
import { tilePath } from "../../../keys/merkle/tiles.js";
import { nodeLogFiles } from "../../../relay/log/log-files.js";
import { TreeLog } from "../../../relay/log/tree-log.js";
import { codeOf } from "../../keys/code-of.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { Prng } from "../../keys/prng.js";

const prng = new Prng(11);
const ids = Array.from({ length: 70_000 }, () => Buffer.from(prng.bytes(32)).toString("hex"));
const reference = MerkleTree.of(ids.slice(0, 600).map((id) => fromHex(id)));

function treeIn(folder: string, asked: number[] = []): TreeLog {
  return new TreeLog(optionsOf(folder, asked));
}

function optionsOf(folder: string, asked: number[] = []) {
  return {
    folder,
    files: nodeLogFiles,
    idsBlocking: (first: number, count: number) => {
      asked.push(first);
      return ids.slice(first - 1, first - 1 + count);
    },
  };
}

/** Comparing long lists of bytes element by element takes the runner minutes. */
function joined(hashes: readonly Uint8Array[]): string {
  return hashes.map((hash) => Buffer.from(hash).toString("hex")).join(" ");
}

describe("roots and proofs", () => {
  const tree = treeIn(temporaryFolder());
  tree.append(1, ids.slice(0, 600));

  it("has the root of RFC 6962 at every size up to 600", () => {
    for (let size = 0; size <= 600; size++) expect(tree.rootAt(size)).toEqual(reference.root(size));
  });

  it("gives the inclusion paths of RFC 6962 for every leaf at every 7th size, and they verify", () => {
    for (let size = 1; size <= 600; size += 7) {
      for (let index = 0; index < size; index++) {
        const path = tree.inclusion(index, size);
        expect(joined(path)).toBe(joined(reference.inclusionPath(index, size)));
        const proof = { leaf: tree.leaf(index + 1), index, size, path, root: tree.rootAt(size) };
        if (index % 5 === 0) expect(verifyInclusion(proof)).toBe(true);
      }
    }
  });

  it("gives the consistency proofs of RFC 6962 between every size and every 11th", () => {
    for (let size2 = 1; size2 <= 600; size2 += 11) {
      for (let size1 = 1; size1 <= size2; size1++) {
        const proof = tree.consistency(size1, size2);
        expect(joined(proof)).toBe(joined(reference.consistencyPath(size1, size2)));
        const claim = { size1, root1: tree.rootAt(size1), size2, root2: tree.rootAt(size2), proof };
        if (size1 % 7 === 0) expect(verifyConsistency(claim)).toBe(true);
      }
    }
  });

  it("has the same roots when it grows entry by entry", () => {
    const slow = treeIn(temporaryFolder());
    for (let i = 0; i < 600; i++) {
      slow.append(i + 1, [ids[i]!]);
      expect(slow.root()).toEqual(reference.root(i + 1));
    }
  });

  it("passes over entries that it has, and refuses a hole", () => {
    const twice = treeIn(temporaryFolder());
    twice.append(1, ids.slice(0, 300));
    twice.append(200, ids.slice(199, 310));
    twice.append(1, ids.slice(0, 5));
    expect(twice.size).toBe(310);
    expect(twice.root()).toEqual(reference.root(310));
    expect(codeOf(() => twice.append(312, ids.slice(311, 312)))).toBe("merkle-range");
  });

  it("refuses sizes that it does not have", () => {
    for (const size of [601, -1, 1.5, Number.NaN]) expect(codeOf(() => tree.rootAt(size))).toBe("merkle-range");
    expect(codeOf(() => tree.inclusion(600, 600))).toBe("merkle-range");
    expect(codeOf(() => tree.consistency(0, 600))).toBe("merkle-range");
    expect(codeOf(() => tree.consistency(5, 601))).toBe("merkle-range");
  });

  it("serves tiles as tlog-tiles says: full ones and every partial one", () => {
    const leaves = Buffer.concat(Array.from({ length: 600 }, (_, i) => reference.node(0, i)));
    expect(tree.tile(0, 0, 256)).toEqual(new Uint8Array(leaves.subarray(0, 256 * 32)));
    expect(tree.tile(0, 1, 256)).toEqual(new Uint8Array(leaves.subarray(256 * 32, 512 * 32)));
    for (const width of [1, 5, 88]) {
      expect(tree.tile(0, 2, width)).toEqual(new Uint8Array(leaves.subarray(512 * 32, (512 + width) * 32)));
    }
    expect(tree.tile(1, 0, 2)).toEqual(new Uint8Array(Buffer.concat([reference.node(8, 0), reference.node(8, 1)])));
    for (const [level, index, width] of [
      [0, 2, 89],
      [0, 3, 1],
      [1, 0, 3],
      [2, 0, 1],
    ] as const) {
      expect(tree.tile(level, index, width)).toBeUndefined();
    }
  });
});

describe("tiles on disk", () => {
  it("opens again from its tiles and the entries after them, on three levels", async () => {
    const folder = temporaryFolder();
    const tree = treeIn(folder);
    tree.append(1, ids);
    await tree.flush();
    const asked: number[] = [];
    const again = TreeLog.fromTiles(optionsOf(folder, asked), ids.length)!;
    expect(again.size).toBe(ids.length - (ids.length % 256));
    again.append(again.size + 1, ids.slice(again.size));
    expect(again.root()).toEqual(tree.root());
    const random = new Prng(3);
    for (let i = 0; i < 200; i++) {
      const size = 1 + random.below(ids.length);
      const index = random.below(size);
      expect(again.rootAt(size)).toEqual(tree.rootAt(size));
      const proof = {
        leaf: again.leaf(index + 1),
        index,
        size,
        path: again.inclusion(index, size),
        root: tree.rootAt(size),
      };
      expect(verifyInclusion(proof)).toBe(true);
    }
    expect(asked).toEqual([]);
  });

  it("computes a tile anew that is missing or damaged, and believes none that the tree above contradicts", async () => {
    const folder = temporaryFolder();
    const tree = treeIn(folder);
    tree.append(1, ids.slice(0, 66_000));
    await tree.flush();
    const asked: number[] = [];
    const again = TreeLog.fromTiles(optionsOf(folder, asked), 65_536)!;
    const missing = join(folder, tilePath(0, 3));
    rmSync(missing);
    const flipped = join(folder, tilePath(0, 9));
    const bytes = readFileSync(flipped);
    bytes[700]! ^= 1;
    writeFileSync(flipped, bytes);
    const short = join(folder, tilePath(0, 12));
    writeFileSync(short, bytes.subarray(0, 100));
    writeFileSync(join(folder, tilePath(1, 0)), Buffer.alloc(8192));
    for (const tile of [3, 9, 12]) expect(again.rootAt(tile * 256 + 77)).toEqual(tree.rootAt(tile * 256 + 77));
    expect(asked.filter((first) => first === 9 * 256 + 1)).not.toEqual([]);
    await again.flush();
    expect(readFileSync(missing)).toEqual(Buffer.from(tree.tile(0, 3, 256)!));
    expect(readFileSync(flipped)).toEqual(Buffer.from(tree.tile(0, 9, 256)!));
  });

  it("says so when the log's entries are not those that a damaged tile was built over", async () => {
    const folder = temporaryFolder();
    const tree = treeIn(folder);
    tree.append(1, ids.slice(0, 600));
    await tree.flush();
    const options = { ...optionsOf(folder), idsBlocking: (_: number, count: number) => ids.slice(1000, 1000 + count) };
    const again = TreeLog.fromTiles(options, 600)!;
    rmSync(join(folder, tilePath(0, 1)));
    expect(codeOf(() => again.rootAt(300))).toBe("log-rewritten");
  });

  it("keeps tiles in memory while the disk refuses them, and writes them when it no longer does", async () => {
    const folder = temporaryFolder();
    const inTheWay = join(folder, dirname(tilePath(0, 0)));
    mkdirSync(dirname(inTheWay), { recursive: true });
    writeFileSync(inTheWay, "a file where a folder should be");
    const tree = treeIn(folder);
    tree.append(1, ids.slice(0, 1000));
    await expect(tree.flush()).rejects.toThrow();
    expect(tree.rootAt(600)).toEqual(reference.root(600));
    rmSync(inTheWay);
    await tree.flush();
    expect(existsSync(join(folder, tilePath(0, 2)))).toBe(true);
  });
});
