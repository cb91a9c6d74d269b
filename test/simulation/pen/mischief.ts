import { hex } from "../../../keys/bytes.js";
import { AntsError } from "../../../keys/errors.js";
import type { RelaySet } from "../../../keys/identity/relay-set.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { CHAIN_FOLDER, type Host, type Instance } from "./instance.js";
import type { PenWorld } from "./pen-world.js";
import type { SimRelay } from "./sim-relay.js";
import { Thief } from "./thief.js";

/** What may go wrong in a run; a run has some of these. */
export type Fault =
  | "hand-over"
  | "kill"
  | "pause"
  | "second-home"
  | "clone-disk"
  | "clone-process"
  | "restore"
  | "disk-full"
  | "disk-loses"
  | "cut"
  | "partition"
  | "replay"
  | "mirror"
  | "relay-crash"
  | "relay-rebuild"
  | "relay-change"
  | "interrupt"
  | "theft"
  | "rotate";

/** How often each is chosen, among those that a run has. */
const WEIGHTS: Readonly<Record<Fault, number>> = {
  "hand-over": 5,
  kill: 10,
  pause: 8,
  "second-home": 3,
  "clone-disk": 6,
  "clone-process": 4,
  restore: 6,
  "disk-full": 2,
  "disk-loses": 4,
  cut: 12,
  partition: 8,
  replay: 12,
  mirror: 8,
  "relay-crash": 10,
  "relay-rebuild": 3,
  "relay-change": 8,
  interrupt: 2,
  theft: 6,
  rotate: 3,
};

/** The instances that run at the same time are few: what three do to each other, four do as well. */
const MAX_ALIVE = 4;
/** A machine more costs a run time, and shows nothing that these don't. */
const MAX_HOSTS = 9;

export const FAULTS = Object.keys(WEIGHTS) as Fault[];

/** Does one thing after another to a world, drawn from its random source. */
export class Mischief {
  readonly #world: PenWorld;
  readonly #faults: readonly Fault[];
  /** Relay sets that the agent may move through, in this order: which relays, and how many may lie. */
  readonly #sets: readonly { readonly relays: readonly SimRelay[]; readonly faults: number }[];
  /** How many relays may be rebuilt before a quorum is gone. */
  #rebuildsLeft: number;
  #nextSet = 1;
  /** Nothing more is to go wrong. */
  isOver = false;
  /** The key that somebody has besides the owner. */
  #stolen: Uint8Array | undefined;

  constructor(
    world: PenWorld,
    faults: readonly Fault[],
    sets: readonly { readonly relays: readonly SimRelay[]; readonly faults: number }[],
    rebuilds: number,
  ) {
    this.#world = world;
    this.#faults = faults;
    this.#sets = sets;
    this.#rebuildsLeft = rebuilds;
  }

  get isStolen(): boolean {
    return this.#stolen === this.#world.seed;
  }

  /** The set that the agent was last asked to move to. */
  get set(): { readonly relays: readonly SimRelay[]; readonly faults: number } {
    return this.#sets[(this.#nextSet - 1) % this.#sets.length]!;
  }

  /** Whoever lies at idle, and whatever runs nowhere: starts the agent where it can. */
  restart(): void {
    const { alive, random, hosts } = this.#world;
    if (alive.length >= MAX_ALIVE || (alive.length > 0 && random.next() < 0.7)) return;
    const idle = hosts.filter(({ running }) => running === undefined || running.state === "ended");
    if (idle.length > 0) this.#start(this.#world.pick(idle));
  }

  /** One more thing goes wrong. */
  act(): void {
    let left = this.#faults.reduce((sum, fault) => sum + WEIGHTS[fault], 0) * this.#world.random.next();
    for (const fault of this.#faults) {
      left -= WEIGHTS[fault];
      if (left > 0) continue;
      if (this.#do(fault)) this.#world.checker.count(fault);
      return;
    }
  }

  #do(fault: Fault): boolean {
    switch (fault) {
      case "hand-over":
        return this.#handOver();
      case "kill":
        return this.#withAlive((instance) => this.#world.kill(instance));
      case "pause":
        return this.#pauseOrWake();
      case "second-home":
        return this.#addHost(() => this.#world.addHost({ madeGenesis: false }));
      case "clone-disk":
        return this.#cloneDisk();
      case "clone-process":
        return this.#cloneProcess();
      case "restore":
        return this.#snapshotOrRestore();
      case "disk-full":
        return this.#withAlive(({ disk }) => {
          disk.failing = "disk-full";
          this.#world.clock.at(3_000, () => {
            disk.failing = undefined;
          });
        });
      case "disk-loses":
        return this.#loseChain();
      case "cut":
        return this.#cut();
      case "partition":
        return this.#partition();
      case "replay":
        return this.#replay();
      case "mirror":
        return this.#mirror();
      case "relay-crash":
        return this.#crashRelay();
      case "relay-rebuild":
        return this.#rebuildRelay();
      case "relay-change":
        return this.#changeRelays();
      case "interrupt":
        return this.#withAlive(({ interrupt }) => interrupt.abort(new AntsError("interrupted", "somebody pressed ^C")));
      case "theft":
        return this.#steal();
      case "rotate":
        return this.#rotate();
    }
  }

  /**
   * The holder is asked to hand over to a start on another machine. Sometimes the hand-over is used again, by the instance
   * that it names or by another.
   */
  #handOver(): boolean {
    const { alive, hosts, random, clock } = this.#world;
    const holder = alive.find(({ state, wishes }) => state === "holding" && wishes.length === 0);
    if (holder === undefined || hosts.length >= MAX_HOSTS) return false;
    const host = this.#world.addHost({ madeGenesis: false });
    const instance = hex(random.bytes(8));
    const startWith = (event: string, id: string) => {
      if (this.isOver || host.running?.process.isPaused === true) return;
      if (host.running !== undefined) this.#world.kill(host.running);
      this.#world.start(host, { id, acquire: { handover: { event, instance }, timeoutMs: 20_000 } });
    };
    const next = (event: string) => {
      clock.at(random.next() * 2_000, () => startWith(event, instance));
      if (random.next() < 0.3) clock.at(random.next() * 9_000, () => startWith(event, instance));
      if (random.next() < 0.1) clock.at(random.next() * 9_000, () => startWith(event, hex(random.bytes(8))));
    };
    holder.wishes.push({ kind: "hand-over", instance, next });
    return true;
  }

  #start(host: Host): Instance {
    // The owner has brought the new key to some of the machines.
    if (host.seed !== this.#world.seed && this.#world.random.next() < 0.6) this.#world.bringVault(host);
    return this.#world.start(host);
  }

  #withAlive(act: (instance: Instance) => void): boolean {
    const { alive } = this.#world;
    if (alive.length === 0) return false;
    act(this.#world.pick(alive));
    return true;
  }

  #addHost(add: () => Host): boolean {
    if (this.#world.alive.length >= MAX_ALIVE || this.#world.hosts.length >= MAX_HOSTS) return false;
    this.#start(add());
    return true;
  }

  #pauseOrWake(): boolean {
    return this.#withAlive(({ process, name }) => {
      const { random, clock, trace } = this.#world;
      if (process.isPaused) {
        process.resume();
        return;
      }
      process.pause();
      trace(() => `${name} is paused`);
      clock.at(random.next() * 90_000, () => process.resume());
    });
  }

  #cloneDisk(): boolean {
    const { hosts } = this.#world;
    const { disk, seed, madeGenesis } = this.#world.pick(hosts);
    return this.#addHost(() => this.#world.addHost({ disk: disk.copy(), seed, madeGenesis }));
  }

  #cloneProcess(): boolean {
    const { alive, hosts } = this.#world;
    const like = alive.find(({ state }) => state === "holding" || state === "claiming");
    if (like === undefined || alive.length >= MAX_ALIVE || hosts.length >= MAX_HOSTS) return false;
    const { seed, madeGenesis } = like.options.host;
    const host = this.#world.addHost({ disk: like.disk.copy(), seed, madeGenesis });
    this.#world.start(host, { like });
    return true;
  }

  #snapshotOrRestore(): boolean {
    const { snapshots, hosts, random, trace } = this.#world;
    if (snapshots.length === 0 || random.next() < 0.5) {
      const host = this.#world.pick(hosts);
      snapshots.push({ disk: host.disk.copy(), seed: host.seed, host });
      return false;
    }
    const { disk, seed, host } = this.#world.pick(snapshots);
    if (host.running !== undefined) this.#world.kill(host.running);
    host.disk = disk.copy();
    host.seed = seed;
    trace(() => `${host.name} gets an old disk`);
    if (this.#world.alive.length < MAX_ALIVE) this.#start(host);
    return true;
  }

  /** Part of a chain is gone: its end, or something in the middle. */
  #loseChain(): boolean {
    const { random, trace } = this.#world;
    const host = this.#world.pick(this.#world.hosts);
    const path = [...host.disk.files.keys()].find((name) => name.startsWith(CHAIN_FOLDER));
    if (path === undefined) return false;
    if (host.running !== undefined) this.#world.kill(host.running);
    trace(() => `${host.name} loses part of its chain`);
    const fate = random.next();
    if (fate < 0.5) host.disk.loseEnd(path, random.next());
    else if (fate < 0.8) host.disk.damage(path, random.next());
    else host.disk.remove(path);
    return true;
  }

  #cut(): boolean {
    const { random, wire } = this.#world;
    const relay = this.#world.pick(this.#world.relays);
    const all = random.next() < 0.3;
    return wire.cut((_process, url) => all || url === relay.url) > 0;
  }

  #partition(): boolean {
    const { wire, hosts, relays, alive, random, clock, trace } = this.#world;
    const holder = alive.find(({ state }) => state === "holding");
    let host = this.#world.pick(hosts);
    if (holder !== undefined && random.next() < 0.4) {
      // One relay gets a long tail that nobody commits.
      host = holder.options.host;
      const kept = this.#world.pick(this.set.relays);
      for (const { url } of relays) if (url !== kept.url) wire.block(host.name, url);
      holder.wishes.push({ kind: "burst" });
    } else for (const { url } of relays) if (random.next() < 0.5) wire.block(host.name, url);
    trace(
      () =>
        `${host.name} is cut off from ${relays.filter(({ url }) => wire.isBlocked(host.name, url)).map(({ name }) => name)}`,
    );
    clock.at(random.next() * 40_000, () => wire.unblock());
    return true;
  }

  /** A frame that was on the wire once arrives again, whenever. */
  #replay(): boolean {
    const { recorded, trace } = this.#world;
    if (recorded.length === 0) return false;
    const { url, frame } = this.#world.pick(recorded);
    const relay = this.#world.relayAt(url)!;
    if (!relay.isUp) return false;
    trace(() => `${relay.name} gets a frame again`);
    relay.post(frame);
    return true;
  }

  /** Somebody carries events from one relay to another, in nobody's epoch. */
  #mirror(): boolean {
    const up = this.#world.relays.filter(({ isUp }) => isUp);
    if (up.length < 2) return false;
    const from = this.#world.pick(up);
    const to = this.#world.pick(up);
    const lines = from.chain(this.#world.did).map(({ line }) => line);
    if (from === to || lines.length === 0 || lines.length > 256) return false;
    to.post(encodeFrame({ t: "publish", ref: 1 }, lines));
    return true;
  }

  #crashRelay(): boolean {
    const { random, clock, checker, trace } = this.#world;
    const relay = this.#world.pick(this.#world.relays);
    if (!relay.isUp) return false;
    const lost = relay.crash();
    if (lost > 0) checker.count("unsynced log lines lost");
    trace(() => `${relay.name} crashes, ${lost} lines not synced`);
    clock.at(200 + random.next() * 30_000, () => {
      if (!relay.isUp) void relay.start();
    });
    return true;
  }

  #rebuildRelay(): boolean {
    if (this.#rebuildsLeft === 0) return false;
    const relay = this.#world.pick(this.#world.relays.filter(({ lie, isUp }) => lie === undefined && isUp));
    if (relay === undefined) return false;
    this.#rebuildsLeft -= 1;
    this.#world.trace(() => `${relay.name} loses everything and is set up anew`);
    void relay.rebuild();
    return true;
  }

  /** Whoever holds the pen is asked to move on, or to name the streams that relays have now. */
  #changeRelays(): boolean {
    const { alive, random } = this.#world;
    const holder = alive.find(({ state, wishes }) => state === "holding" && wishes.length === 0);
    if (holder === undefined) return false;
    const named: RelaySet["relays"] = holder.context.identity.newest!.op.relays;
    const renewed = named.map(({ url }) => this.#world.relayAt(url)!.address);
    const isRenewal = renewed.some(({ stream }, i) => stream !== named[i]!.stream);
    if (isRenewal && random.next() < 0.6) {
      holder.wishes.push({ kind: "relays", relays: renewed, faults: holder.context.identity.newest!.op.faults });
      return true;
    }
    if (this.#sets.length < 2) return false;
    const { relays, faults } = this.#sets[this.#nextSet % this.#sets.length]!;
    if (!relays.every(({ isUp }) => isUp)) return false;
    this.#nextSet += 1;
    holder.wishes.push({ kind: "relays", relays: relays.map(({ address }) => address), faults });
    return true;
  }

  #steal(): boolean {
    const { random, checker, clock, trace } = this.#world;
    if (this.isStolen) return false;
    checker.steal();
    const thief = new Thief(this.#world);
    this.#stolen = this.#world.seed;
    trace(() => "somebody copies the sign key");
    for (let i = 0; i < 16; i++) {
      clock.at(random.next() * 30_000, () => {
        const relay = this.#world.pick(this.#world.relays);
        if (relay.isUp) thief.act(relay);
      });
    }
    // And one that keeps to the rules, on a machine of its own.
    if (random.next() < 0.5 && this.#world.hosts.length < MAX_HOSTS) {
      this.#world.start(this.#world.addHost({ madeGenesis: false }), {
        acquire: { takeover: true, timeoutMs: 20_000 },
      });
    }
    return true;
  }

  #rotate(): boolean {
    const { relays, faults } = this.set;
    if (!relays.every(({ isUp }) => isUp)) return false;
    const { random } = this.#world;
    const length = this.#world.highestChain().length;
    const keep = random.next() < 0.6 ? length : Math.floor(random.next() * (length + 1));
    const host = this.#world.rotate(relays, faults, keep);
    this.#world.start(host);
    return true;
  }
}
