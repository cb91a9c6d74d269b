import { blockKey, endOfBlocks, firstOfBlockKey } from "./index-keys.js";
import { positionsOf } from "./posting-block.js";
import type { Row, Tables } from "./tables.js";

/** Blocks fetched at once: terms that are posted now and then have many small ones. */
const BLOCKS_AHEAD = 8;

/** Walks over a set of positions; only forward. */
export interface PositionCursor {
  /** The smallest position of the set that is at least `from`; Infinity when there is none. */
  seek(from: number): number;
}

/** The positions of one term, out of the database. */
export class PostingCursor implements PositionCursor {
  readonly #tables: Tables;
  readonly #table: Tables["terms"];
  readonly #prefix: Buffer;
  #positions: number[] = [];
  #at = 0;
  #ahead: Row[] = [];
  #begun = false;
  /** Blocks that begin here or later are not in memory yet, but for those in `ahead`. */
  #after = 0;

  constructor(tables: Tables, table: Tables["terms"], prefix: Buffer) {
    this.#tables = tables;
    this.#table = table;
    this.#prefix = prefix;
  }

  seek(from: number): number {
    if (!this.#begun || this.#isFarBehind(from)) this.#jump(from);
    for (;;) {
      while (this.#at < this.#positions.length) {
        const position = this.#positions[this.#at]!;
        if (position >= from) return position;
        this.#at++;
      }
      if (!this.#next()) return Number.POSITIVE_INFINITY;
    }
  }

  /** The blocks in memory all end before `from`. */
  #isFarBehind(from: number): boolean {
    const newest = this.#ahead.at(-1);
    return newest !== undefined && firstOfBlockKey(newest.key) < from;
  }

  /** Goes to the block that holds the largest position up to `from`. */
  #jump(from: number): void {
    this.#begun = true;
    this.#ahead = [];
    const [row] = this.#tables.range(this.#table, {
      from: blockKey(this.#prefix, from),
      until: endOfBlocks(this.#prefix),
      limit: 1,
    });
    this.#enter(row, from);
  }

  /** Without a row there is no block that begins before `from`. */
  #enter(row: Row | undefined, from: number): void {
    this.#positions = row === undefined ? [] : positionsOf(firstOfBlockKey(row.key), row.value);
    this.#at = 0;
    this.#after = row === undefined ? from : firstOfBlockKey(row.key) + 1;
  }

  #next(): boolean {
    if (this.#ahead.length === 0) {
      this.#ahead = this.#tables.range(this.#table, {
        from: blockKey(this.#prefix, this.#after),
        until: blockKey(this.#prefix, LAST),
        reverse: true,
        limit: BLOCKS_AHEAD,
      });
    }
    const row = this.#ahead.shift();
    if (row === undefined) return false;
    this.#enter(row, 0);
    return true;
  }
}

/** No entry has this position: keys below this one belong to another prefix. */
const LAST = 2 ** 48 - 1;

/** Positions that are in any of the sets. */
export class Union implements PositionCursor {
  readonly #cursors: readonly PositionCursor[];
  readonly #heads: number[];

  constructor(cursors: readonly PositionCursor[]) {
    this.#cursors = cursors;
    this.#heads = cursors.map(() => Number.NEGATIVE_INFINITY);
  }

  seek(from: number): number {
    let smallest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#heads.length; i++) {
      let head = this.#heads[i]!;
      if (head < from) {
        head = this.#cursors[i]!.seek(from);
        this.#heads[i] = head;
      }
      if (head < smallest) smallest = head;
    }
    return smallest;
  }
}

/** A walk over the positions that are in all of the sets, a bounded number of steps at a time. */
export class Intersection {
  readonly #cursors: readonly PositionCursor[];

  /** At least one. */
  constructor(cursors: readonly PositionCursor[]) {
    this.#cursors = cursors;
  }

  /**
   * The smallest common position that is at least `from`: `found`; or, after `maxSteps` seeks without one, that there
   * is none below `from`: `passed`. Infinity: none at all.
   */
  seek(from: number, maxSteps: number): { readonly found: number } | { readonly passed: number } {
    let candidate = from;
    let agreeing = 0;
    let i = 0;
    for (let step = 0; step < maxSteps; step++) {
      const position = this.#cursors[i]!.seek(candidate);
      if (position === Number.POSITIVE_INFINITY) return { found: position };
      agreeing = position === candidate ? agreeing + 1 : 1;
      candidate = position;
      if (agreeing === this.#cursors.length) return { found: candidate };
      i = (i + 1) % this.#cursors.length;
    }
    return { passed: candidate };
  }
}
