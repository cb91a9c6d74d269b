import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, rm, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Clock, type Disk, systemClock } from "../ports.js";
import { diskError, hasErrno } from "./disk-error.js";
import { lockFile } from "./lock.js";
import { replaceFile, syncFolder, writeFully } from "./whole-file.js";

export interface NodeDiskOptions {
  /** What this process is, told to whoever meets its locks. */
  readonly label?: string;
  readonly clock?: Clock;
}

/**
 * The file system of this machine as a {@link Disk}. Every failure is an AntsError: "disk-full", "disk-read-only",
 * "disk-denied", "disk-failed", "locked" or "lock-unavailable". Symbolic links are followed, except for a lock file and
 * for the name that `replace` gives away: a link there is replaced by the file.
 */
export function createNodeDisk(options: NodeDiskOptions = {}): Disk {
  return {
    async read(path) {
      try {
        const bytes = await readFile(path);
        return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      } catch (error) {
        if (hasErrno(error, "ENOENT")) return undefined;
        throw diskError(error, "read", path);
      }
    },

    async list(directory) {
      try {
        return (await readdir(directory)).sort();
      } catch (error) {
        if (hasErrno(error, "ENOENT")) return [];
        throw diskError(error, "list", directory);
      }
    },

    append,

    replace: (path, bytes, { mode } = {}) => replaceFile(path, bytes, mode),

    async truncate(path, size) {
      try {
        const handle = await open(path, constants.O_RDWR);
        try {
          await handle.truncate(size);
          await handle.sync();
        } finally {
          await handle.close();
        }
      } catch (error) {
        throw diskError(error, "cut", path);
      }
    },

    async remove(path) {
      try {
        await unlink(path);
        await syncFolder(dirname(path));
      } catch (error) {
        if (hasErrno(error, "ENOENT")) return;
        throw diskError(error, "remove", path);
      }
    },

    async mkdir(path) {
      try {
        const first = await mkdir(path, { recursive: true, mode: 0o700 });
        if (first === undefined) return;
        // Every folder made on the way is a new name in the one above it.
        for (let made = resolve(path); made.length >= first.length; made = dirname(made)) {
          await syncFolder(dirname(made));
          if (made === dirname(made)) break;
        }
      } catch (error) {
        throw diskError(error, "make the folder", path);
      }
    },

    lock: (path) =>
      lockFile(path, { clock: options.clock ?? systemClock, ...(options.label ? { label: options.label } : {}) }),
  };
}

/** The file system of this machine; its locks say "ants". */
export const nodeDisk: Disk = createNodeDisk();

/**
 * A refused append leaves the file as long as it was (one writer at a time is assumed: the lock's matter). When even
 * that fails, the torn tail stays, as after a power cut: readers of appended files cut it.
 */
async function append(path: string, bytes: Uint8Array): Promise<void> {
  try {
    const { handle, created } = await openForAppend(path);
    let sizeBefore: number | undefined;
    try {
      sizeBefore = (await handle.stat()).size;
      await writeFully(handle, bytes);
      await handle.datasync();
      sizeBefore = undefined;
    } finally {
      if (created && sizeBefore !== undefined) await rm(path, { force: true }).catch(() => undefined);
      else if (sizeBefore !== undefined) await handle.truncate(sizeBefore).catch(() => undefined);
      await handle.close();
    }
    if (created) await syncFolder(dirname(path));
  } catch (error) {
    throw diskError(error, "append to", path);
  }
}

async function openForAppend(path: string) {
  const flags = constants.O_WRONLY | constants.O_APPEND;
  try {
    return { handle: await open(path, flags), created: false };
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw error;
  }
  try {
    return { handle: await open(path, flags | constants.O_CREAT | constants.O_EXCL, 0o600), created: true };
  } catch (error) {
    if (!hasErrno(error, "EEXIST")) throw error;
  }
  // Somebody else created it in between.
  return { handle: await open(path, flags), created: false };
}
