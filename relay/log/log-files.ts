import fs from "node:fs";
import path from "node:path";

/** What a file looked like when it was last asked. A change of either means that somebody wrote to it. */
export interface FileStamp {
  readonly bytes: number;
  /** Modification time, milliseconds with a fraction. */
  readonly modifiedMs: number;
}

/** One open file of the log. All offsets and sizes are bytes; every error is the system's own (`code` ENOSPC, EIO …). */
export interface LogFile {
  stamp(): Promise<FileStamp>;
  /** Writes all buffers one after the other from `offset` on; resolves when the system has them, not yet the disk. */
  write(buffers: readonly Uint8Array[], offset: number): Promise<void>;
  /** fdatasync: resolves when everything written is on disk. */
  datasync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  /** Fills `into` from `offset` on; returns how much there was. */
  read(into: Uint8Array, offset: number): Promise<number>;
  close(): Promise<void>;
}

/**
 * The file system as the log needs it: positional reads and writes on open files, and syncing as a step of its own.
 * ({@link import("../../keys/ports.js").Disk} syncs inside each call, which would cost one fsync a frame.)
 */
export interface LogFiles {
  /** Names in a folder, sorted; [] when there is no such folder. */
  list(folder: string): Promise<string[]>;
  makeFolder(folder: string): Promise<void>;
  /** After it, files created in or removed from the folder stay so. */
  syncFolder(folder: string): Promise<void>;
  stamp(file: string): Promise<FileStamp | undefined>;
  /** `create` fails when the file is there; new files have mode 0600. */
  open(file: string, how: "read" | "write" | "create"): Promise<LogFile>;
  /** The whole file at once, or undefined when there is none. For small files. */
  readWhole(file: string): Uint8Array | undefined;
  /** At once, `length` bytes from `offset` on, fewer where the file ends. For the rare reader that cannot wait. */
  readPart(file: string, offset: number, length: number): Uint8Array;
  /** Not synced, but never half there for a process that starts after a crash of this one: temporary file and rename. */
  writeWhole(file: string, bytes: Uint8Array): Promise<void>;
  remove(file: string): Promise<void>;
}

const OPEN_FLAGS = { read: "r", write: "r+", create: "wx+" } as const;

/** The files of this machine. Every asynchronous call is one trip to libuv's pool on one file descriptor. */
export const nodeLogFiles: LogFiles = {
  async list(folder) {
    try {
      return (await fs.promises.readdir(folder)).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  },
  async makeFolder(folder) {
    await fs.promises.mkdir(folder, { recursive: true, mode: 0o700 });
  },
  async syncFolder(folder) {
    const handle = await fs.promises.open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async stamp(file) {
    try {
      const { size, mtimeMs } = await fs.promises.stat(file);
      return { bytes: size, modifiedMs: mtimeMs };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  open(file, how) {
    return new Promise((resolve, reject) => {
      fs.open(file, OPEN_FLAGS[how], 0o600, (error, fd) => {
        if (error) reject(error);
        else resolve(new NodeLogFile(fd));
      });
    });
  },
  readWhole(file) {
    try {
      return fs.readFileSync(file);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  readPart(file, offset, length) {
    const into = new Uint8Array(length);
    const fd = fs.openSync(file, "r");
    try {
      let filled = 0;
      while (filled < length) {
        const got = fs.readSync(fd, into, filled, length - filled, offset + filled);
        if (got === 0) break;
        filled += got;
      }
      return into.subarray(0, filled);
    } finally {
      fs.closeSync(fd);
    }
  },
  async writeWhole(file, bytes) {
    const temporary = `${file}.tmp`;
    try {
      await writeAndRename(temporary, file, bytes);
    } catch (error) {
      if (!isMissing(error)) throw error;
      await fs.promises.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      await writeAndRename(temporary, file, bytes);
    }
  },
  async remove(file) {
    await fs.promises.rm(file, { force: true });
  },
};

class NodeLogFile implements LogFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  stamp(): Promise<FileStamp> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#fd, (error, stats) => {
        if (error) reject(error);
        else resolve({ bytes: stats.size, modifiedMs: stats.mtimeMs });
      });
    });
  }

  async write(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    let left = buffers.filter((buffer) => buffer.length > 0);
    let at = offset;
    while (left.length > 0) {
      const written = await new Promise<number>((resolve, reject) => {
        fs.writev(this.#fd, left, at, (error, bytes) => {
          if (error) reject(error);
          else resolve(bytes);
        });
      });
      at += written;
      left = withoutFirst(left, written);
    }
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error ? reject(error) : resolve()));
    });
  }

  truncate(bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.ftruncate(this.#fd, bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const got = await new Promise<number>((resolve, reject) => {
        fs.read(this.#fd, into, filled, into.length - filled, offset + filled, (error, bytes) => {
          if (error) reject(error);
          else resolve(bytes);
        });
      });
      if (got === 0) break;
      filled += got;
    }
    return filled;
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(this.#fd, (error) => (error ? reject(error) : resolve()));
    });
  }
}

async function writeAndRename(temporary: string, file: string, bytes: Uint8Array): Promise<void> {
  try {
    await fs.promises.writeFile(temporary, bytes, { mode: 0o600 });
    await fs.promises.rename(temporary, file);
  } catch (error) {
    await fs.promises.rm(temporary, { force: true });
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ENOENT";
}

/** What is left of the buffers after their first `bytes` bytes (a write may stop anywhere). */
function withoutFirst(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const left: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (skip >= buffer.length) {
      skip -= buffer.length;
    } else {
      left.push(skip === 0 ? buffer : buffer.subarray(skip));
      skip = 0;
    }
  }
  return left;
}
