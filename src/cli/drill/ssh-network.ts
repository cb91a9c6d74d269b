import { mkdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import { AntsError } from "../../../keys/errors.js";
import type { ChildOptions } from "../demo/ants-child.js";
import type { DrillNetwork, NetworkPlace, RelayAddress } from "./bed.js";
import { DrillHost, type HostChild, type HostPart, type HostSetting, type StartOptions } from "./drill-host.js";
import { HostConnection, type SshAddress, type SshSettings } from "./host-connection.js";
import { type SearchedDisk, searchDisks } from "./key-search.js";
import { livingEntries } from "./living-folder.js";

export interface GivenHosts {
  readonly a: SshAddress;
  readonly b: SshAddress;
  /** An address of this machine that the hosts reach: relays and the receiver listen there. */
  readonly listen: string;
  readonly ssh: SshSettings;
}

/** Throws AntsError "drill-network" where a host cannot be reached, or has no `ants` of this version. */
export async function checkHosts({ a, b, ssh }: GivenHosts): Promise<void> {
  for (const address of [a, b]) {
    await using _ = await HostConnection.open(address, ssh);
  }
}

/** Given hosts, reached by ssh; relays and the receiver are processes of this machine. */
export class SshNetwork implements DrillNetwork {
  readonly isolation = "hosts";
  readonly description = "given hosts, reached by ssh";
  readonly #given: GivenHosts;
  readonly #connections: HostConnection[] = [];

  constructor(given: GivenHosts) {
    this.#given = given;
  }

  async server(): Promise<NetworkPlace> {
    return { address: this.#given.listen, under: [] };
  }

  async host(name: string, _relays: readonly RelayAddress[], setting: HostSetting): Promise<DrillHost> {
    const { a, b, ssh } = this.#given;
    const connection = await HostConnection.open(name === "A" ? a : b, ssh);
    this.#connections.push(connection);
    const host = new SshHost(name, setting.clockMs, connection);
    await host.put("passphrase", `${setting.passphrase}\n`);
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection[Symbol.asyncDispose]()));
  }
}

/** A host behind a connection; its disk is a fresh folder there. */
class SshHost extends DrillHost {
  readonly #connection: HostConnection;

  constructor(name: string, clockMs: number, connection: HostConnection) {
    super(name, clockMs);
    this.#connection = connection;
  }

  get folder(): string {
    return this.#connection.folder;
  }

  start(args: readonly string[], onLine?: ChildOptions["onLine"], options: StartOptions = {}): HostChild {
    const { program } = options;
    const env = this.settings(options);
    return this.#connection.start({ args, env, ...(program === undefined ? {} : { program }) }, onLine);
  }

  async erase(): Promise<void> {
    await this.#connection.ask({ do: "erase" });
  }

  async put(name: string, bytes: Uint8Array | string): Promise<void> {
    await this.#connection.ask({ do: "put", name, bytes: Buffer.from(bytes).toString("base64") });
  }

  async get(name: string): Promise<Buffer> {
    const bytes = await this.#unlessGone(name);
    if (bytes === undefined) throw new AntsError("drill-network", `host ${this.name} has no ${name}`);
    return bytes;
  }

  async names(folder: string): Promise<string[]> {
    return [...((await this.#connection.ask({ do: "names", folder })) as readonly string[])];
  }

  async lend(folder: string): Promise<string> {
    for await (const entry of livingEntries(folder)) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) await this.put(join(basename(folder), relative(folder, path)), await readFile(path));
    }
    return join(this.folder, basename(folder));
  }

  async takeBack(folder: string): Promise<void> {
    await this.#bring(basename(folder), dirname(folder));
  }

  async copyFrom(other: DrillHost, ...parts: readonly HostPart[]): Promise<void> {
    for (const part of parts) {
      const names = part === "vault.json" ? [part] : await other.names(part);
      for (const name of names) {
        const bytes = other instanceof SshHost ? await other.#unlessGone(name) : await other.get(name);
        if (bytes !== undefined) await this.put(name, bytes);
      }
    }
  }

  async search(keys: Readonly<Record<string, Uint8Array>>): Promise<SearchedDisk> {
    const folder = await mkdtemp(join(tmpdir(), "ants-drill-search-"));
    try {
      await this.#bring(".", folder);
      return await searchDisks([folder], keys);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  cut(): Promise<void> {
    return Promise.reject(cannotCut());
  }

  mend(): Promise<void> {
    return Promise.reject(cannotCut());
  }

  contact(): Promise<number> {
    return Promise.reject(cannotCut());
  }

  /** Copies a folder of its disk to this machine. */
  async #bring(name: string, to: string): Promise<void> {
    for (const file of await this.names(name)) {
      const bytes = await this.#unlessGone(file);
      if (bytes === undefined) continue;
      const path = join(to, file);
      // The host says the names, and it shall write nothing elsewhere on this machine.
      if (isAbsolute(file) || relative(to, path).startsWith("..")) throw strangeName(this.name, file);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(path, bytes, { mode: 0o600 });
    }
  }

  async #unlessGone(name: string): Promise<Buffer | undefined> {
    const bytes = (await this.#connection.ask({ do: "get", name })) as string | null;
    return bytes === null ? undefined : Buffer.from(bytes, "base64");
  }
}

function cannotCut(): AntsError {
  return new AntsError("drill-network", "the network of given hosts is not the drill's to cut");
}

function strangeName(host: string, file: string): AntsError {
  return new AntsError("drill-network", `host ${host} names a file outside of its folder: ${JSON.stringify(file)}`);
}
