import path from "node:path";
import { AntsError } from "../../keys/errors.js";
import { EntryOffsets } from "./entry-offsets.js";
import type { FileStamp, LogFile, LogFiles } from "./log-files.js";

/** Digits of the position in a segment's name: all that a safe integer can have, so that names sort like numbers. */
const POSITION_DIGITS = 16;
const SEGMENT_NAME = /^([0-9]{16})\.ndjson$/;
/** Read at a time while a segment is scanned for line ends. */
const SCAN_BYTES = 4 * 2 ** 20;

/** Where a log's files are. */
export interface LogPlace {
  /** Folder of the segments: nothing but lines in it. */
  readonly folder: string;
  /** Folder of derived files, one for each segment that is no longer written: where its entries end. */
  readonly offsetsFolder: string;
  readonly files: LogFiles;
}

/** One file of the log: the lines from position `first` on. */
export class Segment {
  readonly first: number;
  readonly path: string;
  /** Entries that are on disk and visible to readers. */
  committedCount = 0;
  committedBytes = 0;
  /** Open for writing: only the last segment's. */
  file: LogFile | undefined;
  /** What the file looked like when its offsets file was written or last found true. */
  stamp: FileStamp | undefined;
  readonly #place: LogPlace;
  #offsets: EntryOffsets | undefined;

  constructor(place: LogPlace, first: number) {
    this.#place = place;
    this.first = first;
    this.path = path.join(place.folder, segmentName(first));
  }

  /** The position after the last committed one. */
  get next(): number {
    return this.first + this.committedCount;
  }

  /** Where the entries end, staged ones included; read from disk when they are not in memory. */
  get offsets(): EntryOffsets {
    this.#offsets ??= this.#loadOffsets();
    return this.#offsets;
  }

  set offsets(offsets: EntryOffsets) {
    this.#offsets = offsets;
  }

  /** Frees memory; only for segments that are no longer written. */
  forgetOffsets(): void {
    this.#offsets = undefined;
  }

  /** The offsets file that was written for a segment file of exactly this look, "stale" for another look or damage. */
  storedOffsets(stamp: FileStamp): EntryOffsets | "stale" | undefined {
    const stored = this.#place.files.readWhole(this.#offsetsPath);
    return stored === undefined ? undefined : (EntryOffsets.decode(stored, stamp) ?? "stale");
  }

  /** Records where the entries end for the next start. The file is derived: failing to write it costs a scan, no more. */
  async storeOffsets(): Promise<void> {
    const stamp = await this.#place.files.stamp(this.path);
    if (stamp === undefined || stamp.bytes !== this.committedBytes) return;
    await this.#place.files.writeWhole(this.#offsetsPath, this.offsets.encode(stamp));
    this.stamp = stamp;
  }

  dropStoredOffsets(): Promise<void> {
    return this.#place.files.remove(this.#offsetsPath);
  }

  /** Finds the line ends of the first `bytes` of the file. Bytes after the last newline don't count. */
  scanOffsets(bytes: number): EntryOffsets {
    const offsets = new EntryOffsets();
    let at = 0;
    let pieceBytes = SCAN_BYTES;
    while (at < bytes) {
      const piece = this.#place.files.readPart(this.path, at, Math.min(pieceBytes, bytes - at));
      const used = offsets.pushLines(piece);
      at += used;
      if (used > 0) continue;
      if (at + piece.length >= bytes || piece.length < pieceBytes) break;
      pieceBytes *= 2;
    }
    return offsets;
  }

  get #offsetsPath(): string {
    return path.join(this.#place.offsetsFolder, `${padded(this.first)}.offsets`);
  }

  #loadOffsets(): EntryOffsets {
    const stored = this.stamp && this.storedOffsets(this.stamp);
    if (stored instanceof EntryOffsets && stored.count === this.committedCount) return stored;
    const scanned = this.scanOffsets(this.committedBytes);
    if (scanned.count === this.committedCount && scanned.bytes === this.committedBytes) return scanned;
    throw new AntsError("log-damaged", `${this.path} changed while the relay was running`, {
      hint: "stop the relay and check its folder with `ants relay verify`",
      details: { position: this.first, path: this.path },
    });
  }
}

/** The name of the segment that begins at this position. */
function segmentName(first: number): string {
  return `${padded(first)}.ndjson`;
}

/** The position in a segment's name; undefined for other files. */
export function firstOfName(name: string): number | undefined {
  const match = SEGMENT_NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}

function padded(position: number): string {
  return String(position).padStart(POSITION_DIGITS, "0");
}
