import { AntsError } from "../errors.js";

/** Levels of the tree in one tile (C2SP tlog-tiles, https://c2sp.org/tlog-tiles). */
export const TILE_HEIGHT = 8;

/** Hashes in a full tile. A tile holds the lowest of its levels only; the ones above are computed from it. */
export const TILE_WIDTH = 256;

/** One tile: `width` hashes of tree level 8·level, the first of them number 256·index. */
export interface Tile {
  level: number;
  index: number;
  /** 1 … 256; below 256 the tile is partial: the right edge of a tree of some size. */
  width: number;
}

/** Where a node's hash is: it is the root over `count` hashes of a tile, `offset` being the first; 1 means stored as it is. */
export interface TileCoordinates {
  level: number;
  index: number;
  offset: number;
  count: number;
}

/** Tile levels that a tree of 2^53 leaves can have. */
const MAX_TILE_LEVEL = 6;

/**
 * The path of a tile below a log's prefix: "tile/0/x001/234" is tile 1234 of level 0, "tile/0/x001/234.p/5" its first
 * five hashes. Throws AntsError "merkle-tile" for numbers that no tile has.
 */
export function tilePath(level: number, index: number, width: number = TILE_WIDTH): string {
  if (
    !isBelow(level, MAX_TILE_LEVEL + 1) ||
    !isBelow(index, Number.MAX_SAFE_INTEGER) ||
    !isBelow(width - 1, TILE_WIDTH)
  ) {
    throw new AntsError("merkle-tile", `expected level, index and width of a tile, got ${level}, ${index}, ${width}`);
  }
  const groups = [threeDigits(index % 1000)];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${threeDigits(rest % 1000)}`);
  }
  return `tile/${level}/${groups.join("/")}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

const TILE_PATH = /^tile\/([0-9])\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** Reads what {@link tilePath} writes; undefined for any other text, other spellings of a tile included. */
export function parseTilePath(path: string): Tile | undefined {
  const match = TILE_PATH.exec(path);
  if (match === null) return undefined;
  const level = Number(match[1]);
  const index = Number(match[2]!.replaceAll(/[x/]/g, ""));
  const width = match[3] === undefined ? TILE_WIDTH : Number(match[3]);
  const isTile = level <= MAX_TILE_LEVEL && Number.isSafeInteger(index) && width <= TILE_WIDTH;
  return isTile && tilePath(level, index, width) === path ? { level, index, width } : undefined;
}

/** Where to find the node at this level and index of the tree (see NodeSource). */
export function tileCoordinates(level: number, index: number): TileCoordinates {
  const count = 2 ** (level % TILE_HEIGHT);
  const first = index * count;
  return {
    level: Math.floor(level / TILE_HEIGHT),
    index: Math.floor(first / TILE_WIDTH),
    offset: first % TILE_WIDTH,
    count,
  };
}

/**
 * The tiles that a tree needs to be able to answer for `size` leaves and were not full at `oldSize`: what to write
 * after growth, lowest level first. The last of each level may be partial.
 */
export function tilesBetween(oldSize: number, size: number): Tile[] {
  const tiles: Tile[] = [];
  let before = oldSize;
  let now = size;
  for (let level = 0; now > before; level++) {
    for (let index = Math.floor(before / TILE_WIDTH); index * TILE_WIDTH < now; index++) {
      tiles.push({ level, index, width: Math.min(TILE_WIDTH, now - index * TILE_WIDTH) });
    }
    before = Math.floor(before / TILE_WIDTH);
    now = Math.floor(now / TILE_WIDTH);
  }
  return tiles;
}

function isBelow(value: number, bound: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < bound;
}

function threeDigits(value: number): string {
  return String(value).padStart(3, "0");
}
