import { AntsError } from "../../keys/errors.js";
import type { Disk, DiskLock } from "../../keys/ports.js";

/** A disk in memory. What is awaited is durable; {@link failing} makes every later write fail. */
export class SimDisk implements Disk {
  readonly files = new Map<string, Uint8Array>();
  readonly #locks: Set<string>;
  /** Set: every write fails with this code. */
  failing: string | undefined;
  /** Appends so far; each stands for one fdatasync. */
  appends = 0;
  /** Called before each append takes effect; may wait. */
  beforeAppend: (path: string) => Promise<void> = () => Promise.resolve();

  constructor(files: Iterable<readonly [string, Uint8Array]> = [], locks = new Set<string>()) {
    for (const [path, bytes] of files) this.files.set(path, bytes.slice());
    this.#locks = locks;
  }

  /** What another process of the same host finds after this one was killed: the same files, no locks. */
  afterCrash(): SimDisk {
    return new SimDisk(this.files);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return this.files.get(path)?.slice();
  }

  async list(directory: string): Promise<string[]> {
    const prefix = `${directory}/`;
    const names = [...this.files.keys()].filter((path) => path.startsWith(prefix));
    return [...new Set(names.map((path) => path.slice(prefix.length).split("/")[0]!))].sort();
  }

  async append(path: string, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    await this.beforeAppend(path);
    this.#writable();
    this.appends += 1;
    const before = this.files.get(path) ?? new Uint8Array(0);
    const after = new Uint8Array(before.length + copy.length);
    after.set(before);
    after.set(copy, before.length);
    this.files.set(path, after);
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.#writable();
    this.files.set(path, bytes.slice());
  }

  async truncate(path: string, size: number): Promise<void> {
    this.#writable();
    this.files.set(path, (this.files.get(path) ?? new Uint8Array(0)).slice(0, size));
  }

  async remove(path: string): Promise<void> {
    this.#writable();
    this.files.delete(path);
  }

  async mkdir(_path?: string): Promise<void> {
    this.#writable();
  }

  async lock(path: string): Promise<DiskLock> {
    if (this.#locks.has(path)) throw new AntsError("locked", `${path} is locked`, { details: { path, pid: 1 } });
    this.#locks.add(path);
    return {
      release: async () => {
        this.#locks.delete(path);
      },
    };
  }

  #writable(): void {
    if (this.failing !== undefined) throw new AntsError(this.failing, "the simulated disk fails");
  }
}
