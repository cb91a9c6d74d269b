import { AntsError } from "../../keys/errors.js";
import { ChunkCache } from "./chunk-cache.js";
import type { LogSlice } from "./log-slice.js";
import type { LogPlace, Segment } from "./segment.js";
import type { TailBlocks } from "./tail-blocks.js";

/** Bytes that one read from disk fetches: a few frames, so that a reader far behind asks the disk rarely. */
const CHUNK_BYTES = 512 * 2 ** 10;
/** Chunks kept in memory: 16 MiB. */
const CHUNKS = 32;
/** Segments whose offsets are kept in memory for readers far behind, about 640 KiB each. */
const SEGMENTS_WITH_OFFSETS = 32;
const NO_BYTES = new Uint8Array();
const NO_LENGTHS = new Uint32Array();

/** How much to read at most; at least one entry is given whatever its size. */
export interface ReadBounds {
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** Entries of one segment by their indices in it; `start` and `end` are byte offsets. */
interface Window {
  readonly name: string;
  readonly from: number;
  readonly until: number;
  readonly start: number;
  readonly end: number;
}

/** Reads committed entries out of segments: from the newest bytes in memory, from chunks read before, from disk. */
export class SegmentReader {
  readonly #place: LogPlace;
  readonly #segments: readonly Segment[];
  readonly #tail: TailBlocks;
  readonly #chunks = new ChunkCache(CHUNKS);
  /** Segments that are no longer written and have their offsets in memory, least recently used first. */
  readonly #unfolded = new Set<Segment>();

  /** `segments` and `tail` stay the writer's; they grow under this reader. */
  constructor(place: LogPlace, segments: readonly Segment[], tail: TailBlocks) {
    this.#place = place;
    this.#segments = segments;
    this.#tail = tail;
  }

  /**
   * The entries from `from` on that one piece of memory holds: fewer than the bounds allow with more to come. Throws
   * "cursor-pruned" (details: oldest), "log-damaged".
   */
  async read(from: number, bounds: ReadBounds): Promise<LogSlice> {
    const inMemory = this.readFromMemory(from, bounds);
    if (inMemory !== undefined) return inMemory;
    const segment = this.#segmentOf(from)!;
    const window = this.#windowAround(segment, from - segment.first);
    const bytes = new Uint8Array(window.end - window.start);
    const file = await this.#place.files.open(segment.path, "read");
    try {
      if ((await file.read(bytes, window.start)) < bytes.length) throw shrank(segment);
    } finally {
      await file.close();
    }
    return this.#keep(segment, window, bytes, from, bounds);
  }

  /** As {@link SegmentReader.read}, if memory has the entry at `from`; undefined when the disk must be asked. */
  readFromMemory(from: number, bounds: ReadBounds): LogSlice | undefined {
    const segment = this.#segmentOf(from);
    if (segment === undefined) return { first: from, count: 0, bytes: NO_BYTES, lengths: NO_LENGTHS };
    this.#unfold(segment);
    const index = from - segment.first;
    const start = segment.offsets.start(index);
    const block = this.#tail.find(segment, start);
    if (block !== undefined) return sliceOf(segment, index, segment.committedCount, block, bounds);
    const chunk = this.#chunks.get(windowName(segment, start), index);
    if (chunk === undefined) return undefined;
    const skipped = start - segment.offsets.start(chunk.from);
    return sliceOf(segment, index, chunk.until, chunk.bytes.subarray(skipped), bounds);
  }

  /** As {@link SegmentReader.read}, but it blocks on the disk. For repairs, not for readers. */
  readBlocking(from: number, bounds: ReadBounds): LogSlice {
    const inMemory = this.readFromMemory(from, bounds);
    if (inMemory !== undefined) return inMemory;
    const segment = this.#segmentOf(from)!;
    const window = this.#windowAround(segment, from - segment.first);
    const bytes = this.#place.files.readPart(segment.path, window.start, window.end - window.start);
    if (bytes.length < window.end - window.start) throw shrank(segment);
    return this.#keep(segment, window, bytes, from, bounds);
  }

  #keep(segment: Segment, window: Window, bytes: Uint8Array, from: number, bounds: ReadBounds): LogSlice {
    this.#chunks.put(window.name, { from: window.from, until: window.until, bytes });
    const index = from - segment.first;
    const skipped = segment.offsets.start(index) - window.start;
    return sliceOf(segment, index, window.until, bytes.subarray(skipped), bounds);
  }

  /** The segment that holds a committed position; undefined at the end of the log. */
  #segmentOf(position: number): Segment | undefined {
    const oldest = this.#segments[0]?.first ?? 1;
    if (position < oldest) {
      throw new AntsError("cursor-pruned", `position ${position} is no longer kept: the oldest is ${oldest}`, {
        details: { oldest },
      });
    }
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = this.#segments[i]!;
      if (position >= segment.first) return position < segment.next ? segment : undefined;
    }
    return undefined;
  }

  /** Has a segment's offsets in memory, and makes room among those that are no longer written. */
  #unfold(segment: Segment): void {
    if (segment.file !== undefined) return;
    this.#unfolded.delete(segment);
    this.#unfolded.add(segment);
    if (this.#unfolded.size <= SEGMENTS_WITH_OFFSETS) return;
    const [oldest] = this.#unfolded;
    this.#unfolded.delete(oldest!);
    if (oldest!.file === undefined) oldest!.forgetOffsets();
  }

  /** The committed entries around one that begin in the same stretch of {@link CHUNK_BYTES}: readers share them. */
  #windowAround(segment: Segment, index: number): Window {
    const { offsets, committedCount } = segment;
    const at = offsets.start(index);
    const low = at - (at % CHUNK_BYTES);
    // An entry begins at or after `low` exactly when the one before it ends there or later.
    const from = low === 0 ? 0 : offsets.firstEndingAfter(low - 1, 0, committedCount) + 1;
    const until = Math.min(committedCount, offsets.firstEndingAfter(low + CHUNK_BYTES - 1, from, committedCount) + 1);
    return {
      name: windowName(segment, at),
      from,
      until,
      start: offsets.start(from),
      end: offsets.end(until - 1),
    };
  }
}

function windowName(segment: Segment, start: number): string {
  return `${segment.first}/${Math.floor(start / CHUNK_BYTES)}`;
}

/** As much of segment[index, until) as the bounds allow; `bytes` begins with the entry at `index`. */
function sliceOf(segment: Segment, index: number, until: number, bytes: Uint8Array, bounds: ReadBounds): LogSlice {
  const { offsets } = segment;
  const start = offsets.start(index);
  const most = Math.min(until, index + Math.max(1, bounds.maxEntries));
  const maxBytes = Math.min(bytes.length, Math.max(bounds.maxBytes, offsets.end(index) - start));
  const end = offsets.firstEndingAfter(start + maxBytes, index, most);
  return {
    first: segment.first + index,
    count: end - index,
    bytes: bytes.subarray(0, offsets.end(end - 1) - start),
    lengths: offsets.lengths(index, end - index),
  };
}

function shrank(segment: Segment): AntsError {
  return new AntsError("log-damaged", `${segment.path} became shorter while the relay was running`, {
    hint: "stop the relay and check its folder with `ants relay verify`",
    details: { path: segment.path, position: segment.first },
  });
}
