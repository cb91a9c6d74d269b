import { AntsError } from "../../keys/errors.js";
import { EntryOffsets } from "./entry-offsets.js";
import type { LogSlice } from "./log-slice.js";
import { type ChangedRange, type CutTail, type OpenedSegments, openSegments } from "./open-segments.js";
import { type LogPlace, Segment } from "./segment.js";
import { type ReadBounds, SegmentReader } from "./segment-reader.js";
import { storageFailed } from "./storage-failure.js";
import { type StagedBytes, TailBlocks } from "./tail-blocks.js";

/** Bytes after which a new file is begun: small enough to copy, grep and scan at once, large enough to be few. */
const SEGMENT_BYTES = 64 * 2 ** 20;
/** Newest bytes kept in memory: followers who are a few seconds behind don't touch the disk. */
const TAIL_BYTES = 8 * 2 ** 20;
/** Bounds of one slice when the whole log is read. */
const SCAN: ReadBounds = { maxBytes: 2 ** 20, maxEntries: 4096 };

export interface SegmentLogOptions extends LogPlace {
  /** Up to here a signed head vouches for the log; 0 when there is none. See {@link openSegments}. */
  readonly provenPosition?: number;
  /** Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Default 8 MiB. */
  readonly tailBytes?: number;
}

/**
 * The relay's log: exact lines in files, positions from 1 without holes. One writer, any number of readers, who see
 * committed entries only.
 *
 * Writing is append (stages, in memory) and commit (one write and one fdatasync for everything staged: group commit).
 * A write or sync that fails ends writing for good: what is on disk is unknown then, and a second fsync would claim
 * success without having written. Staged entries are dropped, every later append and commit fails with
 * "storage-failed", readers go on over the committed entries, and the next start sees to the rest.
 */
export class SegmentLog {
  readonly #place: LogPlace;
  readonly #segmentBytes: number;
  readonly #segments: Segment[];
  readonly #tail: TailBlocks;
  readonly #reader: SegmentReader;
  #lastPosition: number;
  #stagedPosition: number;
  #failure: AntsError | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #following: Promise<number> | undefined;
  #sealing: Promise<unknown> = Promise.resolve();
  /** Positions in files that changed without this relay; compare them with the tree. */
  readonly changed: readonly ChangedRange[];
  /** What was cut off the end at opening. */
  readonly cut: CutTail | undefined;

  private constructor(options: SegmentLogOptions, opened: OpenedSegments) {
    this.#place = options;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#segments = opened.segments;
    this.#tail = new TailBlocks(options.tailBytes ?? TAIL_BYTES);
    this.#reader = new SegmentReader(options, this.#segments, this.#tail);
    this.changed = opened.changed;
    this.cut = opened.cut;
    this.#lastPosition = (opened.segments.at(-1)?.next ?? 1) - 1;
    this.#stagedPosition = this.#lastPosition;
  }

  /** Opens or creates the log. Throws "log-damaged", "log-behind-head", "storage-failed". */
  static async open(options: SegmentLogOptions): Promise<SegmentLog> {
    try {
      await options.files.makeFolder(options.folder);
      await options.files.makeFolder(options.offsetsFolder);
      return new SegmentLog(options, await openSegments(options, options.provenPosition ?? 0));
    } catch (error) {
      throw storageFailed(error, `open the log in ${options.folder}`);
    }
  }

  /** The oldest position that is still here; 1 unless older segments were removed. */
  get firstPosition(): number {
    return this.#segments[0]?.first ?? 1;
  }

  /** The first position of the segment that grows: everything before it can be removed with its files. */
  get lastSegmentFirst(): number {
    return this.#segments.at(-1)?.first ?? 1;
  }

  /** The last committed position; 0 when the log is empty. */
  get lastPosition(): number {
    return this.#lastPosition;
  }

  /** The last position given to an entry, committed or staged. */
  get stagedPosition(): number {
    return this.#stagedPosition;
  }

  /** Why nothing can be written any more; undefined while all is well. */
  get failure(): AntsError | undefined {
    return this.#failure;
  }

  /** Bytes of all committed entries. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.committedBytes, 0);
  }

  /**
   * Stages complete lines; `lengths` are their bytes, newlines included. The bytes are copied. Returns the position of
   * the first. Throws "storage-failed" once writing has failed.
   */
  append(lines: Uint8Array, lengths: ArrayLike<number>): number {
    if (this.#failure !== undefined) throw this.#failure;
    const first = this.#stagedPosition + 1;
    const segment = this.#segmentFor(lines.length, first);
    const { offsets } = segment;
    this.#tail.stage(segment, offsets.bytes, lines);
    for (let i = 0; i < lengths.length; i++) offsets.push(lengths[i]!);
    this.#stagedPosition += lengths.length;
    return first;
  }

  /**
   * Puts everything staged so far on disk; resolves with the last committed position once it is there and visible.
   * Calls during a running commit share the next one. Rejects with "storage-failed".
   */
  commit(): Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#following === undefined) {
      this.#following = this.#running.then(() => this.#writeStaged());
      this.#running = this.#following.catch(() => undefined);
    }
    return this.#following;
  }

  /** Committed entries from `from` on; see {@link SegmentReader.read}. */
  read(from: number, bounds: ReadBounds): Promise<LogSlice> {
    return this.#reader.read(from, bounds);
  }

  /** The same if memory has them, without waiting; undefined when the disk must be asked. */
  readFromMemory(from: number, bounds: ReadBounds): LogSlice | undefined {
    return this.#reader.readFromMemory(from, bounds);
  }

  /** The same, blocking on the disk: for repairs. */
  readBlocking(from: number, bounds: ReadBounds): LogSlice {
    return this.#reader.readBlocking(from, bounds);
  }

  /** All committed entries from `from` to `until` (default: as far as the log goes), in order. */
  async *slices(from: number, until: number = Number.MAX_SAFE_INTEGER): AsyncGenerator<LogSlice> {
    let next = from;
    while (next <= until && next <= this.#lastPosition) {
      const slice = await this.read(next, { ...SCAN, maxEntries: Math.min(SCAN.maxEntries, until - next + 1) });
      yield slice;
      next += slice.count;
    }
  }

  /** Ends writing: waits for the running commit, notes where entries end for a quick start. Staged entries are dropped. */
  async close(): Promise<void> {
    this.#failure ??= new AntsError("storage-failed", "the log is closed");
    await this.#running;
    await this.#sealing;
    for (const segment of this.#segments) if (segment.file !== undefined) await this.#seal(segment);
  }

  /** The segment that takes the next `bytes`: the last one, or a new one, whose file the commit creates. */
  #segmentFor(bytes: number, position: number): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined) {
      const staged = last.offsets.bytes;
      if (staged === 0 || staged + bytes <= this.#segmentBytes) return last;
    }
    const next = new Segment(this.#place, position);
    next.offsets = new EntryOffsets();
    this.#segments.push(next);
    return next;
  }

  async #writeStaged(): Promise<number> {
    this.#following = undefined;
    if (this.#failure !== undefined) throw this.#failure;
    const staged = this.#tail.take();
    const position = this.#stagedPosition;
    const counts = staged.map(({ segment }) => segment.offsets.count);
    try {
      for (const part of staged) await this.#write(part);
    } catch (error) {
      throw await this.#giveUp(error);
    }
    for (const [i, { segment }] of staged.entries()) {
      segment.committedCount = counts[i]!;
      segment.committedBytes = segment.offsets.end(counts[i]! - 1);
    }
    this.#lastPosition = position;
    this.#sealFinished();
    return position;
  }

  async #write({ segment, offset, buffers }: StagedBytes): Promise<void> {
    if (segment.file === undefined) {
      segment.file = await this.#place.files.open(segment.path, "create");
      await this.#place.files.syncFolder(this.#place.folder);
    } else if (segment.stamp !== undefined) {
      segment.stamp = undefined;
      await segment.dropStoredOffsets();
    }
    await segment.file.write(buffers, offset);
    await segment.file.datasync();
  }

  /** After a failed write or sync. Cuts what may have been written beyond the committed end, as far as the disk lets it. */
  async #giveUp(error: unknown): Promise<AntsError> {
    const failure = storageFailed(error, "write to the log");
    this.#failure = failure;
    for (const segment of this.#segments) {
      if (segment.file === undefined) continue;
      segment.offsets.truncate(segment.committedCount);
      await segment.file.truncate(segment.committedBytes).catch(() => undefined);
    }
    while (this.#segments.at(-1)?.committedCount === 0)
      await this.#segments
        .pop()
        ?.file?.close()
        .catch(() => undefined);
    this.#stagedPosition = this.#lastPosition;
    return failure;
  }

  /**
   * Closes the segments before the last that are wholly on disk; in the background, since nobody waits for it. One that
   * got more entries while this commit was written stays open for the next.
   */
  #sealFinished(): void {
    for (const segment of this.#segments.slice(0, -1)) {
      if (segment.file === undefined || segment.committedCount < segment.offsets.count) continue;
      const { file } = segment;
      segment.file = undefined;
      this.#sealing = this.#sealing.then(() => this.#seal(segment, file));
    }
  }

  async #seal(segment: Segment, file = segment.file): Promise<void> {
    segment.file = undefined;
    segment.offsets.truncate(segment.committedCount);
    await segment.storeOffsets().catch(() => undefined);
    segment.forgetOffsets();
    await file?.close().catch(() => undefined);
  }
}
