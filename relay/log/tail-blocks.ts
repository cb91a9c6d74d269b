import type { Segment } from "./segment.js";

/** Lines are copied into blocks of this size; one that holds a longer append is as long as needed. */
const BLOCK_BYTES = 2 ** 20;

/** A run of a segment's bytes in memory. Only ever appended to, so views into it stay true. */
interface Block {
  readonly segment: Segment;
  /** Offset in the segment of the block's first byte. */
  readonly start: number;
  readonly buffer: Uint8Array;
  used: number;
  /** Bytes that a commit has taken; the rest is staged. */
  taken: number;
}

/** Staged bytes of one segment. */
export interface StagedBytes {
  readonly segment: Segment;
  readonly offset: number;
  readonly buffers: Uint8Array[];
}

/**
 * The newest bytes of the log, staged and committed: what the next write is made of, and afterwards what readers near
 * the end are served from without touching the disk.
 */
export class TailBlocks {
  readonly #maxBlocks: number;
  readonly #blocks: Block[] = [];

  /** `keepBytes`: committed bytes to keep for readers, at least one block. */
  constructor(keepBytes: number) {
    this.#maxBlocks = Math.max(1, Math.ceil(keepBytes / BLOCK_BYTES));
  }

  /** Copies `lines`, which go to `offset` of `segment`; in order, without holes within a segment. */
  stage(segment: Segment, offset: number, lines: Uint8Array): void {
    let block = this.#blocks.at(-1);
    if (block === undefined || block.segment !== segment || block.used + lines.length > block.buffer.length) {
      const buffer = new Uint8Array(Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, lines.length)).buffer);
      block = { segment, start: offset, buffer, used: 0, taken: 0 };
      this.#blocks.push(block);
      this.#dropOld();
    }
    block.buffer.set(lines, block.used);
    block.used += lines.length;
  }

  /** What was staged since the last call, in log order, one item for each segment. */
  take(): StagedBytes[] {
    const staged: StagedBytes[] = [];
    for (const block of this.#blocks) {
      if (block.taken === block.used) continue;
      const bytes = block.buffer.subarray(block.taken, block.used);
      const last = staged.at(-1);
      if (last?.segment === block.segment) last.buffers.push(bytes);
      else staged.push({ segment: block.segment, offset: block.start + block.taken, buffers: [bytes] });
      block.taken = block.used;
    }
    return staged;
  }

  /** The bytes of `segment` from `offset` on as far as one block holds them; undefined when none does. */
  find(segment: Segment, offset: number): Uint8Array | undefined {
    for (let i = this.#blocks.length - 1; i >= 0; i--) {
      const block = this.#blocks[i]!;
      if (block.segment === segment && offset >= block.start && offset < block.start + block.used) {
        return block.buffer.subarray(offset - block.start, block.used);
      }
    }
    return undefined;
  }

  clear(): void {
    this.#blocks.length = 0;
  }

  #dropOld(): void {
    while (this.#blocks.length > this.#maxBlocks && this.#blocks[0]!.taken === this.#blocks[0]!.used) {
      this.#blocks.shift();
    }
  }
}
