import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink, realpath } from "node:fs/promises";
import { join } from "node:path";
import { concat } from "../../../keys/bytes.js";
import { AntsError } from "../../../keys/errors.js";
import { diskError, hasErrno } from "../../../keys/node/disk-error.js";
import type { Clock } from "../../../keys/ports.js";
import { hostOnly, looksLikeVault } from "./left-out.js";
import {
  type Excluded,
  IDENTITY_PATH,
  isSafePath,
  type ManifestFile,
  type ManifestFolder,
  type ManifestLink,
  staysInside,
} from "./manifest.js";

/** What stands in an archive, of one file. `bytes` gives exactly what `sha256` is of, or throws "backup-changing". */
export interface HomeFile extends ManifestFile {
  bytes(): AsyncIterable<Uint8Array>;
}

/** A home as it was read, file by file, while its agent may have been at work in it. */
export interface HomeSnapshot {
  readonly files: readonly HomeFile[];
  readonly folders: readonly ManifestFolder[];
  readonly links: readonly ManifestLink[];
  readonly excluded: readonly Excluded[];
}

/** Looks at every file before it goes into an archive: `path` within the home, and its bytes, or a part of them. */
export type FileLook = (path: string, bytes: Uint8Array) => void;

export interface ReadHomeOptions {
  readonly home: string;
  /** Absolute paths of files and folders that are left out, with the reason: the vault, targets in the home. */
  readonly exclude?: ReadonlyMap<string, string>;
  readonly look?: FileLook;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress?: (read: ReadSoFar) => void;
}

/** How much of a home was read; how much there is shows at its end. */
export interface ReadSoFar {
  /** The one that is being read included. */
  readonly files: number;
  readonly bytes: number;
}

/** A file that changes while it is read is read again so often. */
const MAX_READINGS = 8;
const READ_AGAIN_AFTER_MS = 25;
/** Small files stay in memory between hashing and packing: they cannot change any more. */
const MAX_KEPT_FILE_BYTES = 2 ** 20;
const MAX_KEPT_BYTES = 32 * 2 ** 20;
const BLOCK_BYTES = 256 * 1024;
/** Parts of a large file that are looked at overlap by so much: what lies across a border is seen whole. */
export const OVERLAP_BYTES = 16 * 1024;
const LINE_BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const CHAIN_FOLDER = ".ants/chain";

/**
 * Reads all of a home that belongs into an archive. Without its lock: our own logs end at a whole line that was there,
 * other files of lines (*.ndjson) where they ended when they were opened, and any other file is read again where it
 * changed meanwhile. Logs of the chain are read after everything that may speak of them, and the identity log, whose
 * keys they are signed with, last of all.
 *
 * Throws "backup-changing" (a file that never holds still), what `look` throws, disk errors, the signal's reason.
 */
export async function readHome(options: ReadHomeOptions): Promise<HomeSnapshot> {
  const reading = new HomeReading(options, await realPaths(options));
  await reading.walk("");
  return reading.snapshot();
}

class HomeReading {
  readonly #options: ReadHomeOptions;
  /** By absolute path. */
  readonly #leftOut: ReadonlyMap<string, string>;
  readonly #files: HomeFile[] = [];
  readonly #folders: ManifestFolder[] = [];
  readonly #links: ManifestLink[] = [];
  readonly #excluded: Excluded[] = [];
  #keptBytes = 0;
  #readBytes = 0;

  constructor(options: ReadHomeOptions, leftOut: ReadonlyMap<string, string>) {
    this.#options = options;
    this.#leftOut = leftOut;
  }

  async snapshot(): Promise<HomeSnapshot> {
    // Only now: a chain that is newer than the files which speak of it is an agent's everyday, an older one is not.
    await this.walk(CHAIN_FOLDER);
    await this.#take(IDENTITY_PATH);
    const [identity, ...rest] = this.#files.reverse();
    const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1);
    return {
      files: identity === undefined ? [] : [identity, ...rest.sort(byPath)],
      folders: this.#folders.sort(byPath),
      links: this.#links.sort(byPath),
      excluded: this.#excluded.sort(byPath),
    };
  }

  async walk(folder: string): Promise<void> {
    for (const name of await this.#list(folder)) {
      this.#options.signal.throwIfAborted();
      const path = folder === "" ? name : `${folder}/${name}`;
      if (path === IDENTITY_PATH) continue;
      if (folder !== CHAIN_FOLDER && path === CHAIN_FOLDER) {
        await this.#keepFolder(path);
        continue;
      }
      await this.#take(path);
    }
  }

  async #take(path: string): Promise<void> {
    const whole = join(this.#options.home, path);
    const why = this.#leftOut.get(whole) ?? hostOnly(path);
    if (why !== undefined) {
      this.#excluded.push({ path, why });
      return;
    }
    const found = await this.#kindOf(whole);
    if (found === undefined) return;
    if (!isSafePath(path) || path.includes("\ufffd")) this.#excluded.push({ path, why: "its name is not UTF-8" });
    else if (found.isDirectory()) {
      await this.#keepFolder(path);
      await this.walk(path);
    } else if (found.isSymbolicLink()) await this.#keepLink(path, whole);
    else if (found.isFile()) await this.#keepFile(path, whole);
    else this.#excluded.push({ path, why: "neither a file nor a folder" });
  }

  async #keepFolder(path: string): Promise<void> {
    const { mode } = await lstat(join(this.#options.home, path));
    this.#folders.push({ path, mode: mode & 0o777 });
  }

  async #keepLink(path: string, whole: string): Promise<void> {
    const target = await readlink(whole);
    if (staysInside(path, target)) this.#links.push({ path, target });
    else this.#excluded.push({ path, why: `a link that leads out of the home: ${target}` });
  }

  async #keepFile(path: string, whole: string): Promise<void> {
    for (let reading = 1; ; reading++) {
      const outcome = await this.#read(path, whole);
      if (outcome === "gone") return;
      if (outcome === "vault") {
        this.#excluded.push({ path, why: "a vault" });
        return;
      }
      if (outcome !== "changed") {
        this.#files.push(outcome);
        return;
      }
      if (reading === MAX_READINGS) throw changing(path);
      await this.#options.clock.sleep(READ_AGAIN_AFTER_MS * reading, this.#options.signal);
    }
  }

  /** One reading. A file of lines may have grown meanwhile: what it had before does not change by that. */
  async #read(path: string, whole: string): Promise<HomeFile | "changed" | "gone" | "vault"> {
    const handle = await openFile(whole);
    if (handle === undefined) return "gone";
    try {
      const before = await handle.stat({ bigint: true });
      if (!before.isFile()) return "changed";
      const isLines = path.endsWith(".ndjson");
      // Of our own logs, what is behind the last newline is a line that is being written, or that a crash tore.
      const isLog = isLines && path.startsWith(".ants/");
      const size = isLog ? await wholeLines(handle, Number(before.size)) : Number(before.size);
      const keeps = size <= MAX_KEPT_FILE_BYTES && this.#keptBytes + size <= MAX_KEPT_BYTES;
      const kept: Uint8Array[] = [];
      const hash = createHash("sha256");
      let first: Uint8Array | undefined;
      let tail: Uint8Array = new Uint8Array();
      let hashed = 0;
      for await (const block of blocksOf(handle, size)) {
        first ??= block;
        this.#options.signal.throwIfAborted();
        this.#readBytes += block.length;
        this.#options.onProgress?.({ files: this.#files.length + 1, bytes: this.#readBytes });
        hash.update(block);
        hashed += block.length;
        if (keeps) kept.push(block);
        const looked = concat(tail, block);
        this.#options.look?.(path, looked);
        tail = looked.slice(-OVERLAP_BYTES);
      }
      if (first !== undefined && looksLikeVault(first, tail)) return "vault";
      const after = await handle.stat({ bigint: true });
      const grew = isLines && after.size >= before.size;
      // A file that was replaced by another meanwhile has lost its name, and is what it was.
      const touched = after.ctimeNs !== before.ctimeNs && after.nlink === before.nlink;
      const same = after.size === before.size && after.mtimeNs === before.mtimeNs && !touched;
      if (!grew && !same) return "changed";
      if (hashed !== size) return "changed";
      const entry = { path, size: hashed, sha256: hash.digest("hex"), mode: Number(before.mode) & 0o777 };
      if (keeps) {
        this.#keptBytes += hashed;
        return { ...entry, bytes: () => inMemory(kept) };
      }
      return { ...entry, bytes: () => readAgain(whole, entry) };
    } catch (error) {
      throw diskError(error, "read", whole);
    } finally {
      await handle.close();
    }
  }

  async #kindOf(whole: string) {
    try {
      return await lstat(whole);
    } catch (error) {
      // It was removed since its folder was listed.
      if (hasErrno(error, "ENOENT")) return undefined;
      throw diskError(error, "look at", whole);
    }
  }

  async #list(folder: string): Promise<string[]> {
    const whole = join(this.#options.home, folder);
    try {
      return (await readdir(whole)).sort();
    } catch (error) {
      if (hasErrno(error, "ENOENT")) return [];
      throw diskError(error, "list", whole);
    }
  }
}

/** What is left out, by the names given and by their real ones: a target may be named through a link. */
async function realPaths({ home, exclude = new Map() }: ReadHomeOptions): Promise<Map<string, string>> {
  const paths = new Map(exclude);
  const realHome = await realpath(home).catch(() => home);
  for (const [path, why] of exclude) {
    const real = await realpath(path).catch(() => path);
    if (real.startsWith(`${realHome}/`)) paths.set(join(home, real.slice(realHome.length)), why);
  }
  return paths;
}

async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    // Removed, or a link now: a look at its folder a moment later would not have found this file.
    if (hasErrno(error, "ENOENT", "ELOOP")) return undefined;
    throw diskError(error, "read", path);
  }
}

/** The first `size` bytes of a file, or fewer where it became shorter. */
async function* blocksOf(handle: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; ) {
    const block = new Uint8Array(Math.min(BLOCK_BYTES, size - at));
    const { bytesRead } = await handle.read(block, 0, block.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield block.subarray(0, bytesRead);
  }
}

/** Of a log's first `size` bytes, how many are lines that are whole; looked for from their end. */
async function wholeLines(handle: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - LINE_BLOCK_BYTES);
    const { bytesRead, buffer } = await handle.read(new Uint8Array(end - start), 0, end - start, start);
    const newline = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return 0;
}

async function* inMemory(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

/** The bytes that were hashed, or the error that says that they are there no more. */
async function* readAgain(whole: string, { path, size, sha256 }: ManifestFile): AsyncGenerator<Uint8Array> {
  const handle = await openFile(whole);
  if (handle === undefined) throw changing(path);
  try {
    const hash = createHash("sha256");
    let read = 0;
    for await (const block of blocksOf(handle, size)) {
      hash.update(block);
      read += block.length;
      yield block;
    }
    if (read !== size || hash.digest("hex") !== sha256) throw changing(path);
  } catch (error) {
    throw diskError(error, "read", whole);
  } finally {
    await handle.close();
  }
}

function changing(path: string): AntsError {
  return new AntsError("backup-changing", `${path} changes faster than it can be read`, {
    hint: "stop what writes it and try again, or move it out of the home",
    details: { path },
  });
}
