import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { AntsError } from "../../keys/errors.js";

/** A full vault with a long identity, in base64url; more was named by mistake. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * A line that somebody carried from another device: from a file, or from stdin for "-". Nothing in it is secret by
 * itself. Throws AntsError "body-file" where it cannot be read.
 */
export async function readPasted(path: string): Promise<string> {
  try {
    if (path === "-") return await read(process.stdin);
    const handle = await open(resolve(path));
    try {
      return await read(handle.createReadStream({ autoClose: false }));
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof AntsError) throw cause;
    throw new AntsError("body-file", `cannot read ${path}: ${(cause as Error).message}`, { cause, details: { path } });
  }
}

async function read(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of stream) {
    size += part.length;
    if (size > MAX_BYTES) throw new AntsError("body-file", `what was to be read has more than ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
