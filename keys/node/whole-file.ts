import { randomBytes } from "node:crypto";
import { constants, readlinkSync, unlinkSync } from "node:fs";
import { type FileHandle, link, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pid } from "node:process";
import { AntsError } from "../errors.js";
import { diskError, hasErrno } from "./disk-error.js";

/**
 * Files that are written whole: a temporary file in the same folder, fsync, a rename (or a link), fsync of the folder.
 * A crash at any moment leaves the old file or the new one.
 *
 * A temporary file is called `.<name>.<pid namespace>-<pid>-<random>.tmp`. It is removed on every error, and by an exit
 * handler when the process ends itself; what a kill -9 leaves is swept by the next write to the same name, as soon as
 * its process is gone (the namespace tells whether a process id can be judged from here) or after an hour.
 */

/** A temporary file of a process that cannot be seen from here counts as left behind after this long. */
const ABANDONED_AFTER_MS = 3_600_000;

const pidNamespace = readPidNamespace();
/** Temporary files that this process is writing now. */
const active = new Set<string>();

/** Replaces or creates `path`. Throws a disk error; then the file is as it was. */
export async function replaceFile(path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
  await throughTemporary(path, bytes, mode, async (temporary) => {
    await rename(temporary, path);
    active.delete(temporary);
  });
}

/** Creates `path` with these bytes, whole. Throws AntsError "disk-exists" when the name is taken, by anything. */
export async function createFile(path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
  await throughTemporary(path, bytes, mode, async (temporary) => {
    try {
      await link(temporary, path);
    } catch (error) {
      if (hasErrno(error, "EEXIST")) throw exists(path);
      if (!hasErrno(error, "EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) throw error;
      // No hard links here: take the name with an empty file, then put the whole one in its place.
      await claimName(path, mode);
      await rename(temporary, path);
      active.delete(temporary);
      return;
    }
    await unlink(temporary);
    active.delete(temporary);
  });
}

/** Makes a change of names in this folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
  try {
    await handle.sync();
  } catch (error) {
    // File systems that know no fsync of a folder say so with these; they order names by themselves or not at all.
    if (!hasErrno(error, "EINVAL", "ENOTSUP", "EOPNOTSUPP")) throw error;
  } finally {
    await handle.close();
  }
}

async function throughTemporary(
  path: string,
  bytes: Uint8Array,
  mode: number,
  publish: (temporary: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, temporaryName(basename(path)));
  try {
    await sweep(folder, basename(path));
    track(temporary);
    await writeDurably(temporary, bytes, mode);
    await publish(temporary);
    await syncFolder(folder);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw diskError(error, "write", path);
  } finally {
    untrack(temporary);
  }
}

async function writeDurably(temporary: string, bytes: Uint8Array, mode: number): Promise<void> {
  // Created readable by nobody else, and only then given the mode that was asked for.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(temporary, flags, 0o600);
  try {
    await writeFully(handle, bytes);
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** write(2) may write less than asked for: a nearly full disk takes a part first and refuses the rest. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await handle.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}

async function claimName(path: string, mode: number): Promise<void> {
  try {
    await (await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode)).close();
  } catch (error) {
    throw hasErrno(error, "EEXIST") ? exists(path) : error;
  }
}

function exists(path: string): AntsError {
  return new AntsError("disk-exists", `could not create ${path}: there is something of that name already`, {
    hint: "move it away or choose another name",
    details: { path },
  });
}

function temporaryName(name: string): string {
  return `.${name}.${pidNamespace}-${pid}-${randomBytes(8).toString("hex")}.tmp`;
}

async function sweep(folder: string, name: string): Promise<void> {
  const prefix = `.${name}.`;
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(prefix)) continue;
    const parts = /^(\d+)-(\d+)-[0-9a-f]{16}\.tmp$/.exec(entry.slice(prefix.length));
    if (parts === null) continue;
    const path = join(folder, entry);
    if (await isAbandoned(path, Number(parts[1]), Number(parts[2]))) await unlink(path).catch(() => undefined);
  }
}

async function isAbandoned(path: string, namespace: number, owner: number): Promise<boolean> {
  if (namespace === pidNamespace) {
    if (owner === pid ? !active.has(path) : !isRunning(owner)) return true;
  }
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS;
}

function isRunning(owner: number): boolean {
  try {
    process.kill(owner, 0);
    return true;
  } catch (error) {
    return !hasErrno(error, "ESRCH");
  }
}

/** The inode number of this process's pid namespace; 0 where the system has none. */
function readPidNamespace(): number {
  try {
    return Number(/\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? 0);
  } catch {
    return 0;
  }
}

function track(temporary: string): void {
  if (active.size === 0) process.on("exit", removeActive);
  active.add(temporary);
}

function untrack(temporary: string): void {
  active.delete(temporary);
  if (active.size === 0) process.off("exit", removeActive);
}

function removeActive(): void {
  for (const temporary of active) {
    try {
      unlinkSync(temporary);
    } catch {
      // Not there yet, or renamed already.
    }
  }
}
