import { constants } from "node:fs";
import { open, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { concat, fromUtf8, hex } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { diskError, hasErrno } from "../../keys/node/disk-error.js";
import { type JoinAnswer, parseJoinAnswer } from "../../keys/node/join-answer.js";
import { syncFolder, writeFully } from "../../keys/node/whole-file.js";
import type { Random } from "../../keys/ports.js";
import { blocksOf } from "./file-blocks.js";

/**
 * What an agent moves in, one file: a line with the keys, sealed to the new host (the answer of `ants vault share`,
 * docs/decisions/0018), and after it an archive of the home, encrypted to the same one-time key.
 */
export interface MoveBundle {
  readonly answer: JoinAnswer;
  /** Read once. */
  readonly archive: AsyncIterable<Uint8Array>;
  /** Where nobody wants the archive. */
  close(): Promise<void>;
}

/** A full vault and a thousand updates, in base64url. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * Writes a bundle whole, in place of one that is there: on disk when it resolves, with its size. `line` without a
 * newline. Throws what `archive` throws, disk errors, the signal's reason; nothing is left then.
 */
export async function writeBundle(
  path: string,
  line: Uint8Array,
  archive: AsyncIterable<Uint8Array>,
  { random, signal }: { readonly random: Random; readonly signal: AbortSignal },
): Promise<number> {
  const part = join(dirname(path), `.${basename(path)}.${hex(random.bytes(4))}.part`);
  let size = 0;
  try {
    const handle = await open(part, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      const put = async (bytes: Uint8Array): Promise<void> => {
        signal.throwIfAborted();
        await writeFully(handle, bytes);
        size += bytes.length;
      };
      await put(concat(line, Uint8Array.of(NEWLINE)));
      for await (const block of archive) await put(block);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, path);
    await syncFolder(dirname(path));
    return size;
  } catch (error) {
    await unlink(part).catch(() => {});
    signal.throwIfAborted();
    throw diskError(error, "write", path);
  }
}

/** Opens a bundle. Throws AntsError "move-bundle" for another file, "move-bundle-missing" for none, disk errors. */
export async function readBundle(path: string): Promise<MoveBundle> {
  const blocks = blocksOf(path);
  const line: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { value: block, done } = await blocks.next();
      if (done === true) throw notABundle(path, "its first line has no end");
      const end = block.indexOf(NEWLINE);
      line.push(end < 0 ? block : block.subarray(0, end));
      size += block.length;
      if (end >= 0) {
        const answer = parseJoinAnswer(fromUtf8(concat(...line)));
        return {
          answer,
          archive: after(block.subarray(end + 1), blocks),
          close: async () => void (await blocks.return(undefined)),
        };
      }
      if (size > MAX_LINE_BYTES) throw notABundle(path, "its first line is too long");
    }
  } catch (error) {
    await blocks.return(undefined);
    if (error instanceof AntsError && error.code === "join-answer")
      throw notABundle(path, "it does not begin as one does, or that was altered", error);
    if (hasErrno(error, "ENOENT", "ENOTDIR")) throw noBundle(path, error);
    throw error instanceof AntsError ? error : diskError(error, "read", path);
  }
}

function noBundle(path: string, cause: unknown): AntsError {
  return new AntsError("move-bundle-missing", `there is no bundle at ${path}`, {
    hint: "check the path: --bundle names the file that ants migrate out wrote on the old host, once it is here",
    details: { path },
    cause,
  });
}

export function notABundle(path: string, why: string, cause?: unknown): AntsError {
  return new AntsError("move-bundle", `${path} is no bundle of ants migrate out, or not all of it: ${why}`, {
    hint: "bring it again from the old host, or make it anew there with the same request",
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}

async function* after(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  yield* rest;
}
