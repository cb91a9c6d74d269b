import { mkdirSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { AntsChild, ChildOptions } from "../demo/ants-child.js";
import type { Company } from "../demo/company.js";
import type { NetworkPlace } from "./bed.js";
import { DrillHost, type HostPart, type HostSetting, programPath, type StartOptions } from "./drill-host.js";
import { type SearchedDisk, searchDisks } from "./key-search.js";
import { copyLiving, livingEntries } from "./living-folder.js";

/** Where on this machine a host is. */
export interface HostPlace extends NetworkPlace {
  readonly env: Readonly<Record<string, string>>;
  /** Gives a folder, with all in it, to the host's user. */
  own(path: string): Promise<void>;
  cut(): Promise<void>;
  mend(): Promise<void>;
  contact(pid: number): Promise<number>;
}

/** A host that is a folder and processes of this machine. */
export class LocalHost extends DrillHost {
  readonly folder: string;
  readonly #place: HostPlace;
  readonly #company: Company;

  private constructor(name: string, { folder, clockMs }: HostSetting, place: HostPlace, company: Company) {
    super(name, clockMs);
    this.folder = folder;
    this.#place = place;
    this.#company = company;
  }

  static async make(name: string, setting: HostSetting, place: HostPlace, company: Company): Promise<LocalHost> {
    mkdirSync(setting.folder, { recursive: true, mode: 0o700 });
    const host = new LocalHost(name, setting, place, company);
    await host.put("passphrase", `${setting.passphrase}\n`);
    return host;
  }

  start(args: readonly string[], onLine?: ChildOptions["onLine"], options: StartOptions = {}): AntsChild {
    const { program } = options;
    return this.#company.start(args, onLine, {
      env: { ...this.#place.env, ...this.settings(options) },
      under: this.#place.under,
      ...(program === undefined ? {} : { program: programPath(program) }),
    });
  }

  async erase(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async put(name: string, bytes: Uint8Array | string): Promise<void> {
    const path = join(this.folder, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, bytes, { mode: 0o600 });
    await this.#place.own(this.folder);
  }

  get(name: string): Promise<Buffer> {
    return readFile(join(this.folder, name));
  }

  async names(folder: string): Promise<string[]> {
    const names: string[] = [];
    for await (const entry of livingEntries(join(this.folder, folder)))
      if (entry.isFile()) names.push(relative(this.folder, join(entry.parentPath, entry.name)));
    return names;
  }

  async lend(folder: string): Promise<string> {
    await this.#place.own(folder);
    return folder;
  }

  async takeBack(): Promise<void> {}

  async copyFrom(other: DrillHost, ...parts: readonly HostPart[]): Promise<void> {
    if (parts.includes("ants")) await copyLiving(other.home, this.home);
    if (parts.includes("vault.json")) await copyFile(other.vault, this.vault);
    await this.#place.own(this.folder);
  }

  search(keys: Readonly<Record<string, Uint8Array>>): Promise<SearchedDisk> {
    return searchDisks([this.folder], keys);
  }

  cut(): Promise<void> {
    return this.#place.cut();
  }

  mend(): Promise<void> {
    return this.#place.mend();
  }

  contact(pid: number): Promise<number> {
    return this.#place.contact(pid);
  }
}
