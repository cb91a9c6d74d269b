import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AntsChild } from "../demo/ants-child.js";
import type { Company } from "../demo/company.js";
import { type DrillHost, type HostSetting, programPath } from "./drill-host.js";

/** How hosts and relays are kept apart. */
export type Isolation = "processes" | "namespaces" | "hosts";

/** The network that a bed's relays and hosts are on. */
export interface DrillNetwork extends AsyncDisposable {
  readonly isolation: Isolation;
  /** One sentence for people. */
  readonly description: string;
  /** A place for a relay or the receiver, which is not partitioned by itself. */
  server(name: string): Promise<NetworkPlace>;
  /** A host that agents live on; `relays` are the addresses that {@link HostPlace.cut} takes from it. */
  host(name: string, relays: readonly RelayAddress[], setting: HostSetting): Promise<DrillHost>;
}

export interface RelayAddress {
  readonly host: string;
  readonly port: number;
}

export interface NetworkPlace {
  /** Where it listens: an IPv4 address. */
  readonly address: string;
  /** The command that programs run under there. */
  readonly under: readonly string[];
}

/** A relay of the drill: a process of its own that can be killed, started again, and lose its data. */
export class DrillRelay {
  readonly name: string;
  readonly #place: NetworkPlace;
  readonly folder: string;
  readonly #company: Company;
  #child: AntsChild | undefined;
  #port = 0;

  constructor(name: string, folder: string, place: NetworkPlace, company: Company) {
    this.name = name;
    this.folder = join(folder, name);
    this.#place = place;
    this.#company = company;
  }

  get address(): RelayAddress {
    return { host: this.#place.address, port: this.#port };
  }

  get url(): string {
    return `ws://${this.#place.address}:${this.#port}`;
  }

  /** Its incarnation, once it runs. */
  stream = "";

  async start(): Promise<void> {
    const listen = ["--host", this.#place.address, "--port", String(this.#port)];
    const quiet = [
      "--log-level",
      "error",
      "--name",
      this.name,
      "--entries-per-second",
      "0",
      "--new-dids-per-hour",
      "0",
    ];
    const args = ["relay", "--json", ...listen, "--data", this.folder, ...quiet];
    const { url, stream } = await new Promise<{ url: string; stream: string }>((resolve, reject) => {
      const child = this.#company.start(args, (line) => resolve(JSON.parse(line)), { under: this.#place.under });
      this.#child = child;
      child.ended.then(() => reject(child.failure("ended before it was ready")), reject);
    });
    this.#port = Number(new URL(url).port);
    this.stream = stream;
  }

  /** SIGKILL: no goodbye, no flush. */
  async kill(): Promise<void> {
    this.#child?.signal("SIGKILL");
    await this.#child?.ended;
  }

  /** The disk is gone; it begins anew at the same address, as another incarnation. */
  async rebuildEmpty(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    await this.start();
  }
}

/** A number that the receiver was called for. */
export interface Call {
  readonly agent: string;
  readonly n: number;
  readonly key: string;
  readonly host: string;
  /** It had this key before. */
  readonly again: boolean;
}

/** Where the agents' effects arrive. */
export class DrillReceiver {
  readonly url: string;
  readonly #file: string;
  readonly #child: AntsChild;
  readonly #swallowed: Set<(agent: string) => void>;

  private constructor(url: string, file: string, child: AntsChild, swallowed: Set<(agent: string) => void>) {
    this.url = url;
    this.#file = file;
    this.#child = child;
    this.#swallowed = swallowed;
  }

  static async start(folder: string, place: NetworkPlace, company: Company): Promise<DrillReceiver> {
    mkdirSync(join(folder, "receiver"), { recursive: true });
    const file = join(folder, "receiver", "calls.ndjson");
    const swallowed = new Set<(agent: string) => void>();
    return new Promise((resolve, reject) => {
      const child = company.start(
        [file, place.address],
        (line) => {
          const said = JSON.parse(line) as { url?: string; agent?: string };
          if (said.url !== undefined) resolve(new DrillReceiver(said.url, file, child, swallowed));
          else for (const tell of swallowed) tell(said.agent!);
        },
        { program: programPath("receiver"), under: place.under },
      );
      child.ended.then(() => reject(child.failure("ended")), reject);
    });
  }

  /** Everything it was called for by this agent, in order. */
  async calls(did: string): Promise<Call[]> {
    const lines = (await readFile(this.#file, "utf8")).split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Call).filter(({ agent }) => agent === did);
  }

  async stop(): Promise<void> {
    this.#child.signal("SIGKILL");
    await this.#child.ended;
  }

  /** The agent's next number is noted and never answered; resolves when that has happened. */
  async swallowNext(did: string): Promise<void> {
    const done = new Promise<void>((resolve) => {
      const tell = (agent: string) => {
        if (agent !== did) return;
        this.#swallowed.delete(tell);
        resolve();
      };
      this.#swallowed.add(tell);
    });
    await this.#child.write(`swallow ${did}\n`);
    await done;
  }
}

/** Three relays and a receiver on a network of their own. */
export class DrillBed {
  readonly network: DrillNetwork;
  readonly folder: string;
  readonly company: Company;
  readonly relays: readonly DrillRelay[];
  readonly receiver: DrillReceiver;

  private constructor(
    network: DrillNetwork,
    folder: string,
    company: Company,
    relays: readonly DrillRelay[],
    receiver: DrillReceiver,
  ) {
    this.network = network;
    this.folder = folder;
    this.company = company;
    this.relays = relays;
    this.receiver = receiver;
  }

  static async start(network: DrillNetwork, folder: string, company: Company): Promise<DrillBed> {
    mkdirSync(folder, { recursive: true });
    // Hosts of other users lie in it; each of them is closed itself.
    chmodSync(folder, 0o711);
    const relays: DrillRelay[] = [];
    for (const n of [1, 2, 3]) {
      const name = `relay-${n}`;
      relays.push(new DrillRelay(name, folder, await network.server(name), company));
    }
    const starting = Promise.all(relays.map((relay) => relay.start()));
    const [receiver] = await Promise.all([
      DrillReceiver.start(folder, await network.server("receiver"), company),
      starting,
    ]);
    return new DrillBed(network, folder, company, relays, receiver);
  }

  /** Where relays and receiver write. */
  get disks(): string[] {
    return [...this.relays.map(({ folder }) => folder), join(this.folder, "receiver")];
  }

  /** Ends relays and receiver. */
  async stop(): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay.kill()));
    await this.receiver.stop();
  }
}
