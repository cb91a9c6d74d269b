import { concat } from "./bytes.js";

/** Time, injected so that tests and simulations own it. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch, integer. Advisory: it may jump and never decides anything. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. The one to measure durations with. */
  monotonicMs(): number;
  /** Resolves after `durationMs`; rejects with the signal's reason as soon as it aborts. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** Unpredictable bytes. Whoever injects another source than {@link systemRandom} makes predictable keys. */
export interface Random {
  bytes(length: number): Uint8Array;
}

/** A held lock. Releasing twice is harmless. The lock also ends with the process. */
export interface DiskLock {
  release(): Promise<void>;
}

/** The little of a file system that the project needs, with its durability spelled out. Paths are absolute. */
export interface Disk {
  /** The whole file, or undefined when there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Names (not paths) in a directory, sorted; [] when there is no such directory. */
  list(directory: string): Promise<string[]>;
  /** Appends; on disk (fdatasync) when resolved. Created with mode 0600 when absent, and then its folder is synced too. */
  append(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Atomic: a temporary file in the same folder, fsync, rename, fsync of the folder. A crash leaves the old file or the
   * new one; an error leaves no temporary file behind. Mode 0600 unless given.
   */
  replace(path: string, bytes: Uint8Array, options?: { mode?: number }): Promise<void>;
  /** Cuts the file to `size` bytes; on disk when resolved. */
  truncate(path: string, size: number): Promise<void>;
  /** Removes a file; no error when there is none. */
  remove(path: string): Promise<void>;
  /** Makes the directory and its parents, mode 0700. */
  mkdir(path: string): Promise<void>;
  /** Exclusive among all processes of this host. Throws AntsError "locked" with details {pid, since, label}. */
  lock(path: string): Promise<DiskLock>;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (durationMs, signal) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, durationMs);
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
};

/** WebCrypto refuses to fill more than this in one call. */
const MAX_RANDOM_BYTES_PER_CALL = 65_536;

/** The operating system's generator, through WebCrypto. */
export const systemRandom: Random = {
  bytes(length) {
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0; left -= MAX_RANDOM_BYTES_PER_CALL) {
      parts.push(crypto.getRandomValues(new Uint8Array(Math.min(left, MAX_RANDOM_BYTES_PER_CALL))));
    }
    return parts.length === 1 ? parts[0]! : concat(...parts);
  },
};
