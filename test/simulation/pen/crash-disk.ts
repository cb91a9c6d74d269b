import { AntsError } from "../../../keys/errors.js";
import type { Disk } from "../../../keys/ports.js";
import type { SimClock } from "../sim-clock.js";
import type { SimRandom } from "../sim-random.js";
import type { SimProcess } from "./sim-process.js";

/** A write that was begun and is not on the medium yet: a crash leaves a part of it, or nothing. */
interface UnsyncedWrite {
  readonly kind: "append" | "replace";
  readonly path: string;
  readonly bytes: Uint8Array;
}

const NONE = new Uint8Array(0);

/**
 * A disk that forgets: what a write was not awaited for is lost in a crash, whole or in part. The medium outlives
 * processes; {@link mount} gives one process its view of it.
 */
export class CrashDisk {
  readonly files: Map<string, Uint8Array>;
  readonly #clock: SimClock;
  readonly #random: SimRandom;
  #unsynced: UnsyncedWrite[] = [];
  /** Every line that is on the medium, for whoever checks that nothing was sent before. */
  #lines: Set<string> | undefined;
  /** Set: writes fail with this code, after part of them may have reached the medium. */
  failing: string | undefined;
  /** A write takes at most this long. */
  maxWriteMs = 8;
  /** A read takes so long; what is read lies in memory, mostly. */
  readMs = 0;

  constructor(clock: SimClock, random: SimRandom, files: Iterable<readonly [string, Uint8Array]> = []) {
    this.#clock = clock;
    this.#random = random;
    this.files = new Map([...files].map(([path, bytes]) => [path, bytes.slice()]));
  }

  /** Whether this exact line is on the medium. */
  has(line: string): boolean {
    if (this.#lines === undefined) {
      this.#lines = new Set();
      for (const bytes of this.files.values()) this.#remember(bytes);
    }
    return this.#lines.has(line);
  }

  /** A copy of what is on the medium now, as a backup or a cloned machine has it. */
  copy(): CrashDisk {
    return new CrashDisk(this.#clock, this.#random, this.files);
  }

  /** The power fails: of every write under way a part may be there, the last line torn. Returns how many there were. */
  crash(): number {
    const unsynced = this.#unsynced;
    this.#unsynced = [];
    for (const { kind, path, bytes } of unsynced) {
      const fate = this.#random.next();
      if (kind === "replace") {
        if (fate < 0.5) this.#set(path, bytes);
      } else if (fate < 0.6) {
        this.#add(path, bytes.subarray(0, Math.floor(this.#random.next() * (bytes.length + 1))));
      }
    }
    return unsynced.length;
  }

  /** The medium loses the end of a file, in the middle of a line or not. */
  loseEnd(path: string, share: number): void {
    const bytes = this.files.get(path) ?? NONE;
    this.#set(path, bytes.slice(0, Math.floor(bytes.length * (1 - share))));
  }

  /** The medium loses bytes in the middle of a file. */
  damage(path: string, share: number): void {
    const bytes = (this.files.get(path) ?? NONE).slice();
    bytes.fill(0, Math.floor(bytes.length * share), Math.floor(bytes.length * share) + 16);
    this.#set(path, bytes);
  }

  remove(path: string): void {
    this.files.delete(path);
    this.#lines = undefined;
  }

  put(path: string, bytes: Uint8Array): void {
    this.#set(path, bytes.slice());
  }

  /** The disk as one process sees it. */
  mount(process: SimProcess): Disk {
    return {
      read: async (path) => {
        if (this.readMs > 0) await process.clock.sleep(this.readMs);
        return this.files.get(path)?.slice();
      },
      list: async (folder) => {
        const prefix = `${folder}/`;
        const names = [...this.files.keys()].filter((path) => path.startsWith(prefix));
        return [...new Set(names.map((path) => path.slice(prefix.length).split("/")[0]!))].sort();
      },
      append: (path, bytes) => this.#write(process, { kind: "append", path, bytes: bytes.slice() }),
      replace: (path, bytes) => this.#write(process, { kind: "replace", path, bytes: bytes.slice() }),
      truncate: async (path, size) => this.#set(path, (this.files.get(path) ?? NONE).slice(0, size)),
      remove: async (path) => this.remove(path),
      mkdir: async () => undefined,
      lock: async () => ({ release: async () => undefined }),
    };
  }

  #write(process: SimProcess, write: UnsyncedWrite): Promise<void> {
    return new Promise((resolve, reject) => {
      if (process.isDead) return;
      this.#unsynced.push(write);
      this.#clock.at(this.#random.next() * this.maxWriteMs, () => {
        const i = this.#unsynced.indexOf(write);
        // A crash came first.
        if (i < 0) return;
        this.#unsynced.splice(i, 1);
        const { failing } = this;
        if (failing !== undefined) {
          process.deliver(() => reject(new AntsError(failing, "the simulated disk is full")));
          return;
        }
        if (write.kind === "append") this.#add(write.path, write.bytes);
        else this.#set(write.path, write.bytes);
        process.deliver(resolve);
      });
    });
  }

  #add(path: string, bytes: Uint8Array): void {
    const before = this.files.get(path) ?? NONE;
    const after = new Uint8Array(before.length + bytes.length);
    after.set(before);
    after.set(bytes, before.length);
    this.files.set(path, after);
    if (this.#lines !== undefined) this.#remember(bytes);
  }

  #set(path: string, bytes: Uint8Array): void {
    this.files.set(path, bytes);
    this.#lines = undefined;
  }

  #remember(bytes: Uint8Array): void {
    for (const line of linesOf(bytes)) this.#lines?.add(line);
  }
}

/** The lines of some bytes, as keys: byte for byte. */
export function linesOf(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  return text.split("\n").filter((line) => line !== "");
}
