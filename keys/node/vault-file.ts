import { constants, type Stats } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { dirname } from "node:path";
import { AntsError, isAntsError } from "../errors.js";
import type { Clock } from "../ports.js";
import { nodeDisk } from "./disk.js";
import { diskError, hasErrno } from "./disk-error.js";
import { lockFile } from "./lock.js";
import { assertDurablePlace } from "./place.js";
import { MAX_VAULT_BYTES } from "./vault-format.js";
import { createFile, replaceFile } from "./whole-file.js";

const VAULT_MODE = 0o600;
/** Read, write and execute of group and others. */
const FOREIGN_PERMISSIONS = 0o077;
/** The vault's lock is held while a passphrase is derived, 8 s at most; a second writer waits for one such turn. */
const LOCK_WAIT_MS = 20_000;

/**
 * The bytes of a vault file. Throws AntsError "vault-missing", "vault-symlink", "vault-not-file", "vault-owner",
 * "vault-mode" (readable by others), "vault-format" (far too large) or a disk error.
 */
export async function readVaultFile(path: string): Promise<Uint8Array> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    // Not through a link, and without waiting for a pipe's other end: what was opened is then judged by its descriptor.
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw await whyNotOpened(path, error);
  }
  try {
    const found = await handle.stat();
    assertVault(path, found);
    const bytes = new Uint8Array(found.size);
    let at = 0;
    for (let read = -1; read !== 0 && at < bytes.length; at += read) {
      read = (await handle.read(bytes, at, bytes.length - at)).bytesRead;
    }
    return bytes.subarray(0, at);
  } catch (error) {
    throw diskError(error, "read", path);
  } finally {
    await handle.close();
  }
}

export interface WriteVaultOptions {
  /** Replace what is there. Without it an existing file, of any kind, is "vault-exists". */
  readonly overwrite?: boolean;
  /** Take a place where a new vault would not last. */
  readonly allowEphemeral?: boolean;
}

/**
 * Writes a vault file, whole: mode 0600, fsync, the folder made (0700) when it is missing. A new one only in a durable
 * place. Throws AntsError "vault-exists", "vault-ephemeral", what {@link readVaultFile} throws about a file that is to
 * be replaced, or a disk error; then everything is as it was.
 */
export async function writeVaultFile(path: string, bytes: Uint8Array, options: WriteVaultOptions = {}): Promise<void> {
  const present = await lstatOf(path);
  if (present !== undefined && options.overwrite !== true) throw exists(path);
  if (present !== undefined) {
    assertVault(path, present);
    await replaceFile(path, bytes, VAULT_MODE);
    return;
  }
  await assertDurablePlace(path, options);
  await nodeDisk.mkdir(dirname(path));
  try {
    await createFile(path, bytes, VAULT_MODE);
  } catch (error) {
    throw isAntsError(error, "disk-exists") ? exists(path) : error;
  }
}

export interface UpdateVaultOptions {
  /** What the caller is, for other processes that wait. */
  readonly label?: string;
  readonly waitMs?: number;
  readonly clock?: Clock;
}

/**
 * Reads, changes and rewrites a vault file while no other process does (lock beside it: `<path>.lock`). `change` gets
 * the present bytes and returns the new ones; `OpenVault.refresh` is how an open vault takes over what others wrote.
 * Throws AntsError "locked" after 20 s (or `waitMs`), and what reading, `change` and writing throw.
 */
export async function updateVaultFile(
  path: string,
  change: (present: Uint8Array) => Uint8Array | Promise<Uint8Array>,
  options: UpdateVaultOptions = {},
): Promise<void> {
  // Before anything is made: no lock file beside a vault that is not there.
  await readVaultFile(path);
  const lock = await lockFile(`${path}.lock`, {
    label: options.label ?? "ants vault",
    waitMs: options.waitMs ?? LOCK_WAIT_MS,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  try {
    await writeVaultFile(path, await change(await readVaultFile(path)), { overwrite: true });
  } finally {
    await lock.release();
  }
}

/** The file must be ours alone: a regular file, by our own user, for our own user. */
function assertVault(path: string, found: Stats): void {
  if (found.isSymbolicLink()) throw symlink(path);
  if (!found.isFile()) {
    throw new AntsError("vault-not-file", `expected a file at ${path}, got a ${kindOf(found)}`, {
      hint: "check the path of the vault",
      details: { path },
    });
  }
  const user = process.geteuid?.();
  if (user !== undefined && found.uid !== user) {
    throw new AntsError("vault-owner", `refused ${path}: it belongs to user ${found.uid}, and this is user ${user}`, {
      hint: `run as its owner, or give it to this user: chown ${user} ${path}`,
      details: { path, owner: found.uid, user },
    });
  }
  if ((found.mode & FOREIGN_PERMISSIONS) !== 0) {
    const mode = (found.mode & 0o7777).toString(8).padStart(4, "0");
    throw new AntsError("vault-mode", `refused ${path}: its mode is ${mode}, others can get at it; expected 0600`, {
      hint: `chmod 600 ${path}, and change the passphrase if others may have read it (ants vault passwd)`,
      details: { path, mode },
    });
  }
  if (found.size > MAX_VAULT_BYTES) {
    throw new AntsError(
      "vault-format",
      `not a vault: ${path} has ${found.size} bytes, expected ${MAX_VAULT_BYTES} at most`,
    );
  }
}

async function whyNotOpened(path: string, error: unknown): Promise<AntsError> {
  if (hasErrno(error, "ENOENT")) {
    return new AntsError("vault-missing", `there is no vault at ${path}`, {
      hint: "an agent that exists: restore the vault from a copy, or bring it back with its 24 words: ants recover; a new agent: ants keygen",
      details: { path },
    });
  }
  if (hasErrno(error, "ELOOP", "EMLINK", "EFTYPE")) return symlink(path);
  // A socket cannot be opened, and another user's file not read: say which of these it is.
  const present = await lstatOf(path);
  if (present !== undefined) {
    try {
      assertVault(path, present);
    } catch (because) {
      if (because instanceof AntsError) return because;
    }
  }
  return diskError(error, "read", path);
}

async function lstatOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw diskError(error, "look at", path);
  }
}

function symlink(path: string): AntsError {
  return new AntsError(
    "vault-symlink",
    `refused ${path}: it is a symbolic link, and its target could be anybody's file`,
    {
      hint: "give the path of the file itself",
      details: { path },
    },
  );
}

function exists(path: string): AntsError {
  return new AntsError("vault-exists", `refused to overwrite ${path}: it may hold the only key of an agent`, {
    hint: "choose another path for a new agent; never delete a vault whose recovery phrase you do not have",
    details: { path },
  });
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return "folder";
  if (found.isFIFO()) return "pipe";
  if (found.isSocket()) return "socket";
  return "device";
}
