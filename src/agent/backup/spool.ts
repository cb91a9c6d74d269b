import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { diskError } from "../../../keys/node/disk-error.js";
import { writeFully } from "../../../keys/node/whole-file.js";
import type { Clock, Disk } from "../../../keys/ports.js";
import { blocksOf } from "../file-blocks.js";
import type { Upload } from "./target.js";

const FOLDER = "backup-spool";
/** What a crash left behind; no run takes a day. */
const LIFE_MS = 24 * 3_600_000;

/** An archive in the spool, until {@link remove}. */
export interface Spooled extends Upload {
  remove(): Promise<void>;
}

/**
 * Where archives wait for their targets, `.ants/backup-spool`: all targets get the same bytes, again where one breaks off,
 * and none gets anything before the last byte is known to be right. What lies there is encrypted.
 */
export class Spool {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** `state`: the home's `.ants`. Removes what a crash left, once it is a day old. Throws disk errors. */
  static async open(disk: Disk, state: string, clock: Clock): Promise<Spool> {
    const folder = join(state, FOLDER);
    await disk.mkdir(folder);
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && clock.nowMs() - found.mtimeMs > LIFE_MS) await unlink(path).catch(() => {});
    }
    return new Spool(folder);
  }

  /** Takes an archive in, whole or not at all. Throws what `archive` throws, disk errors, the signal's reason. */
  async take(
    name: string,
    archive: AsyncIterable<Uint8Array>,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Spooled> {
    const path = join(this.#folder, name);
    const remove = () => unlink(path).catch(() => {});
    const hash = createHash("sha256");
    let size = 0;
    // What reading the archive throws is its own, and says nothing of this disk.
    const failed = (error: unknown) => {
      throw diskError(error, "write", path);
    };
    try {
      const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600).catch(failed);
      try {
        for await (const block of archive) {
          signal.throwIfAborted();
          await writeFully(handle, block).catch(failed);
          hash.update(block);
          size += block.length;
        }
      } finally {
        await handle.close();
      }
    } catch (error) {
      await remove();
      signal.throwIfAborted();
      throw error;
    }
    return { size, sha256: hash.digest("hex"), bytes: () => blocksOf(path), remove };
  }
}
