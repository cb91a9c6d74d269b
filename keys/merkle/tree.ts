import { AntsError } from "../errors.js";
import { Frontier } from "./frontier.js";
import { leafHash, nodeHash } from "./hashes.js";
import { consistencyProof, inclusionProof, type NodeSource, rootAt } from "./log-tree.js";

/**
 * A tree held whole in memory: 64 bytes a leaf. For batches, tests and small logs; a relay's log keeps its nodes in
 * tiles instead. Grows at the end only, and answers for every size it ever had.
 */
export class MerkleTree implements NodeSource {
  /** The hashes of each level, level 0 being the leaves; only complete subtrees are stored. */
  readonly #levels: Uint8Array[][] = [[]];

  /** A tree over leaf *data* (not hashes), in order. */
  static of(leaves: Iterable<Uint8Array>): MerkleTree {
    const tree = new MerkleTree();
    for (const leaf of leaves) tree.append(leafHash(leaf));
    return tree;
  }

  get size(): number {
    return this.#levels[0]!.length;
  }

  /** `hash`: a leaf *hash*, 32 bytes. */
  append(hash: Uint8Array): void {
    let carried = hash;
    for (let level = 0; ; level++) {
      this.#levels[level] ??= [];
      const nodes = this.#levels[level]!;
      nodes.push(carried);
      if (nodes.length % 2 === 1) return;
      carried = nodeHash(nodes[nodes.length - 2]!, carried);
    }
  }

  node(level: number, index: number): Uint8Array {
    const found = this.#levels[level]?.[index];
    if (found !== undefined) return found;
    throw new AntsError("merkle-range", `the tree of ${this.size} leaves has no node ${index} at level ${level}`);
  }

  /** The root at the present size, or at an earlier one. */
  root(size: number = this.size): Uint8Array {
    this.#assertReached(size);
    return rootAt(this, size);
  }

  /** As {@link inclusionProof}. */
  inclusionPath(index: number, size: number = this.size): Uint8Array[] {
    this.#assertReached(size);
    return inclusionProof(this, index, size);
  }

  /** As {@link consistencyProof}. */
  consistencyPath(size1: number, size2: number = this.size): Uint8Array[] {
    this.#assertReached(size2);
    return consistencyProof(this, size1, size2);
  }

  #assertReached(size: number): void {
    if (size > this.size) throw new AntsError("merkle-range", `expected a size up to ${this.size}, got ${size}`);
  }
}

/** The RFC 6962 root over leaf *data*, in order: 32 bytes; EMPTY_ROOT for no leaves. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const frontier = Frontier.empty();
  for (const leaf of leaves) frontier.append(leafHash(leaf));
  return frontier.root();
}

/**
 * The path from leaf `index` to the root over leaf *data*. Builds the whole tree: for the paths of all leaves make one
 * {@link MerkleTree}. Throws AntsError "merkle-range" unless 0 ≤ index < leaves.length.
 */
export function inclusionPath(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  return MerkleTree.of(leaves).inclusionPath(index);
}

/** The proof that the tree over the first `size2` leaves begins with that over the first `size1`; "merkle-range" as there. */
export function consistencyPath(leaves: readonly Uint8Array[], size1: number, size2: number): Uint8Array[] {
  return MerkleTree.of(leaves).consistencyPath(size1, size2);
}
