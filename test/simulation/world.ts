import { hex, utf8 } from "../../keys/bytes.js";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { createIdentity } from "../../keys/identity/create.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { ChainStore } from "../../src/client/chain-store.js";
import type { ConnectionOptions } from "../../src/client/connection.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import { Outbox } from "../../src/client/outbox.js";
import type { PenContext } from "../../src/client/pen-context.js";
import type { ClientPorts } from "../../src/client/ports.js";
import { RelayPool } from "../../src/client/relay-pool.js";
import { Acceptor } from "./acceptor.js";
import { SimClock } from "./sim-clock.js";
import { SimDisk } from "./sim-disk.js";
import { SimNetwork } from "./sim-network.js";
import { SimRandom } from "./sim-random.js";

/** One process of the agent: its disk, what it knows, its connections. */
export interface SimInstance {
  readonly context: PenContext;
  readonly disk: SimDisk;
  readonly relays: RelayPool;
  /** Ends it as kill -9 does: connections break, nothing is written any more. */
  kill(): Promise<void>;
}

export interface WorldOptions {
  readonly seed?: number;
  /** How many relays the genesis names. Default 3. */
  readonly relays?: number;
  readonly faults?: number;
  readonly connection?: ConnectionOptions;
}

const FOLDER = "/home/agent/.ants";

/** A simulated world: one agent, some relays, a clock that waits for nobody. */
export class World {
  readonly clock = new SimClock();
  readonly random: SimRandom;
  readonly network = new SimNetwork(this.clock);
  readonly acceptors: Acceptor[] = [];
  readonly signSeed: Uint8Array;
  /** Of the recovery key that the genesis commits to. */
  readonly recoverySeed: Uint8Array;
  readonly genesis: ParsedOperation;
  readonly ports: ClientPorts;
  readonly #connection: ConnectionOptions;

  constructor(options: WorldOptions = {}) {
    this.random = new SimRandom(options.seed ?? 1);
    this.#connection = options.connection ?? {};
    for (let i = 0; i < (options.relays ?? 3); i++) this.addRelay();
    this.signSeed = this.random.bytes(32);
    const agree = this.random.bytes(32);
    this.recoverySeed = this.random.bytes(32);
    this.genesis = createIdentity({
      signSeeds: [this.signSeed],
      agree,
      recoveryKeys: [publicKeyFromSeed(this.recoverySeed)],
      escrow: this.random.bytes(32),
      relays: this.acceptors.map(({ address }) => address),
      faults: options.faults ?? 0,
      timeMs: this.clock.nowMs(),
    }).parsed;
    this.ports = {
      clock: this.clock,
      random: this.random,
      dial: this.network.dial,
      get: async (url) => {
        const { host, pathname, search } = new URL(url);
        const proof = this.acceptors.find((acceptor) => new URL(acceptor.url).host === host)?.proof(pathname + search);
        if (proof === undefined) throw new AntsError("relay-unreachable", `there is no HTTP here: ${url}`);
        return { status: 200, body: utf8(JSON.stringify(proof)) };
      },
    };
  }

  get did(): ParsedOperation["did"] {
    return this.genesis.did;
  }

  /** One more relay, which nobody has named yet. */
  addRelay(): Acceptor {
    const name = String.fromCharCode(97 + this.acceptors.length);
    const acceptor = new Acceptor({ url: `ws://${name}.example:7777`, clock: this.clock, random: this.random });
    this.acceptors.push(acceptor);
    this.network.listen(acceptor.url, acceptor.accept);
    return acceptor;
  }

  /** Puts another relay in a relay's place: the same address. */
  replaceRelay(i: number, acceptor: Acceptor): void {
    this.network.cut(acceptor.url);
    this.acceptors[i] = acceptor;
    this.network.listen(acceptor.url, acceptor.accept);
  }

  /** Starts a process of the agent on a disk. */
  async start(options: Partial<PenContext> & { disk?: SimDisk } = {}): Promise<SimInstance> {
    const { disk = new SimDisk(), ...overrides } = options;
    const identity = overrides.identity ?? new IdentityLog(this.did, [this.genesis]);
    const chain = await ChainStore.open({ disk, folder: `${FOLDER}/chain`, did: this.did, keys: identity });
    const outbox = await Outbox.open(disk, `${FOLDER}/outbox`, this.clock);
    const relays = new RelayPool(this.ports, this.#connection);
    const context: PenContext = {
      did: this.did,
      seed: this.signSeed,
      instance: hex(this.random.bytes(8)),
      label: "test",
      identity,
      chain,
      outbox,
      relays,
      ports: this.ports,
      earlierInstances: new Set(),
      madeGenesis: true,
      identityGrew: () => Promise.resolve(),
      ...overrides,
    };
    const kill = async () => {
      disk.failing = "disk-failed";
      await relays.close();
    };
    return { context, disk, relays, kill };
  }
}
