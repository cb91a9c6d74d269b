import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AntsChild, ChildOptions } from "../demo/ants-child.js";
import type { SearchedDisk } from "./key-search.js";

/** A program that runs on a host of the drill. */
export type HostChild = Pick<
  AntsChild,
  "write" | "endInput" | "signal" | "pid" | "errors" | "ended" | "expectExit" | "failure"
>;

export interface RunOptions {
  /** How far the host's clock is off for this run. */
  readonly clockMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface StartOptions extends RunOptions {
  /** Another program of the drill than `ants`. */
  readonly program?: string;
}

/** What a host is made with. */
export interface HostSetting {
  /** A folder of this machine, which is the host's disk where it has none of its own. */
  readonly folder: string;
  readonly passphrase: string;
  /** How far its clock is off. */
  readonly clockMs: number;
}

/** What of a host may be given to another one. */
export type HostPart = "ants" | "vault.json";

/** A host that agents live on: an address, a user and a disk of its own, as far as the network can give them. */
export abstract class DrillHost {
  readonly name: string;
  /** Its disk, as its programs name it. */
  abstract readonly folder: string;
  readonly clockMs: number;

  constructor(name: string, clockMs: number) {
    this.name = name;
    this.clockMs = clockMs;
  }

  get home(): string {
    return join(this.folder, "ants");
  }

  get vault(): string {
    return join(this.folder, "vault.json");
  }

  get passphraseFile(): string {
    return join(this.folder, "passphrase");
  }

  /** Starts `ants`, or another program of the drill, on this host. */
  abstract start(args: readonly string[], onLine?: ChildOptions["onLine"], options?: StartOptions): HostChild;

  /** Its disk is gone. */
  abstract erase(): Promise<void>;

  /** Writes a file, by its name on the host's disk. */
  abstract put(name: string, bytes: Uint8Array | string): Promise<void>;

  abstract get(name: string): Promise<Buffer>;

  /** The names of the files of a folder of its disk, all the way down. */
  abstract names(folder: string): Promise<string[]>;

  /** Shows it a folder of this machine with all in it, and resolves with its path there. */
  abstract lend(folder: string): Promise<string>;

  /** Brings back what it wrote into a folder that was lent to it. */
  abstract takeBack(folder: string): Promise<void>;

  /** What a person or a standby has of another host, byte by byte, also while its owner is at work there. */
  abstract copyFrom(other: DrillHost, ...parts: readonly HostPart[]): Promise<void>;

  /** Searches its disk for keys in clear. */
  abstract search(keys: Readonly<Record<string, Uint8Array>>): Promise<SearchedDisk>;

  /** Nothing passes between it and the relays any more, and nobody is told. */
  abstract cut(): Promise<void>;

  abstract mend(): Promise<void>;

  /**
   * Call it while the host is cut off: resolves when the process there and a relay first hear of each other again, by
   * this process's monotonic clock, or when that process ended.
   */
  abstract contact(pid: number): Promise<number>;

  /** What its programs find in their environment. */
  protected settings({ clockMs = this.clockMs, env = {} }: RunOptions): Record<string, string> {
    return {
      HOME: this.folder,
      XDG_DATA_HOME: join(this.folder, "data"),
      ANTS_HOME: this.home,
      ANTS_VAULT: this.vault,
      ANTS_PASSPHRASE_FILE: this.passphraseFile,
      NODE_OPTIONS: `--import=${PRELOAD}`,
      DRILL_CLOCK_MS: String(clockMs),
      ...env,
    };
  }

  /** Runs `ants` to its end, which must be good, and resolves with what it printed; `--json` is read. */
  async run<T = unknown>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    const lines: string[] = [];
    const child = this.start([...args, "--json"], (line) => lines.push(line), options);
    child.endInput();
    await child.expectExit(0);
    return JSON.parse(lines.at(-1) ?? "null") as T;
  }

  /** Runs `ants` to its end, which must be a failure, and resolves with the code of its error. */
  async fails(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const child = this.start([...args, "--json"], () => {}, options);
    child.endInput();
    const { exit } = await child.ended;
    if (exit === 0 || exit === null) throw child.failure("was to fail, and did not");
    return (JSON.parse(child.errors.trim().split("\n").at(-1) ?? "{}") as { code?: string }).code ?? "none";
  }
}

/** The module that is loaded before the programs of a host. */
export const PRELOAD = new URL("./programs/host-conditions.js", import.meta.url).href;

export function programPath(name: string): string {
  return fileURLToPath(new URL(`./programs/${name}.js`, import.meta.url));
}
