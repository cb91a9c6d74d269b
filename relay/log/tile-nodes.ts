import { HASH_BYTES, nodeHash } from "../../keys/merkle/hashes.js";
import { TILE_HEIGHT, TILE_WIDTH } from "../../keys/merkle/tiles.js";

/** Hashes of a full tile and of everything above it within the tile: 256 + 128 + … + 1. */
const NODES = 2 * TILE_WIDTH - 1;

/** Bytes of a full tile as it is stored and served: its lowest level only. */
export const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/**
 * One tile of the tree with its inner nodes, so that each is hashed once and then looked up: 16 KiB when full. Level 0
 * is the tile's lowest.
 */
export class TileNodes {
  readonly #nodes = new Uint8Array(NODES * HASH_BYTES);
  #width = 0;

  /** `hashes`: up to 256 of 32 bytes, one after the other. */
  static from(hashes: Uint8Array): TileNodes {
    const tile = new TileNodes();
    for (let at = 0; at < hashes.length; at += HASH_BYTES) tile.push(hashes.subarray(at, at + HASH_BYTES));
    return tile;
  }

  /** Hashes on the lowest level. */
  get width(): number {
    return this.#width;
  }

  get full(): boolean {
    return this.#width === TILE_WIDTH;
  }

  /** The root over all 256 hashes; only of a full tile. */
  get root(): Uint8Array {
    return this.node(TILE_HEIGHT, 0);
  }

  /** Adds a hash to the lowest level and computes the nodes that it completes: one on average. */
  push(hash: Uint8Array): void {
    let level = 0;
    let index = this.#width++;
    let node = hash;
    this.#set(level, index, node);
    while (index % 2 === 1) {
      node = nodeHash(this.node(level, index - 1), node);
      level++;
      index >>>= 1;
      this.#set(level, index, node);
    }
  }

  /** A complete node: the root over the hashes index·2^level … (index+1)·2^level − 1. Shared memory. */
  node(level: number, index: number): Uint8Array {
    const at = offsetOf(level, index);
    return this.#nodes.subarray(at, at + HASH_BYTES);
  }

  /** The first `width` hashes of the lowest level. Shared memory. */
  hashes(width = this.#width): Uint8Array {
    return this.#nodes.subarray(0, width * HASH_BYTES);
  }

  #set(level: number, index: number, node: Uint8Array): void {
    this.#nodes.set(node, offsetOf(level, index));
  }
}

/** Levels lie one behind the other, the lowest first. */
function offsetOf(level: number, index: number): number {
  return (2 * TILE_WIDTH - ((2 * TILE_WIDTH) >>> level) + index) * HASH_BYTES;
}
