import { concat } from "../../keys/bytes.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { Disk } from "../../keys/ports.js";
import { MAX_LINE_BYTES } from "../protocol/limits.js";

/**
 * Bytes after which a new file begins: one file is read whole to serve a line of it, and is no more than one frame.
 */
const MAX_FILE_BYTES = 2 ** 20;
/** The newest lines stay in memory for the relays that are being written to: four full frames. */
const MAX_RECENT_BYTES = 4 * 2 ** 20;
/** Older files stay in memory while relays catch up, each at another place; those that were used last. */
const MAX_CACHED_FILES = 8;
const FILE_NAME = /^([0-9]{12})\.ndjson$/;
const NEWLINE = 0x0a;

interface ChainFile {
  readonly path: string;
  /** The number of its first line among all lines. */
  readonly first: number;
  /** Where each line starts. */
  readonly offsets: number[];
  size: number;
}

export interface ScannedLine<T> {
  readonly ordinal: number;
  readonly parsed: T;
}

/**
 * The lines of an agent's chain in files of about 1 MiB, `<number of the first line>.ndjson`: nothing but exact lines
 * in the order of their arrival, so that cat, grep and sha256sum work on them.
 */
export class ChainFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #files: ChainFile[] = [];
  readonly #cached = new Map<string, Promise<Uint8Array>>();
  readonly #recent = new Map<number, Uint8Array>();
  #recentBytes = 0;
  #count = 0;
  #folderMade = false;

  private constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** Lists the files; {@link scan} must be run to its end before anything else. Throws disk errors. */
  static async open(disk: Disk, folder: string): Promise<ChainFiles> {
    const files = new ChainFiles(disk, folder);
    for (const name of await disk.list(folder)) {
      const match = FILE_NAME.exec(name);
      if (match === null) continue;
      files.#files.push({ path: `${folder}/${name}`, first: Number(match[1]), offsets: [], size: 0 });
    }
    files.#folderMade = files.#files.length > 0;
    return files;
  }

  /** Lines so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * Reads every file and gives each line's number and what `parse` made of it, file by file. Where the last file ends
   * in lines that don't parse, with no good line after them, a crash tore it: it is cut there.
   * Throws `chain-damaged` for any other line that does not parse, and for a missing file.
   */
  async *scan<T>(parse: (line: Uint8Array) => T): AsyncGenerator<ScannedLine<T>[], void, undefined> {
    for (const file of this.#files) {
      if (file.first !== this.#count) {
        throw damaged(file.path, 0, `it begins with line ${file.first}, and ${this.#count} is due: a file is missing`);
      }
      const bytes = (await this.#disk.read(file.path)) ?? new Uint8Array(0);
      const lines: ScannedLine<T>[] = [];
      let start = 0;
      for (; start < bytes.length; ) {
        const outcome = parseLine(bytes, start, parse);
        if ("reason" in outcome) {
          if (file !== this.#files.at(-1) || hasGoodLine(bytes, start, parse)) {
            throw damaged(file.path, lines.length, outcome.reason);
          }
          await this.#disk.truncate(file.path, start);
          break;
        }
        lines.push({ ordinal: this.#count, parsed: outcome.parsed });
        file.offsets.push(start);
        this.#count += 1;
        start = outcome.end + 1;
      }
      file.size = start;
      yield lines;
    }
  }

  /** The exact line with this number, without its newline. */
  async line(ordinal: number): Promise<Uint8Array> {
    const recent = this.#recent.get(ordinal);
    if (recent !== undefined) return recent;
    const file = this.#fileOf(ordinal);
    const i = ordinal - file.first;
    const end = file.offsets[i + 1] ?? file.size;
    const bytes = await this.#read(file);
    // More of it may be on its way to the disk: only this line must be there.
    if (bytes.length < end) throw damaged(file.path, i, "it became shorter while it was in use");
    return bytes.subarray(file.offsets[i]!, end - 1);
  }

  /** Appends lines; they are on disk when it resolves, and readable through {@link line} at once. Throws disk errors. */
  async append(lines: readonly Uint8Array[]): Promise<void> {
    if (lines.length === 0) return;
    const writes = new Map<ChainFile, Uint8Array[]>();
    for (const line of lines) {
      const file = this.#fileFor(line.length + 1);
      file.offsets.push(file.size);
      file.size += line.length + 1;
      this.#keepRecent(this.#count, line.slice());
      this.#count += 1;
      const parts = writes.get(file);
      if (parts === undefined) writes.set(file, [line, NEWLINE_BYTES]);
      else parts.push(line, NEWLINE_BYTES);
    }
    if (!this.#folderMade) await this.#disk.mkdir(this.#folder);
    this.#folderMade = true;
    for (const [file, parts] of writes) {
      this.#cached.delete(file.path);
      await this.#disk.append(file.path, concat(...parts));
      this.#cached.delete(file.path);
    }
  }

  /** The error for a line that holds what it should not. */
  damaged(ordinal: number, reason: string): AntsError {
    const file = this.#fileOf(ordinal);
    return damaged(file.path, ordinal - file.first, reason);
  }

  #fileFor(bytes: number): ChainFile {
    const last = this.#files.at(-1);
    if (last !== undefined && (last.size === 0 || last.size + bytes <= MAX_FILE_BYTES)) return last;
    const name = `${String(this.#count).padStart(12, "0")}.ndjson`;
    const file = { path: `${this.#folder}/${name}`, first: this.#count, offsets: [], size: 0 };
    this.#files.push(file);
    return file;
  }

  #fileOf(ordinal: number): ChainFile {
    let low = 0;
    let high = this.#files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#files[middle]!.first <= ordinal) low = middle;
      else high = middle - 1;
    }
    return this.#files[low]!;
  }

  #read(file: ChainFile): Promise<Uint8Array> {
    const { path } = file;
    const cached = this.#cached.get(path);
    if (cached !== undefined) {
      this.#cached.delete(path);
      this.#cached.set(path, cached);
      return cached;
    }
    const reading = this.#disk.read(path).then((bytes) => bytes ?? new Uint8Array(0));
    this.#cached.set(path, reading);
    reading.catch(() => this.#cached.delete(path));
    if (this.#cached.size > MAX_CACHED_FILES) {
      for (const oldest of this.#cached.keys()) {
        this.#cached.delete(oldest);
        break;
      }
    }
    return reading;
  }

  #keepRecent(ordinal: number, line: Uint8Array): void {
    this.#recent.set(ordinal, line);
    this.#recentBytes += line.length;
    for (const [oldest, { length }] of this.#recent) {
      if (this.#recentBytes <= MAX_RECENT_BYTES) break;
      this.#recent.delete(oldest);
      this.#recentBytes -= length;
    }
  }
}

const NEWLINE_BYTES = Uint8Array.of(NEWLINE);

type LineOutcome<T> = { readonly parsed: T; readonly end: number } | { readonly reason: string; readonly end: number };

/** Reads the line that starts here; one without a newline is not whole. Only parsers' own errors count as damage. */
function parseLine<T>(bytes: Uint8Array, start: number, parse: (line: Uint8Array) => T): LineOutcome<T> {
  const newline = bytes.indexOf(NEWLINE, start);
  if (newline < 0) return { reason: "the last line is not whole", end: bytes.length };
  if (newline - start > MAX_LINE_BYTES) return { reason: "a line is too long", end: newline };
  try {
    return { parsed: parse(bytes.subarray(start, newline)), end: newline };
  } catch (error) {
    if (!isAntsError(error)) throw error;
    return { reason: error.message, end: newline };
  }
}

function hasGoodLine<T>(bytes: Uint8Array, from: number, parse: (line: Uint8Array) => T): boolean {
  for (let start = from; start < bytes.length; ) {
    const outcome = parseLine(bytes, start, parse);
    if ("parsed" in outcome) return true;
    start = outcome.end + 1;
  }
  return false;
}

function damaged(file: string, line: number, reason: string): AntsError {
  return new AntsError("chain-damaged", `${file}, line ${line + 1}: ${reason}`, {
    hint: "move the chain folder away and start again: what relays hold is fetched back; keep it, what they lack is only there",
    details: { file, line: line + 1, reason },
  });
}
