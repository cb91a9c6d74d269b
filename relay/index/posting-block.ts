/** Bytes after which a block is closed and a new one begun: some hundred positions of a busy term. */
const MAX_BLOCK_BYTES = 512;
const FIRST_BYTES = 16;

/**
 * Positions in ascending order as the distances between them, each 7 bits a byte with the high bit set on all but the
 * last. The first position is in the block's key, so a block of one position is empty but for its count.
 */
export class PostingBlock {
  readonly first: number;
  #last: number;
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #used = 1;
  /** Differs from what the database has. */
  dirty = true;

  constructor(first: number) {
    this.first = first;
    this.#last = first;
    this.#bytes[0] = VERSION;
  }

  get full(): boolean {
    return this.#used >= MAX_BLOCK_BYTES;
  }

  /** Adds a position; the same one again is no change. */
  push(position: number): void {
    let distance = position - this.#last;
    if (distance === 0) return;
    if (this.#used + 8 > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(this.#bytes.length * 2);
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    while (distance >= 128) {
      this.#bytes[this.#used++] = (distance % 128) | 128;
      distance = Math.floor(distance / 128);
    }
    this.#bytes[this.#used++] = distance;
    this.#last = position;
    this.dirty = true;
  }

  get stored(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }
}

/** The layout of a block; in its first byte, since LMDB's JavaScript side takes an empty value for none. */
const VERSION = 1;

/** The positions of a block; `stored` is its value, `first` comes from its key. */
export function positionsOf(first: number, stored: Uint8Array): number[] {
  const positions = [first];
  let position = first;
  let distance = 0;
  let unit = 1;
  for (let i = 1; i < stored.length; i++) {
    const byte = stored[i]!;
    distance += (byte & 127) * unit;
    if (byte >= 128) {
      unit *= 128;
      continue;
    }
    position += distance;
    positions.push(position);
    distance = 0;
    unit = 1;
  }
  return positions;
}
