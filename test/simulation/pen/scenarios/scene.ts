import { concat } from "../../../../keys/bytes.js";
import { AntsError } from "../../../../keys/errors.js";
import type { AcquireOptions } from "../../../../src/client/acquire-pen.js";
import { createBatch, type SignedEvent } from "../../../../src/protocol/batch.js";
import { CLAIM_KIND } from "../../../../src/protocol/event.js";
import { encodeFrame } from "../../../../src/protocol/frame.js";
import { createPromise } from "../../../../src/protocol/promise.js";
import { CHAIN_FOLDER, type Host, type Instance, type InstanceOptions } from "../instance.js";
import type { PenWorld } from "../pen-world.js";
import type { SimRelay } from "../sim-relay.js";

/** A short run whose every turn is written down: what happens, and how it must come out. */
export interface Scenario {
  /** What it shows, in a few words: the name that it is run by. */
  readonly name: string;
  /** Relays that the genesis names; three unless given. */
  readonly relays?: number;
  /** How many of them may lie; 0 unless given. */
  readonly faults?: number;
  /** Relays that there are besides. */
  readonly spare?: number;
  run(scene: Scene): Promise<void>;
}

/** Where an event stands. */
export interface Place {
  readonly epoch: number;
  readonly seq: number;
  readonly id: string;
}

interface Forgery {
  readonly epoch: number;
  /** What it follows; absent: it begins a chain. */
  readonly after?: Place;
  readonly kind?: string;
  /** The key; the world's present one unless given. */
  readonly seed?: Uint8Array;
  /** The operation that a claim names; the genesis unless given. */
  readonly identity?: string;
}

/** A world, and what a scenario does in it and asks of it. */
export class Scene {
  readonly world: PenWorld;

  constructor(world: PenWorld) {
    this.world = world;
  }

  get relays(): readonly SimRelay[] {
    return this.world.relays;
  }

  relay(name: string): SimRelay {
    return this.relays.find((relay) => relay.name === name)!;
  }

  /** Ends the run where something did not come out as it must. */
  require(isSo: boolean, what: string): void {
    if (!isSo) this.world.checker.fail("as-scripted", `expected: ${what}`);
    if (this.world.isOver) throw new AntsError("closed", "the scenario is over");
  }

  async until(what: string, isSo: () => boolean, maxMs = 60_000): Promise<void> {
    const { clock } = this.world;
    const endMs = clock.monotonicMs() + maxMs;
    while (!isSo() && !this.world.isOver && clock.monotonicMs() < endMs) await clock.sleep(20);
    this.require(isSo(), what);
  }

  /** Starts the agent; unless it is told otherwise it displaces nobody and gives up after 20 s. */
  start(host: Host, acquire: AcquireOptions = {}, more: Partial<InstanceOptions> & { like?: Instance } = {}): Instance {
    return this.world.start(host, { maxThinkMs: 300, ...more, acquire: { timeoutMs: 20_000, ...acquire } });
  }

  async holds(instance: Instance, maxMs?: number): Promise<void> {
    const { name } = instance;
    const isDone = () => instance.state === "holding" || instance.state === "ended";
    await this.until(`${name} gets the pen or is refused it`, isDone, maxMs);
    this.require(instance.state === "holding", `${name} holds the pen, and it ended by ${instance.outcome}`);
  }

  async ends(instance: Instance, outcome: string, maxMs?: number): Promise<void> {
    await this.until(`${instance.name} ends`, () => instance.state === "ended", maxMs);
    this.require(instance.outcome === outcome, `${instance.name} ends by ${outcome}, not by ${instance.outcome}`);
  }

  /** So many more events are committed. */
  async commits(count: number, maxMs?: number): Promise<void> {
    const { checker } = this.world;
    const from = checker.trunk.length;
    await this.until(`${count} more events are committed`, () => checker.trunk.length >= from + count, maxMs);
  }

  /** The home that made the genesis holds the pen and has written. */
  async begun(more: Partial<InstanceOptions> = {}): Promise<Instance> {
    const first = this.start(this.world.addHost({ madeGenesis: true }), {}, more);
    await this.holds(first);
    await this.commits(3);
    return first;
  }

  /** An empty home with the same key. */
  emptyHome(): Host {
    return this.world.addHost({ madeGenesis: false });
  }

  /** A home with what is on the disk of another now. */
  copyOf({ disk, seed, madeGenesis }: Host): Host {
    return this.world.addHost({ disk: disk.copy(), seed, madeGenesis });
  }

  /** Ends what runs, stops every lie and fault, and sees that somebody claims and commits. */
  async goesOn(host: Host): Promise<Instance> {
    const { wire, relays, alive } = this.world;
    for (const instance of alive) this.world.kill(instance);
    wire.unblock();
    for (const relay of relays) {
      relay.lie = undefined;
      if (!relay.isUp) await relay.start();
    }
    const last = this.start(host, { takeover: true, timeoutMs: 60_000 });
    await this.holds(last, 90_000);
    await this.commits(2);
    return last;
  }

  /** An event as somebody signs it who has the key and keeps to no rule. */
  forged({
    epoch,
    after,
    kind = "note",
    seed = this.world.seed,
    identity = this.world.genesis.hash,
  }: Forgery): SignedEvent {
    const { did, random, clock } = this.world;
    const body = kind === CLAIM_KIND ? { instance: "f0f0f0f0f0f0f0f0", label: "forged", identity } : { forged: true };
    const drafts = [{ kind, body, timeMs: clock.nowMs() }];
    return createBatch({ did, seed, epoch, ...(after === undefined ? {} : { after }), drafts, random })[0]!;
  }

  /** A relay's answer to events from somebody who states an epoch, or none: "ack", or why it refused. */
  async answerTo(relay: SimRelay, lines: readonly (string | Uint8Array)[], epoch?: number): Promise<string> {
    const envelope = { t: "publish", ref: 1, ...(epoch === undefined ? {} : { epoch }) } as const;
    return relay.answerTo(encodeFrame(envelope, lines));
  }

  /** Has a relay promise an epoch to nobody. */
  async raise(relay: SimRelay, epoch: number): Promise<string> {
    const { did, clock, seed } = this.world;
    const { stream } = relay.address;
    const instance = "f0f0f0f0f0f0f0f0";
    const line = createPromise({ did, epoch, stream, instance, timeMs: clock.nowMs(), takeover: true, seed });
    return relay.answerTo(encodeFrame({ t: "promise", ref: 1 }, [line]));
  }

  /** Puts a line at the end of the chain on a disk. */
  putOnDisk({ disk }: Host, { line }: { readonly line: string }): void {
    const path = [...disk.files.keys()]
      .filter((name) => name.startsWith(CHAIN_FOLDER))
      .sort()
      .at(-1)!;
    disk.put(path, concat(disk.files.get(path)!, new TextEncoder().encode(`${line}\n`)));
  }

  /** The chain on a relay, with the place of each event. */
  chainAt(relay: SimRelay): (Place & { readonly line: Uint8Array; readonly prev?: string })[] {
    return relay.chain(this.world.did).map(({ line }) => ({ ...JSON.parse(Buffer.from(line).toString()), line }));
  }
}
