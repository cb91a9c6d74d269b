import { createHash } from "node:crypto";
import { Decrypter } from "age-encryption";
import { type Extract, extract } from "tar-stream";
import { ageSecretKey } from "../../../keys/age.js";
import { concat } from "../../../keys/bytes.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { IdentityLog } from "../../client/identity-log.js";
import {
  type BackupManifest,
  damaged,
  HOME_PREFIX,
  IDENTITY_PATH,
  MANIFEST_NAME,
  MAX_IDENTITY_BYTES,
  MAX_MANIFEST_BYTES,
  type ManifestFile,
  parseManifest,
} from "./manifest.js";
import { linesOf } from "./prepare-archive.js";
import { webStream } from "./write-archive.js";

/** An X25519 secret of 32 bytes that may open an archive: of the phrase's backup key, of a host, of a one-time key. */
export interface AgeIdentity {
  readonly secret: Uint8Array;
}

/** A file of the home in an archive. `bytes` must be read to its end before the next file is asked for. */
export interface ArchivedFile extends ManifestFile {
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface OpenedArchive {
  /** Signed by a key that was live by the identity log in the archive, and its `did` is that log's. */
  readonly manifest: BackupManifest;
  /** Multikey that signed it. */
  readonly key: string;
  /** The identity log in the archive. */
  readonly identity: IdentityLog;
  /**
   * Every file of the manifest, once, each checked while it is read. Only when this came to its end without an error is
   * the archive whole. Can be read once. Folders and links are in the manifest.
   */
  readonly files: AsyncIterable<ArchivedFile>;
  /** Where nobody wants the files: gives the source back. */
  close(): Promise<void>;
}

/** Of age: a hundred bytes for each recipient. */
const MAX_HEADER_BYTES = 32 * 1024;

type Entry = Extract extends AsyncIterable<infer Member> ? Member : never;

/**
 * Opens an archive: decrypts, reads manifest and identity log, and verifies who signed it. Streams: no more than these
 * two and a block of the rest are in memory.
 *
 * Throws "backup-no-key" (none of the identities opens it), "backup-damaged" (whatever is not as it was written),
 * "backup-version", and what reading `source` throws.
 */
export async function readArchive(
  source: AsyncIterable<Uint8Array>,
  identities: readonly AgeIdentity[],
): Promise<OpenedArchive> {
  const members = new Members(source, identities);
  try {
    const manifestBytes = await members.whole(MANIFEST_NAME, MAX_MANIFEST_BYTES);
    const { manifest, key } = parseManifest(manifestBytes);
    const first = manifest.files[0];
    if (first?.path !== IDENTITY_PATH || first.size > MAX_IDENTITY_BYTES) throw damaged("its identity log is missing");
    const identityBytes = await members.whole(HOME_PREFIX + IDENTITY_PATH, MAX_IDENTITY_BYTES);
    requireHash(first, identityBytes.length, createHash("sha256").update(identityBytes).digest("hex"));
    const identity = IdentityLog.learnt(manifest.did, linesOf(identityBytes));
    if (identity.newest === undefined || identity.newest.hash !== manifest.identity)
      throw damaged(`its identity log is not that of ${manifest.did} that the manifest names`);
    if (identity.standingOf(key)?.live !== true) throw damaged(`its manifest is signed by ${key}, which may not`);
    return {
      manifest,
      key,
      identity,
      files: filesOf(members, manifest, identityBytes),
      close: () => members.close(),
    };
  } catch (error) {
    await members.close();
    throw error;
  }
}

async function* filesOf(
  members: Members,
  manifest: BackupManifest,
  identityBytes: Uint8Array,
): AsyncGenerator<ArchivedFile> {
  const files = new Map(manifest.files.map((file) => [HOME_PREFIX + file.path, file]));
  const folders = new Set(manifest.folders.map(({ path }) => `${HOME_PREFIX}${path}`));
  const links = new Map(manifest.links.map(({ path, target }) => [HOME_PREFIX + path, target]));
  const identity = manifest.files[0]!;
  files.delete(HOME_PREFIX + identity.path);
  yield { ...identity, bytes: inMemory(identityBytes) };
  try {
    for (let entry = await members.next(); entry !== undefined; entry = await members.next()) {
      const { name, type, linkname } = entry.header;
      if (type === "directory" && folders.delete(name.replace(/\/$/, ""))) await drained(entry);
      else if (type === "symlink" && links.has(name) && links.get(name) === linkname) {
        links.delete(name);
        await drained(entry);
      } else if (type === "file" && files.has(name)) {
        const file = files.get(name)!;
        files.delete(name);
        const checked = new CheckedBytes(members.bytes(entry), file);
        yield { ...file, bytes: checked };
        if (!checked.isRead) throw new AntsError("internal", `${file.path} was not read to its end`);
      } else throw damaged(`${JSON.stringify(name)} is not in its manifest`);
    }
    const missing = [...files.keys(), ...folders, ...links.keys()][0];
    if (missing !== undefined) throw damaged(`${missing} is missing`);
  } finally {
    await members.close();
  }
}

/** The members of the tar within, one after the other. */
class Members {
  readonly #tar = extract();
  readonly #entries = this.#tar[Symbol.asyncIterator]();
  readonly #feeding: Promise<unknown>;

  constructor(source: AsyncIterable<Uint8Array>, identities: readonly AgeIdentity[]) {
    this.#tar.on("error", () => {});
    this.#feeding = this.#feed(source, identities).catch((error: unknown) => {
      this.#tar.destroy(error instanceof Error ? error : damaged("it cannot be read", error));
      return error;
    });
  }

  /** Undefined at the end. Throws "backup-damaged", "backup-no-key", and what reading the source throws. */
  async next(): Promise<Entry | undefined> {
    try {
      const { value, done } = await this.#entries.next();
      if (done !== true) return value;
      // The end of the tar may be there long before that of the ciphertext, whose last block says that it is whole.
      const failure = await this.#feeding;
      if (failure !== undefined) throw failure;
      return undefined;
    } catch (error) {
      throw await this.explain(error, "it is no tar archive");
    }
  }

  /** Why reading failed: what the source says, else damage. */
  async explain(error: unknown, why: string): Promise<unknown> {
    this.#tar.destroy();
    const failure = await this.#feeding;
    return failure ?? (isAntsError(error) ? error : damaged(why, error));
  }

  /** The bytes of the next member, which must have this name. */
  async whole(name: string, maxBytes: number): Promise<Uint8Array> {
    const entry = await this.next();
    if (entry?.header.name !== name || entry.header.type !== "file") throw damaged(`${name} is missing`);
    if ((entry.header.size ?? 0) > maxBytes) throw damaged(`${name} has more than ${maxBytes} bytes`);
    const parts: Uint8Array[] = [];
    for await (const block of this.bytes(entry)) parts.push(block);
    return concat(...parts);
  }

  async *bytes(entry: Entry): AsyncGenerator<Uint8Array> {
    try {
      yield* entry as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw await this.explain(error, "it ends too early");
    }
  }

  async close(): Promise<void> {
    this.#tar.destroy();
    await this.#feeding;
  }

  async #feed(source: AsyncIterable<Uint8Array>, identities: readonly AgeIdentity[]): Promise<undefined> {
    const tar = this.#tar;
    const closed = new Promise<void>((resolve) => tar.once("close", () => resolve()));
    for await (const block of decrypted(source, identities)) {
      if (tar.destroyed) return undefined;
      if (!tar.write(block))
        await Promise.race([new Promise<void>((resolve) => tar.once("drain", () => resolve())), closed]);
    }
    tar.end(null);
    return undefined;
  }
}

/** The plain bytes of what was encrypted with age. Throws "backup-no-key", "backup-damaged", what `source` throws. */
export async function* decrypted(
  source: AsyncIterable<Uint8Array>,
  identities: readonly AgeIdentity[],
): AsyncGenerator<Uint8Array> {
  const decrypter = new Decrypter();
  let failure: unknown;
  let isNobodys = false;
  for (const { secret } of identities) decrypter.addIdentity(ageSecretKey(secret));
  // Asked last, and only where nobody before it could: so a wrong key is told from a damaged archive.
  decrypter.addIdentity({
    unwrapFileKey() {
      isNobodys = true;
      return null;
    },
  });
  try {
    yield* await decrypter.decrypt(webStream(remembering(headed(source), (error) => (failure = error))));
  } catch (error) {
    if (failure !== undefined) throw failure;
    if (isNobodys) throw noKey();
    throw isAntsError(error) ? error : damaged("it does not decrypt", error);
  }
}

/**
 * The same bytes, if the header among them ends within {@link MAX_HEADER_BYTES}: what reads it keeps all of it in memory,
 * and tries each of its lines. Throws "backup-damaged".
 */
async function* headed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let beginning: Uint8Array | undefined = new Uint8Array();
  for await (const block of source) {
    if (beginning === undefined) yield block;
    else {
      beginning = concat(beginning, block);
      const header = Buffer.from(beginning.subarray(0, MAX_HEADER_BYTES)).toString("latin1");
      const mac = header.indexOf("\n--- ");
      const isWhole = mac >= 0 && header.indexOf("\n", mac + 1) >= 0;
      if (!isWhole && beginning.length < MAX_HEADER_BYTES) continue;
      if (!isWhole) throw damaged("its header has no end");
      yield beginning;
      beginning = undefined;
    }
  }
  if (beginning !== undefined) yield beginning;
}

async function* remembering(
  source: AsyncIterable<Uint8Array>,
  remember: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    remember(error);
    throw error;
  }
}

/** The bytes of a file, with its hash and size compared at their end. */
class CheckedBytes implements AsyncIterable<Uint8Array> {
  readonly #bytes: AsyncIterable<Uint8Array>;
  readonly #file: ManifestFile;
  isRead = false;

  constructor(bytes: AsyncIterable<Uint8Array>, file: ManifestFile) {
    this.#bytes = bytes;
    this.#file = file;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    let size = 0;
    for await (const block of this.#bytes) {
      hash.update(block);
      size += block.length;
      // The tar around a signed manifest is signed by nobody: nothing more of it is handed on, to fill a disk.
      if (size > this.#file.size) break;
      yield block;
    }
    requireHash(this.#file, size, hash.digest("hex"));
    this.isRead = true;
  }
}

function requireHash({ path, size, sha256 }: ManifestFile, foundSize: number, found: string): void {
  if (foundSize === size && found === sha256) return;
  throw damaged(`${path} has not the bytes that its manifest speaks of`);
}

async function drained(entry: Entry): Promise<void> {
  for await (const _ of entry) throw damaged(`${entry.header.name} has bytes`);
}

async function* inMemory(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function noKey(): AntsError {
  return new AntsError("backup-no-key", "no key that was given opens this archive", {
    hint: "the recovery words open every backup: --phrase-file FILE; a cold one opens with nothing else",
  });
}
