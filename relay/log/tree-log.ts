import path from "node:path";
import { equalBytes } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { EMPTY_ROOT, HASH_BYTES, leafHash } from "../../keys/merkle/hashes.js";
import { consistencyProof, inclusionProof, type NodeSource, rootAt } from "../../keys/merkle/log-tree.js";
import { TILE_HEIGHT, TILE_WIDTH, tileCoordinates, tilePath } from "../../keys/merkle/tiles.js";
import type { LogFiles } from "./log-files.js";
import { TILE_BYTES, TileNodes } from "./tile-nodes.js";

/** Full tiles kept in memory, 16 KiB each: 4 MiB, the last 65,536 entries and what readers further behind ask for. */
const MAX_TILES = 256;
/** Roots kept in memory: readers' frames end at the same few positions. */
const MAX_ROOTS = 4096;

interface TreeLogOptions {
  readonly folder: string;
  readonly files: LogFiles;
  /**
   * The ids in hex of `count` entries of the log from position `first` on, at once: for a tile whose file is missing or
   * damaged. Throws what the log throws.
   */
  readonly idsBlocking: (first: number, count: number) => readonly string[];
}

/**
 * The Merkle tree (RFC 6962) over the ids of the log's entries, with roots and proofs at every size up to its own.
 *
 * Full tiles are files in the layout of C2SP tlog-tiles, written in the background and never synced: they are derived.
 * A tile from disk is believed when its root is what the tile above it says, and the tiles at the top are in memory;
 * any other is computed from the log again.
 */
export class TreeLog implements NodeSource {
  readonly #options: TreeLogOptions;
  /** By level: the tile that grows. */
  readonly #edge: TileNodes[] = [];
  /** By level: how many tiles are full, which is the index of the one that grows. */
  readonly #fullTiles: number[] = [];
  /** Full tiles by path, least recently used first. */
  readonly #tiles = new Map<string, TileNodes>();
  readonly #unwritten = new Map<string, TileNodes>();
  #writing: Promise<void> | undefined;
  readonly #roots = new Map<number, Uint8Array>();
  #size = 0;

  constructor(options: TreeLogOptions) {
    this.#options = options;
  }

  /**
   * The tree over the first entries of a log, as many as the full tiles under `size` entries hold, and those of the
   * partial tile that {@link keepPartial} wrote for just this size: append the rest. Undefined when a full tile is
   * missing. Nothing is verified here but what loading from disk verifies: compare the root.
   */
  static fromTiles(options: TreeLogOptions, size: number): TreeLog | undefined {
    const tree = new TreeLog(options);
    let full = Math.floor(size / TILE_WIDTH);
    tree.#size = full * TILE_WIDTH;
    tree.#fullTiles.push(full);
    tree.#edge.push(new TileNodes());
    for (let level = 0; full > 0; level++) {
      const above = Math.floor(full / TILE_WIDTH);
      const edge = new TileNodes();
      for (let index = above * TILE_WIDTH; index < full; index++) {
        const tile = tree.#fromDisk(level, index);
        if (tile === undefined) return undefined;
        edge.push(tile.root);
      }
      tree.#edge.push(edge);
      tree.#fullTiles.push(above);
      full = above;
    }
    tree.#growByPartial(size);
    return tree;
  }

  /** Entries in the tree. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds entries: their ids in hex, the first of them at position `first`. Those that the tree has already are passed
   * over. Two hashes an entry. Throws "merkle-range" for a hole.
   */
  append(first: number, ids: readonly string[]): void {
    if (first > this.#size + 1) {
      throw new AntsError("merkle-range", `position ${first} does not follow a tree of ${this.#size} entries`);
    }
    for (let i = this.#size + 1 - first; i < ids.length; i++) {
      this.#push(0, leafHash(Buffer.from(ids[i]!, "hex")));
      this.#size++;
    }
    if (this.#unwritten.size > 0) this.#writing ??= this.#writeTiles();
  }

  /** The root over all entries: 32 bytes. */
  root(): Uint8Array {
    return this.rootAt(this.#size);
  }

  /** The root over the first `size` entries. Throws "merkle-range" beyond the tree, "tree-damaged", "log-rewritten". */
  rootAt(size: number): Uint8Array {
    if (size === 0) return EMPTY_ROOT;
    const known = this.#roots.get(size);
    if (known !== undefined) return known;
    this.#requireSize(size);
    const root = rootAt(this, size);
    this.#roots.set(size, root);
    if (this.#roots.size > MAX_ROOTS) {
      const [oldest] = this.#roots.keys();
      this.#roots.delete(oldest!);
    }
    return root;
  }

  /** The path from leaf `index` (the entry at position `index` + 1) to the root over `size` entries. Throws as {@link rootAt}. */
  inclusion(index: number, size: number): Uint8Array[] {
    this.#requireSize(size);
    return inclusionProof(this, index, size);
  }

  /** That the tree over `to` entries begins with the tree over `from`. Throws as {@link rootAt}. */
  consistency(from: number, to: number): Uint8Array[] {
    this.#requireSize(to);
    return consistencyProof(this, from, to);
  }

  /** The leaf hash of the entry at `position` (from 1). */
  leaf(position: number): Uint8Array {
    this.#requireSize(position);
    return this.node(0, position - 1);
  }

  /** The first `width` hashes of a tile, as served under its path; undefined when the tree has not so many. */
  tile(level: number, index: number, width: number): Uint8Array | undefined {
    const growing = this.#edge[level];
    if (growing === undefined) return undefined;
    const isGrowing = index === this.#fullTiles[level];
    if (index > this.#fullTiles[level]! || (isGrowing && growing.width < width)) return undefined;
    return (isGrowing ? growing : this.#fullTile(level, index)).hashes(width);
  }

  node(level: number, index: number): Uint8Array {
    const at = tileCoordinates(level, index);
    const tile = at.index === this.#fullTiles[at.level] ? this.#edge[at.level]! : this.#fullTile(at.level, at.index);
    return tile.node(Math.log2(at.count), at.offset / at.count);
  }

  /** Resolves when every full tile is written. Rejects with the system's error; the tiles stay in memory then. */
  async flush(): Promise<void> {
    while (this.#unwritten.size > 0) {
      this.#writing ??= this.#writeTiles();
      await this.#writing;
      const [path] = this.#unwritten.keys();
      if (path !== undefined) await this.#writeTile(path);
    }
  }

  /**
   * Writes the partial tile at the end of a tree of `size` entries, unless the tile is full by now. Full tiles and this
   * one are what is left of the first `size` entries when they are removed from the log.
   */
  async keepPartial(size: number): Promise<void> {
    const { index, width } = partialTile(size);
    const hashes = width > 0 && index === this.#fullTiles[0] ? this.tile(0, index, width) : undefined;
    if (hashes === undefined) return;
    const { folder, files } = this.#options;
    await files.writeWhole(path.join(folder, tilePath(0, index, width)), hashes);
  }

  #growByPartial(size: number): void {
    const { index, width } = partialTile(size);
    if (width === 0) return;
    const { folder, files } = this.#options;
    const stored = files.readWhole(path.join(folder, tilePath(0, index, width)));
    if (stored?.length !== width * HASH_BYTES) return;
    this.#edge[0] = TileNodes.from(stored);
    this.#size += width;
  }

  #requireSize(size: number): void {
    if (Number.isSafeInteger(size) && size > 0 && size <= this.#size) return;
    throw new AntsError("merkle-range", `expected a tree size of 1 to ${this.#size}, got ${size}`);
  }

  #push(level: number, hash: Uint8Array): void {
    if (this.#edge[level] === undefined) {
      this.#edge[level] = new TileNodes();
      this.#fullTiles[level] = 0;
    }
    const tile = this.#edge[level];
    tile.push(hash);
    if (!tile.full) return;
    const name = tilePath(level, this.#fullTiles[level]!);
    this.#keep(name, tile);
    this.#unwritten.set(name, tile);
    this.#edge[level] = new TileNodes();
    this.#fullTiles[level]!++;
    this.#push(level + 1, tile.root);
  }

  #fullTile(level: number, index: number): TileNodes {
    const name = tilePath(level, index);
    const known = this.#tiles.get(name) ?? this.#unwritten.get(name);
    const tile = known ?? this.#load(level, index);
    this.#keep(name, tile);
    return tile;
  }

  /** Reads a full tile and checks it against the tile above; computes it anew when it is missing or wrong. */
  #load(level: number, index: number): TileNodes {
    const expected = this.node((level + 1) * TILE_HEIGHT, index);
    const stored = this.#fromDisk(level, index);
    if (stored !== undefined && equalBytes(stored.root, expected)) return stored;
    for (const believesTiles of level === 0 ? [false] : [true, false]) {
      const computed = this.#compute(level, index, believesTiles);
      if (!equalBytes(computed.root, expected)) continue;
      this.#unwritten.set(tilePath(level, index), computed);
      return computed;
    }
    const first = index * TILE_WIDTH ** (level + 1) + 1;
    throw new AntsError(
      "log-rewritten",
      `the entries from position ${first} on are not those that the tree was built over`,
      {
        hint: "check the folder with `ants relay verify`; restore the log from a copy",
        details: { position: first },
      },
    );
  }

  #fromDisk(level: number, index: number): TileNodes | undefined {
    const stored = this.#options.files.readWhole(path.join(this.#options.folder, tilePath(level, index)));
    return stored?.length === TILE_BYTES ? TileNodes.from(stored) : undefined;
  }

  /** A full tile from those below it, if they are to be believed, and else from the log. */
  #compute(level: number, index: number, believesTiles: boolean): TileNodes {
    const tile = new TileNodes();
    if (level === 0) {
      for (const id of this.#options.idsBlocking(index * TILE_WIDTH + 1, TILE_WIDTH)) {
        tile.push(leafHash(Buffer.from(id, "hex")));
      }
      return tile;
    }
    for (let below = index * TILE_WIDTH; !tile.full; below++) {
      const stored = believesTiles ? this.#fromDisk(level - 1, below) : undefined;
      tile.push((stored ?? this.#compute(level - 1, below, believesTiles)).root);
    }
    return tile;
  }

  #keep(name: string, tile: TileNodes): void {
    this.#tiles.delete(name);
    this.#tiles.set(name, tile);
    if (this.#tiles.size > MAX_TILES) {
      const [oldest] = this.#tiles.keys();
      this.#tiles.delete(oldest!);
    }
  }

  /** Writes full tiles until none is left or the disk refuses; those stay in memory and are tried with the next ones. */
  async #writeTiles(): Promise<void> {
    try {
      for (const name of this.#unwritten.keys()) await this.#writeTile(name);
    } catch {
      // Nobody waits for these files: what is not written is computed from the log at the next start.
    } finally {
      this.#writing = undefined;
    }
  }

  async #writeTile(name: string): Promise<void> {
    const tile = this.#unwritten.get(name);
    if (tile === undefined) return;
    await this.#options.files.writeWhole(path.join(this.#options.folder, name), tile.hashes());
    this.#unwritten.delete(name);
  }
}

/** The tile that the end of a tree is in, and how much of it: width 0 where a tile ends just there. */
function partialTile(size: number): { readonly index: number; readonly width: number } {
  return { index: Math.floor(size / TILE_WIDTH), width: size % TILE_WIDTH };
}
