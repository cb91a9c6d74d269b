import { Encrypter } from "age-encryption";
import { type Header, type Pack, pack } from "tar-stream";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import type { HomeFile } from "./home-files.js";
import type { BackupManifest } from "./manifest.js";
import { encodeManifest, HOME_PREFIX, MANIFEST_NAME, MAX_IDENTITY_BYTES, MAX_MANIFEST_BYTES } from "./manifest.js";

/** Everything that goes into an archive. */
export interface ArchiveContent {
  readonly manifest: BackupManifest;
  /** As in the manifest, in its order. */
  readonly files: readonly HomeFile[];
}

/**
 * The bytes of an archive: a tar of the manifest and the home, encrypted to the recipients that the manifest names, with
 * nothing in it that `age` and `tar` don't know. They come as fast as they are taken; `signSeed` is used before the
 * first. Throws "backup-too-large" where nobody could read it back, "backup-changing" where a file no longer has the bytes that the manifest speaks of, and disk errors.
 */
export async function* writeArchive(
  { manifest, files }: ArchiveContent,
  signSeed: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const line = encodeManifest(manifest, signSeed);
  if (line.length > MAX_MANIFEST_BYTES || (files[0]?.size ?? 0) > MAX_IDENTITY_BYTES) throw tooLarge(manifest);
  const tar = pack();
  const packed = packAll(tar, line, manifest, files).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : undefined);
    return error;
  });
  try {
    yield* encrypted(tar as AsyncIterable<Uint8Array>, manifest.recipients);
  } catch (error) {
    tar.destroy();
    // The stream's own error says less than what ended it.
    const cause = await packed;
    throw isAntsError(cause) ? cause : error;
  } finally {
    tar.destroy();
    await packed;
  }
}

/** What no reader would take is not written: a backup that cannot be restored is none. */
function tooLarge({ files }: BackupManifest): AntsError {
  const found = `${files.length} files: the list of them, or the identity log, is longer than an archive can have`;
  return new AntsError("backup-too-large", found, {
    hint: "move what needs no backup out of the home, or pack many small files into one",
    details: { files: files.length },
  });
}

/** Encrypts a stream to recipients of age. */
export async function* encrypted(
  plain: AsyncIterable<Uint8Array>,
  recipients: readonly string[],
): AsyncGenerator<Uint8Array> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  yield* await encrypter.encrypt(webStream(plain));
}

/** A stream that pulls: nothing is read before somebody wants it, and leaving it ends its source. */
export function webStream(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

type MemberHeader = Pick<Header, "name"> & Partial<Header>;

async function packAll(
  tar: Pack,
  line: Uint8Array,
  { folders, links, timeMs }: BackupManifest,
  files: readonly HomeFile[],
): Promise<void> {
  const common = { mtime: new Date(timeMs), uid: 0, gid: 0 };
  const add = async (headers: MemberHeader, bytes?: AsyncIterable<Uint8Array>) => {
    const entry = tar.entry({ ...common, ...headers });
    const ended = new Promise<void>((resolve, reject) => {
      entry.on("close", () => resolve());
      entry.on("error", reject);
    });
    ended.catch(() => {});
    for await (const block of bytes ?? []) {
      if (entry.destroyed) break;
      if (!entry.write(block))
        await Promise.race([new Promise<void>((resolve) => entry.once("drain", () => resolve())), ended]);
    }
    entry.end(null);
    await ended;
  };
  const [identity, ...rest] = files;
  await add({ name: MANIFEST_NAME, size: line.length, mode: 0o600 }, once(line));
  if (identity !== undefined) await add(fileHeaders(identity), identity.bytes());
  for (const { path, mode } of folders) await add({ name: `${HOME_PREFIX}${path}/`, type: "directory", mode });
  for (const file of rest) await add(fileHeaders(file), file.bytes());
  for (const { path, target } of links)
    await add({ name: HOME_PREFIX + path, type: "symlink", linkname: target, mode: 0o777 });
  tar.finalize();
}

function fileHeaders({ path, size, mode }: HomeFile): MemberHeader {
  return { name: HOME_PREFIX + path, type: "file", size, mode };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
