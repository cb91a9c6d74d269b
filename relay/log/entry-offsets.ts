import type { FileStamp } from "./log-files.js";

/** First bytes of an offsets file; the digit is its format version. */
const MAGIC = "ANTSOFF1";
/** Magic, then count (u32), bytes (u32), modification time (f64). */
const HEADER_BYTES = 24;
const FIRST_CAPACITY = 1024;

/**
 * Where the entries of one segment end: 4 bytes an entry, in one growing array, so that recording an entry is one
 * write to it. Indices count from 0 within the segment, offsets are bytes from the segment's start.
 */
export class EntryOffsets {
  #ends = new Uint32Array(FIRST_CAPACITY);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes of all entries. */
  get bytes(): number {
    return this.#count === 0 ? 0 : this.#ends[this.#count - 1]!;
  }

  /** `length`: bytes of the next entry, its newline included. */
  push(length: number): void {
    if (this.#count === this.#ends.length) {
      const larger = new Uint32Array(this.#ends.length * 2);
      larger.set(this.#ends);
      this.#ends = larger;
    }
    this.#ends[this.#count] = this.bytes + length;
    this.#count++;
  }

  start(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1]!;
  }

  end(index: number): number {
    return this.#ends[index]!;
  }

  /** Forgets all entries from this index on. */
  truncate(count: number): void {
    this.#count = Math.min(this.#count, count);
  }

  /** The first index from `from` on (and below `until`) whose entry ends after `bytes`; `until` when there is none. */
  firstEndingAfter(bytes: number, from: number, until: number): number {
    let low = from;
    let high = until;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! > bytes) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Lengths in bytes of `count` entries from `index` on, newlines included. A copy. */
  lengths(index: number, count: number): Uint32Array {
    const lengths = new Uint32Array(count);
    let before = this.start(index);
    for (let i = 0; i < count; i++) {
      const end = this.#ends[index + i]!;
      lengths[i] = end - before;
      before = end;
    }
    return lengths;
  }

  /** As an offsets file that belongs to a segment file that looks like `stamp`. */
  encode(stamp: FileStamp): Uint8Array {
    const file = new Uint8Array(HEADER_BYTES + this.#count * 4);
    const view = new DataView(file.buffer);
    for (let i = 0; i < MAGIC.length; i++) file[i] = MAGIC.charCodeAt(i);
    view.setUint32(8, this.#count, true);
    view.setUint32(12, stamp.bytes, true);
    view.setFloat64(16, stamp.modifiedMs, true);
    for (let i = 0; i < this.#count; i++) view.setUint32(HEADER_BYTES + i * 4, this.#ends[i]!, true);
    return file;
  }

  /**
   * Reads an offsets file; undefined unless it is whole and was written for a segment file that looked exactly like
   * `stamp`: it is derived, and whoever gets undefined scans the segment.
   */
  static decode(file: Uint8Array, stamp: FileStamp): EntryOffsets | undefined {
    if (file.length < HEADER_BYTES) return undefined;
    for (let i = 0; i < MAGIC.length; i++) if (file[i] !== MAGIC.charCodeAt(i)) return undefined;
    const view = new DataView(file.buffer, file.byteOffset, file.length);
    const count = view.getUint32(8, true);
    if (file.length !== HEADER_BYTES + count * 4 || view.getUint32(12, true) !== stamp.bytes) return undefined;
    if (view.getFloat64(16, true) !== stamp.modifiedMs) return undefined;
    const offsets = new EntryOffsets();
    let before = 0;
    for (let i = 0; i < count; i++) {
      const end = view.getUint32(HEADER_BYTES + i * 4, true);
      if (end <= before) return undefined;
      offsets.push(end - before);
      before = end;
    }
    return before === stamp.bytes ? offsets : undefined;
  }

  /** Adds the complete lines in `bytes`; returns how many bytes they take (what is left is an unfinished line). */
  pushLines(bytes: Uint8Array): number {
    let start = 0;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, start);
      if (newline === -1) return start;
      this.push(newline + 1 - start);
      start = newline + 1;
    }
  }
}

const NEWLINE = 0x0a;
