import { constants } from "node:fs";
import { link, lstat, mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hex } from "../../../keys/bytes.js";
import { AntsError } from "../../../keys/errors.js";
import { diskError, hasErrno } from "../../../keys/node/disk-error.js";
import { syncFolder, writeFully } from "../../../keys/node/whole-file.js";
import { byTime, parseArchiveName } from "./archive-name.js";
import type { BackupTarget, StoredArchive, TargetOptions, Upload } from "./target.js";
import { exists, missing, notThere } from "./target-errors.js";

/** A temporary name: no archive's, so that no listing takes it for one. */
const PART = /^\.ants-[\w.-]+\.[0-9a-f]{16}\.part$/;
/** An upload that takes longer than this was cut off. */
const PART_LIFE_MS = 24 * 3_600_000;
const BLOCK_BYTES = 256 * 1024;

/** A folder as a target. Its last part is made when the first archive comes; the folder above it must be there. */
export function openFolder(url: string, folder: string, options: TargetOptions): BackupTarget {
  return new FolderTarget(url, folder, options);
}

class FolderTarget implements BackupTarget {
  readonly url: string;
  readonly #folder: string;
  readonly #options: TargetOptions;

  constructor(url: string, folder: string, options: TargetOptions) {
    this.url = url;
    this.#folder = folder;
    this.#options = options;
  }

  async list(): Promise<StoredArchive[]> {
    const found: StoredArchive[] = [];
    for (const name of await this.#names("must be there")) {
      const parsed = parseArchiveName(name);
      if (parsed === undefined) continue;
      const info = await this.#info(name);
      if (info?.isFile() === true) found.push({ ...parsed, size: info.size });
    }
    return found.sort(byTime);
  }

  async put(name: string, upload: Upload): Promise<void> {
    const path = join(this.#folder, name);
    const part = join(this.#folder, `.${name}.${hex(this.#options.random.bytes(8))}.part`);
    try {
      await this.#make();
      if ((await this.#info(name)) !== undefined) throw exists(this.url, name);
      await this.#write(part, upload);
      await publish(part, path, () => exists(this.url, name));
      await syncFolder(this.#folder);
    } catch (error) {
      await unlink(part).catch(() => {});
      this.#options.signal.throwIfAborted();
      throw this.#failed(error, "write", path);
    }
  }

  async get(name: string): Promise<AsyncIterable<Uint8Array>> {
    const path = join(this.#folder, name);
    try {
      const handle = await open(path, constants.O_RDONLY);
      const { signal } = this.#options;
      return blocksOf(handle, signal, (error) => this.#failed(error, "read", path));
    } catch (error) {
      if (hasErrno(error, "ENOENT", "ENOTDIR")) throw missing(this.url, name);
      throw this.#failed(error, "read", path);
    }
  }

  async remove(name: string): Promise<void> {
    const path = join(this.#folder, name);
    try {
      await unlink(path);
      await syncFolder(this.#folder);
    } catch (error) {
      if (!hasErrno(error, "ENOENT", "ENOTDIR")) throw this.#failed(error, "remove", path);
    }
  }

  async sweep(): Promise<number> {
    let removed = 0;
    for (const name of await this.#names()) {
      if (!PART.test(name)) continue;
      const info = await this.#info(name);
      if (info === undefined || this.#options.clock.nowMs() - info.mtimeMs < PART_LIFE_MS) continue;
      await unlink(join(this.#folder, name)).catch(() => {});
      removed += 1;
    }
    return removed;
  }

  async #names(folder: "must be there" | "may be missing" = "may be missing"): Promise<string[]> {
    try {
      return await readdir(this.#folder);
    } catch (error) {
      if (hasErrno(error, "ENOENT")) {
        if (folder === "may be missing") return [];
        throw notThere(this.url, this.#folder, error);
      }
      throw this.#failed(error, "list", this.#folder);
    }
  }

  async #info(name: string) {
    const path = join(this.#folder, name);
    try {
      return await lstat(path);
    } catch (error) {
      if (hasErrno(error, "ENOENT")) return undefined;
      throw this.#failed(error, "look at", path);
    }
  }

  /** Not the folders above it: where a disk is not mounted, its mount point's parts are not there either. */
  async #make(): Promise<void> {
    try {
      await stat(this.#folder);
      return;
    } catch (error) {
      if (!hasErrno(error, "ENOENT")) throw error;
    }
    await mkdir(this.#folder, { mode: 0o700 }).catch((cause: unknown) => {
      if (hasErrno(cause, "ENOENT")) throw notMounted(this.url, dirname(this.#folder), cause);
      if (!hasErrno(cause, "EEXIST")) throw cause;
    });
    await syncFolder(dirname(this.#folder));
  }

  async #write(part: string, upload: Upload): Promise<void> {
    const { signal } = this.#options;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const handle = await open(part, flags, 0o600);
    try {
      let written = 0;
      for await (const block of upload.bytes()) {
        signal.throwIfAborted();
        await writeFully(handle, block);
        written += block.length;
      }
      if (written !== upload.size)
        throw new AntsError("backup-target", `${part}: ${written} bytes came, and ${upload.size} were to come`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** The disk's error as the target's. */
  #failed(error: unknown, doing: string, path: string): AntsError {
    if (error instanceof AntsError) return error;
    const { code, message, hint } = diskError(error, doing, path);
    const known: Readonly<Record<string, string>> = {
      "disk-full": "backup-target-full",
      "disk-denied": "backup-target-denied",
    };
    return new AntsError(known[code] ?? "backup-target", message, {
      cause: error,
      details: { target: this.url, path },
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

function notMounted(url: string, parent: string, cause: unknown): AntsError {
  return new AntsError("backup-target", `${url}: there is no folder ${parent} to make it in`, {
    hint: `is its disk mounted? else make it: mkdir -p ${parent}`,
    details: { target: url, path: parent },
    cause,
  });
}

/** Gives a whole file its name, if nothing has it. */
async function publish(part: string, path: string, taken: () => AntsError): Promise<void> {
  try {
    await link(part, path);
  } catch (error) {
    if (hasErrno(error, "EEXIST")) throw taken();
    if (!hasErrno(error, "EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) throw error;
    // No hard links here (FAT, some network folders). The name was free a moment ago, and holds 32 random bits.
    await rename(part, path);
    return;
  }
  await unlink(part);
}

async function* blocksOf(
  handle: Awaited<ReturnType<typeof open>>,
  signal: AbortSignal,
  failed: (error: unknown) => AntsError,
): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead, buffer } = await handle.read(new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw failed(error);
  } finally {
    await handle.close();
  }
}
