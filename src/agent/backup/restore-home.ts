import { constants } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, realpath, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { diskError, hasErrno } from "../../../keys/node/disk-error.js";
import { syncFolder, writeFully } from "../../../keys/node/whole-file.js";
import type { Clock, DiskLock } from "../../../keys/ports.js";
import { ChainStore } from "../../client/chain-store.js";
import { parseEvent } from "../../protocol/event.js";
import { type DormantMark, encodeDormantMark } from "../dormant.js";
import { AgentHome, configOfCopy, homeLayout } from "../home.js";
import { hostOnly } from "./left-out.js";
import { type BackupManifest, damaged } from "./manifest.js";
import type { ArchivedFile, OpenedArchive } from "./read-archive.js";

export interface RestoreHomeOptions {
  /** Is closed when this ends, however it ends. */
  readonly archive: OpenedArchive;
  /** What the archive is called, for the mark of the restored home. */
  readonly name: string;
  /** Absolute: a folder that is empty, or not there yet. */
  readonly to: string;
  /** The owner's word for the archive's signer, for the mark: whoever wakes the home asks no second time. */
  readonly isVouchedFor?: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Bytes written so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** A home that was restored. Its lock is held by this process: whoever gets it releases it. */
export interface RestoredHome {
  readonly home: AgentHome;
  readonly lock: DiskLock;
  readonly mark: DormantMark;
}

/**
 * Unpacks an archive into an empty folder, whole or not at all: everything is written beside it, compared with the
 * manifest, the chain verified, all of it synced; then it gets its name at once. What a crash leaves is
 * `.<name>.restoring` beside it, which the next restore clears. The home sleeps (dormant.ts), and can never begin a chain.
 *
 * Throws "restore-not-empty", "restore-place" (the folder cannot be replaced as a whole), "locked" (another restore into
 * it is under way), "backup-damaged", what reading the archive throws, disk errors, the signal's reason.
 */
export async function restoreHome(options: RestoreHomeOptions): Promise<RestoredHome> {
  const { archive } = options;
  try {
    const to = await placeFor(options.to);
    const part = join(dirname(to), `.${basename(to)}.restoring`);
    const lock = await occupy(part);
    try {
      const mark = await unpack(part, options);
      options.signal.throwIfAborted();
      await giveName(part, to);
      return { home: await AgentHome.open(nodeDisk, to), lock, mark };
    } catch (error) {
      await rm(part, { recursive: true, force: true }).catch(() => {});
      await lock.release();
      throw error;
    }
  } finally {
    await archive.close();
  }
}

/** The folder by its real name; those above it are made. Throws "restore-not-empty". */
async function placeFor(path: string): Promise<string> {
  try {
    const real = await realpath(path).catch((error: unknown) => {
      if (hasErrno(error, "ENOENT")) return undefined;
      throw error;
    });
    if (real === undefined) {
      await nodeDisk.mkdir(dirname(path));
      return join(await realpath(dirname(path)), basename(path));
    }
    if ((await stat(real)).isDirectory() && (await readdir(real)).length === 0) return real;
  } catch (error) {
    throw diskError(error, "look at", path);
  }
  throw new AntsError("restore-not-empty", `${path} is not empty`, {
    hint: "name a folder that is empty or not there yet: --to DIR; what is there already is never overwritten",
    details: { path },
  });
}

/** Makes the folder that is filled, or takes over what a restore left that was cut off, and locks it. */
async function occupy(part: string): Promise<DiskLock> {
  const { state, lock: lockPath } = homeLayout(part);
  try {
    // Whoever may write beside the home could lead what is unpacked elsewhere.
    const found = await lstat(part).catch(() => undefined);
    if (found !== undefined && !found.isDirectory()) throw strange(part);
    const there = await readdir(part).catch((error: unknown): string[] => {
      if (hasErrno(error, "ENOENT")) return [];
      throw error;
    });
    if (there.length > 0 && !there.includes(basename(state))) throw strange(part);
    await mkdir(state, { recursive: true, mode: 0o700 });
    const lock = await nodeDisk.lock(lockPath);
    try {
      await clear(part, state, lockPath);
    } catch (error) {
      await lock.release();
      throw error;
    }
    return lock;
  } catch (error) {
    throw diskError(error, "make", part);
  }
}

async function clear(part: string, state: string, lockPath: string): Promise<void> {
  for (const folder of [part, state]) {
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      if (path !== state && path !== lockPath) await rm(path, { recursive: true, force: true });
    }
  }
}

async function unpack(part: string, options: RestoreHomeOptions): Promise<DormantMark> {
  const { archive, name, clock } = options;
  const { manifest } = archive;
  const folders = manifest.folders.filter(({ path }) => hostOnly(path) === undefined);
  try {
    for (const { path } of folders) await mkdir(join(part, path), { recursive: true, mode: 0o700 });
    await writeFiles(part, options);
    for (const { path, target } of manifest.links) await symlink(target, join(part, path));
    const head = await verified(part, manifest);
    const { tier, timeMs: madeMs } = manifest;
    const word = options.isVouchedFor === true ? { isVouchedFor: true as const } : {};
    const made = { archive: name, tier, madeMs, signer: archive.key, ...word };
    const mark = { restoredMs: clock.nowMs(), ...made, ...(head === undefined ? {} : { head }) };
    await nodeDisk.replace(homeLayout(part).dormant, encodeDormantMark(mark));
    // From the innermost on: a folder that its owner may not write to is closed after what is in it.
    for (const { path, mode } of [...folders].reverse()) {
      await syncFolder(join(part, path));
      await chmod(join(part, path), mode | 0o700);
    }
    await syncFolder(homeLayout(part).state);
    await syncFolder(part);
    return mark;
  } catch (error) {
    options.signal.throwIfAborted();
    throw diskError(error, "write", part);
  }
}

async function writeFiles(part: string, { archive, signal, onProgress }: RestoreHomeOptions): Promise<void> {
  let written = 0;
  for await (const file of archive.files) {
    signal.throwIfAborted();
    if (hostOnly(file.path) !== undefined) {
      for await (const _ of file.bytes) signal.throwIfAborted();
      continue;
    }
    await writeFile(join(part, file.path), file, signal, (bytes) => {
      written += bytes;
      onProgress?.(written);
    });
  }
}

async function writeFile(
  path: string,
  { bytes, mode }: ArchivedFile,
  signal: AbortSignal,
  wrote: (bytes: number) => void,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(path, flags, 0o600).catch((error: unknown) => {
    throw diskError(error, "write", path);
  });
  try {
    for await (const block of bytes) {
      signal.throwIfAborted();
      await writeFully(handle, block);
      wrote(block.length);
    }
    await handle.chmod(mode);
    await handle.sync();
  } catch (error) {
    signal.throwIfAborted();
    throw diskError(error, "write", path);
  } finally {
    await handle.close();
  }
}

/** What was unpacked is a home of the manifest's agent with the chain that it names. The head, with its time. */
async function verified(part: string, manifest: BackupManifest): Promise<DormantMark["head"]> {
  const layout = homeLayout(part);
  try {
    const config = await nodeDisk.read(layout.config);
    if (config === undefined) throw damaged("it holds no home of an agent");
    await nodeDisk.replace(layout.config, configOfCopy(layout.config, config));
    const home = await AgentHome.open(nodeDisk, part);
    const { did } = home.config;
    if (did !== manifest.did) throw damaged(`its configuration is of ${did}, and its manifest of ${manifest.did}`);
    // As the archive's maker read it: what had lost its place in these files is on the relays still.
    const chain = await ChainStore.open({ disk: nodeDisk, folder: layout.chain, did, keys: home.identity });
    await chain.close();
    const { head } = chain;
    if (head?.id !== manifest.head?.id) throw damaged("its chain does not end where its manifest says");
    if (head === undefined) return undefined;
    const { time } = parseEvent(await chain.line(head)).event;
    return { epoch: head.epoch, seq: head.seq, id: head.id, timeMs: time };
  } catch (error) {
    if (isAntsError(error, "home-damaged") || isAntsError(error, "chain-damaged")) throw damaged(error.message, error);
    throw error;
  }
}

async function giveName(part: string, to: string): Promise<void> {
  try {
    await rename(part, to);
    await syncFolder(dirname(to));
  } catch (error) {
    if (hasErrno(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) {
      throw new AntsError("restore-not-empty", `${to} was filled by somebody meanwhile`, {
        hint: "name another folder: --to DIR",
        cause: error,
        details: { path: to },
      });
    }
    if (!hasErrno(error, "EBUSY", "EXDEV", "EINVAL")) throw diskError(error, "name", to);
    throw new AntsError("restore-place", `${to} cannot be replaced as a whole: something is mounted there`, {
      hint: "name a folder within it, and make that the agent's home: --to DIR/home",
      cause: error,
      details: { path: to },
    });
  }
}

function strange(part: string): AntsError {
  return new AntsError("restore-place", `${part} is in the way, and is nothing that a restore left`, {
    hint: "move it away, or restore into another folder: --to DIR",
    details: { path: part },
  });
}
