import { constants } from "node:fs";
import { open } from "node:fs/promises";

const BLOCK_BYTES = 256 * 1024;

/** A file's bytes from its beginning, in blocks of at most 256 KiB; each block is the caller's. Throws Node's errors. */
export async function* blocksOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    for (;;) {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
