import { spawn } from "node:child_process";
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { pid } from "node:process";
import { AntsError } from "../errors.js";
import { type Clock, type DiskLock, systemClock } from "../ports.js";
import { diskError, hasErrno } from "./disk-error.js";

/**
 * One process per path, by the kernel's own flock(2), which ends with the process whatever ends it: there is no stale
 * lock to detect, and so no race in which two processes both take one over. (A lock file with a process id in it needs
 * such a takeover, ids are reused, and neither ids nor abstract sockets mean the same in two containers that share a
 * volume.) A flock belongs to the open file description: it holds across containers on one kernel.
 *
 * Node has no flock(). On Linux the descriptor is lent to flock(1) of util-linux or busybox, which locks the description
 * that it shares with us and exits; the lock stays until our own descriptor is closed. Node opens files close-on-exec,
 * so no other child ever holds it. On macOS and the BSDs open(2) locks by itself with O_EXLOCK (not exercised by this
 * project's tests). Elsewhere, and where no flock(1) is found, locking is refused rather than imitated.
 *
 * The file stays when the lock is released: removing it would let two processes lock two files of one name. Its text
 * says who holds the lock; it is for people, and decides nothing but how soon somebody is refused.
 */
export interface LockOptions {
  /** What the holder is, for whoever is refused: "ants up", "ants relay". */
  readonly label?: string;
  /** How long to wait for another holder before "locked" is thrown. 0 unless given. */
  readonly waitMs?: number;
  readonly clock?: Clock;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

/** Who holds a lock, as the lock file tells; nothing is known when the holder was about to write it. */
interface LockHolder {
  readonly pid?: number;
  /** ISO 8601 */
  readonly since?: string;
  readonly label?: string;
}

/** flock(1) with -n answers at once; slower than this means a file system that does not answer. */
const LOCK_TIMEOUT_MS = 10_000;
/** Between two looks at a lock that somebody else holds; a vault is rewritten in a few milliseconds. */
const LOCK_POLL_MS = 25;
/** Somebody who only looks may hold it for this long: see {@link lockHolder}. */
const GLANCE_MS = 250;
/** Somebody deletes the lock file each time we lock it: more often than this is no accident. */
const MAX_REPLACED_LOCK_FILES = 10;
/** More is no text of ours. */
const MAX_HOLDER_BYTES = 1_024;
/** <fcntl.h> of macOS and the BSDs; node:fs has no names for them. */
const O_SHLOCK = 0x10;
const O_EXLOCK = 0x20;

/**
 * Locks `path`, which is created (0600) when absent; its folder must exist. Throws AntsError "locked" with details
 * {path, pid, since, label}, "lock-unavailable" where the system offers no lock, or a disk error.
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<DiskLock> {
  const clock = options.clock ?? systemClock;
  const startMs = clock.monotonicMs();
  for (;;) {
    const descriptor = await tryLock(path);
    if (descriptor !== undefined) return held(path, descriptor, options.label ?? "ants", clock);
    // A process that is said to hold it and runs does; of one that is gone the line was left, and somebody only looks.
    const waitMs = Math.max(options.waitMs ?? 0, isRunning(holderOf(path).pid) ? 0 : GLANCE_MS);
    if (clock.monotonicMs() - startMs >= waitMs) throw locked(path);
    await clock.sleep(LOCK_POLL_MS, options.signal);
  }
}

/**
 * Who holds the lock, as the error that whoever wants it would get; undefined where nobody does. Takes nothing that keeps
 * others out for longer than {@link GLANCE_MS}, which everybody waits, and writes nothing.
 */
export async function lockHolder(path: string): Promise<AntsError | undefined> {
  const descriptor = await openLocked(path, "glance");
  if (descriptor === undefined) return locked(path);
  if (descriptor !== "missing") closeSync(descriptor);
  return undefined;
}

/** A locked descriptor of the file that now has this name, or undefined when somebody else holds the lock. */
async function tryLock(path: string): Promise<number | undefined> {
  for (let attempt = 0; attempt < MAX_REPLACED_LOCK_FILES; attempt++) {
    const descriptor = await openLocked(path, "hold");
    if (descriptor === undefined || descriptor === "missing") return undefined;
    if (isFileOf(path, descriptor)) return descriptor;
    // The file was removed between open and lock: what we hold has no name any more, others lock the new file.
    closeSync(descriptor);
  }
  throw new AntsError("lock-unavailable", `could not lock ${path}: the file keeps being replaced`, {
    hint: "find out what deletes or replaces the lock file, and stop it",
    details: { path },
  });
}

/** A locked descriptor; undefined where somebody else holds it. A glance is shared with other glances, and makes no file. */
async function openLocked(path: string, purpose: "hold" | "glance"): Promise<number | "missing" | undefined> {
  const access = purpose === "hold" ? constants.O_RDWR | constants.O_CREAT : constants.O_RDONLY;
  const flags = access | constants.O_NOFOLLOW;
  if (purpose === "glance" && statSync(path, { throwIfNoEntry: false }) === undefined) return "missing";
  switch (process.platform) {
    case "linux":
    case "android":
      return lockThroughChild(path, open(path, flags), purpose === "hold" ? "-x" : "-s");
    case "darwin":
    case "freebsd":
    case "openbsd":
      try {
        return openSync(path, flags | (purpose === "hold" ? O_EXLOCK : O_SHLOCK) | constants.O_NONBLOCK, 0o600);
      } catch (error) {
        if (hasErrno(error, "EAGAIN", "EWOULDBLOCK")) return undefined;
        throw diskError(error, "lock", path);
      }
    default:
      throw new AntsError("lock-unavailable", `could not lock ${path}: no safe lock is known on ${process.platform}`, {
        hint: "run it on Linux or macOS (Windows: in WSL)",
        details: { path, platform: process.platform },
      });
  }
}

function open(path: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw diskError(error, "open the lock file", path);
  }
}

async function lockThroughChild(path: string, descriptor: number, kind: "-x" | "-s"): Promise<number | undefined> {
  try {
    for (const command of ["flock", "/usr/bin/flock", "/bin/flock"]) {
      const outcome = await runFlock(command, descriptor, kind);
      if (outcome === "locked") return descriptor;
      if (outcome === "busy") {
        closeSync(descriptor);
        return undefined;
      }
      if (outcome !== "not-found") throw unavailable(path, outcome);
    }
    throw unavailable(path, "the command flock is not installed");
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** What flock(1) did with our descriptor, its number 3; any other text says what went wrong. */
function runFlock(
  command: string,
  descriptor: number,
  kind: "-x" | "-s",
): Promise<"locked" | "busy" | "not-found" | (string & {})> {
  return new Promise((resolve) => {
    const child = spawn(command, ["-n", kind, "3"], {
      stdio: ["ignore", "ignore", "pipe", descriptor],
      timeout: LOCK_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    let complaint = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(0, MAX_HOLDER_BYTES);
    });
    child.on("error", (error) => resolve(hasErrno(error, "ENOENT") ? "not-found" : error.message));
    child.on("close", (code, signal) => {
      // A refused lock is status 1 without a word, in util-linux and in busybox.
      if (code === 0) resolve("locked");
      else if (code === 1 && complaint === "") resolve("busy");
      else resolve(complaint.trim() || (signal === null ? `flock ended with ${code}` : `flock was ended by ${signal}`));
    });
  });
}

function unavailable(path: string, because: string): AntsError {
  return new AntsError("lock-unavailable", `could not lock ${path}: ${because}`, {
    hint: "install util-linux (or busybox), and keep the folder on a file system with flock(2)",
    details: { path },
  });
}

function isFileOf(path: string, descriptor: number): boolean {
  try {
    const named = statSync(path, { bigint: true });
    const opened = fstatSync(descriptor, { bigint: true });
    return named.ino === opened.ino && named.dev === opened.dev;
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return false;
    throw diskError(error, "look at the lock file", path);
  }
}

function held(path: string, descriptor: number, label: string, clock: Clock): DiskLock {
  try {
    const holder = { pid, since: new Date(clock.nowMs()).toISOString(), label } satisfies LockHolder;
    const line = new TextEncoder().encode(`${JSON.stringify(holder)}\n`);
    // Written before it is cut, so that a reader meets the old line or the new one, never an empty file.
    writeSync(descriptor, line, 0, line.length, 0);
    ftruncateSync(descriptor, line.length);
  } catch (error) {
    const failure = diskError(error, "write the lock file", path);
    // The lock holds without its text: a full disk must not keep a relay or an agent from starting to read.
    if (failure.code !== "disk-full") {
      closeSync(descriptor);
      throw failure;
    }
  }
  let released = false;
  return {
    release() {
      if (!released) {
        released = true;
        try {
          // Nobody is to be told of this process for the lock of somebody who only looks.
          ftruncateSync(descriptor, 0);
        } catch {
          // The text decides nothing but how soon somebody is refused.
        }
        closeSync(descriptor);
      }
      return Promise.resolve();
    },
  };
}

function locked(path: string): AntsError {
  const holder = holderOf(path);
  const who = [
    holder.label,
    holder.pid === undefined ? undefined : `process ${holder.pid}`,
    holder.since === undefined ? undefined : `since ${holder.since}`,
  ].filter((part) => part !== undefined);
  return new AntsError("locked", `${path} is locked by ${who.length === 0 ? "another process" : who.join(", ")}`, {
    hint:
      holder.pid === undefined
        ? "wait until it is done, or stop it"
        : `wait until it is done, or stop it (ps -p ${holder.pid} shows it)`,
    details: { path, ...holder },
  });
}

/** Whether this host has a process of this id, whoever it belongs to. */
function isRunning(id: number | undefined): boolean {
  if (id === undefined || id <= 0) return false;
  try {
    return process.kill(id, 0);
  } catch (error) {
    return hasErrno(error, "EPERM");
  }
}

/** What the lock file says about its holder; {} when it says nothing that makes sense. */
function holderOf(path: string): LockHolder {
  let said: unknown;
  try {
    const line = readFileSync(path, "utf8").slice(0, MAX_HOLDER_BYTES).split("\n", 1)[0] ?? "";
    said = JSON.parse(line);
  } catch {
    return {};
  }
  if (typeof said !== "object" || said === null) return {};
  const { pid: holderPid, since, label } = said as Record<string, unknown>;
  return {
    ...(Number.isSafeInteger(holderPid) ? { pid: holderPid as number } : {}),
    ...(typeof since === "string" ? { since } : {}),
    ...(typeof label === "string" ? { label } : {}),
  };
}
