import { concat, hex, utf8 } from "../../../keys/bytes.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { AntsError } from "../../../keys/errors.js";
import { createIdentity, deactivateIdentity, rotateIdentity } from "../../../keys/identity/create.js";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import { quorumSize, relaySetOf } from "../../../keys/identity/relay-set.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { IdentityLog } from "../../../src/client/identity-log.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { parsePromise } from "../../../src/protocol/promise.js";
import { SimClock } from "../sim-clock.js";
import { SimRandom } from "../sim-random.js";
import { Checker } from "./checker.js";
import { CrashDisk, linesOf } from "./crash-disk.js";
import { CHAIN_FOLDER, type Host, IDENTITY_FILE, Instance, type InstanceOptions } from "./instance.js";
import { SimProcess } from "./sim-process.js";
import { describeFrame, SimRelay } from "./sim-relay.js";
import { Wire } from "./wire.js";

export interface PenWorldOptions {
  readonly seed: number;
  /** Relays that there are; the genesis names the first `named` of them. */
  readonly relays: number;
  readonly named: number;
  readonly faults: number;
  /** Takes every line of the trace, where one is wanted. */
  readonly trace: ((line: string) => void) | undefined;
}

/** One line of a chain. */
export interface ChainLine {
  readonly id: string;
  readonly line: Uint8Array;
}

/** Frames that anybody may have seen, and send again. */
const MAX_RECORDED = 64;
const NEWLINE = Uint8Array.of(10);

/** One agent, its machines, its relays, and all that can be done to them. */
export class PenWorld {
  readonly clock = new SimClock();
  readonly random: SimRandom;
  readonly checker: Checker;
  readonly wire: Wire;
  readonly relays: SimRelay[] = [];
  readonly hosts: Host[] = [];
  readonly instances: Instance[] = [];
  readonly genesis: ParsedOperation;
  /** Old disks, with the host that they are of. */
  readonly snapshots: { readonly disk: CrashDisk; readonly seed: Uint8Array; readonly host: Host }[] = [];
  /** Frames that were sent to relays. */
  readonly recorded: { readonly url: string; readonly frame: Uint8Array }[] = [];
  /** The sign key of the present generation. */
  seed: Uint8Array;
  /** Milliseconds between two things that an instance does, at most. */
  maxThinkMs = 2_000;
  /** A hash of everything that was traced, step by step. */
  hash = 0x811c9dc5;
  #recovery: Uint8Array;
  /** What the phrase revealed for the last rotate. */
  #revealed: Uint8Array | undefined;
  /** The chain up to the anchor of the last rotate. */
  #anchored: readonly ChainLine[] = [];
  readonly #trace: ((line: string) => void) | undefined;
  readonly #byProcess = new Map<SimProcess, Instance>();
  #names = 0;

  constructor(options: PenWorldOptions) {
    this.random = new SimRandom(options.seed);
    this.#trace = options.trace;
    this.checker = new Checker((url) => this.relayAt(url), this.trace);
    this.wire = new Wire(this.clock, this.random, (process, url, message) => this.#tapped(process, url, message));
    for (let i = 0; i < options.relays; i++) {
      this.relays.push(new SimRelay("ABCDEFG"[i]!, this.clock, this.random, this.wire, this.checker));
    }
    this.seed = this.random.bytes(32);
    this.#recovery = this.random.bytes(32);
    this.genesis = createIdentity({
      signSeeds: [this.seed],
      agree: this.random.bytes(32),
      recoveryKeys: [publicKeyFromSeed(this.#recovery)],
      escrow: this.random.bytes(32),
      relays: this.relays.slice(0, options.named).map(({ address }) => address),
      faults: options.faults,
      timeMs: this.clock.nowMs(),
    }).parsed;
    this.checker.beginEra(this.key, []);
  }

  get did(): ParsedOperation["did"] {
    return this.genesis.did;
  }

  get key(): string {
    return encodeMultikey(publicKeyFromSeed(this.seed));
  }

  get isOver(): boolean {
    return this.checker.violation !== undefined;
  }

  /** Instances whose process lives and whose program has not ended. */
  get alive(): Instance[] {
    return this.instances.filter(({ process, state }) => !process.isDead && state !== "ended");
  }

  /** Every step is told, and goes into the hash, where somebody reads it. */
  readonly trace = (text: () => string): void => {
    if (this.#trace === undefined) return;
    const line = `${(this.clock.monotonicMs() / 1000).toFixed(3).padStart(9)}  ${text()}`;
    for (let i = 0; i < line.length; i++) this.hash = Math.imul(this.hash ^ line.charCodeAt(i), 0x01000193);
    this.#trace(line);
  };

  relayAt(url: string): SimRelay | undefined {
    return this.relays.find((relay) => relay.url === url);
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random.next() * items.length)]!;
  }

  /** A machine; its disk holds the identity log and nothing else unless one is given. */
  addHost(options: { disk?: CrashDisk; seed?: Uint8Array; madeGenesis: boolean }): Host {
    const { madeGenesis, seed = this.seed } = options;
    let { disk } = options;
    if (disk === undefined) {
      disk = new CrashDisk(this.clock, this.random);
      disk.put(IDENTITY_FILE, this.#identityLines());
    }
    const host: Host = { name: `host${this.hosts.length + 1}`, disk, seed, madeGenesis, running: undefined };
    this.hosts.push(host);
    return host;
  }

  /** Starts the agent on a host where nothing runs. `like`: a clone of that process, instance and all. */
  start(host: Host, more: Partial<InstanceOptions> & { like?: Instance } = {}): Instance {
    const { like, ...overrides } = more;
    const name = `i${++this.#names}`;
    const process = new SimProcess(name, this.clock, Math.floor((this.random.next() - 0.5) * 7_200_000));
    const options: InstanceOptions = {
      name,
      id: like?.id ?? hex(this.random.bytes(8)),
      host,
      process,
      ports: {
        clock: process.clock,
        random: this.random,
        dial: this.wire.dialOf(process, host.name),
        get: async (url) => {
          throw new AntsError("relay-unreachable", `there is no HTTP here: ${url}`);
        },
      },
      did: this.did,
      random: this.random,
      checker: this.checker,
      acquire: { takeover: this.random.next() < 0.5, wait: this.random.next() < 0.2, timeoutMs: 30_000 },
      maxThinkMs: this.maxThinkMs,
      trace: this.trace,
      ...(like?.turn === undefined ? {} : { turn: like.turn }),
      ...overrides,
    };
    const instance = new Instance(options);
    this.trace(() => `${name} starts on ${host.name}${like === undefined ? "" : `, a clone of ${like.name}`}`);
    this.instances.push(instance);
    this.#byProcess.set(process, instance);
    host.running = instance;
    instance.run().catch(() => undefined);
    return instance;
  }

  /** kill -9 with a power cut: what was not synced is gone. */
  kill(instance: Instance): void {
    const { process, disk, options } = instance;
    if (process.isDead) return;
    process.kill();
    this.wire.ended(process);
    const torn = disk.crash();
    if (torn > 0) this.checker.count("writes torn");
    if (options.host.running === instance) options.host.running = undefined;
    this.trace(() => `${instance.name} is killed, ${torn} writes under way`);
  }

  /** The chain that is highest among the relays that are up, of those that the present generation of keys goes on with. */
  highestChain(): readonly ChainLine[] {
    const { length } = this.#anchored;
    let best = this.#anchored;
    let bestHead = { epoch: 0, seq: -1 };
    for (const relay of this.relays) {
      const head = relay.lie === undefined && relay.isUp ? relay.head(this.did) : undefined;
      if (head === undefined) continue;
      if (head.epoch < bestHead.epoch || (head.epoch === bestHead.epoch && head.seq <= bestHead.seq)) continue;
      const chain = relay.chain(this.did);
      const goesOn = chain.length > length && JSON.parse(Buffer.from(chain[length]!.line).toString()).key === this.key;
      if (!goesOn || (length > 0 && chain[length - 1]!.id !== this.#anchored.at(-1)!.id)) continue;
      best = chain;
      bestHead = head;
    }
    return best;
  }

  /**
   * The owner rotates with the phrase: reads what relays hold, names the last good event, fresh keys and the relays as
   * they are now, and has a home with all of that. `keep`: how many events of the chain are good.
   */
  rotate(named: readonly SimRelay[], faults: number, keep: number): Host {
    const chain = this.highestChain().slice(0, Math.max(keep, this.#anchored.length));
    this.#anchored = chain;
    const log = this.knownIdentity();
    const parent = log.newest!;
    const next = this.random.bytes(32);
    const nextRecovery = this.random.bytes(32);
    const last = chain.at(-1);
    const anchor = last === undefined ? undefined : placeOf(last.line);
    const { parsed } = rotateIdentity({
      parent,
      ...(anchor === undefined ? {} : { anchor }),
      revealSeeds: [this.#recovery],
      newSignSeeds: [next],
      nextRecoveryKeys: [publicKeyFromSeed(nextRecovery)],
      changes: { relays: named.map(({ address }) => address), faults },
      timeMs: this.clock.nowMs(),
    });
    this.#revealed = this.#recovery;
    this.#recovery = nextRecovery;
    this.seed = next;
    this.checker.beginEra(
      this.key,
      chain.map(({ id }) => id),
    );
    this.checker.count("rotates");
    if (anchor === undefined) this.checker.count("rotates without an anchor");
    this.trace(() => `the owner rotates; anchor ${anchor === undefined ? "none" : `${anchor.epoch}/${anchor.seq}`}`);
    const disk = new CrashDisk(this.clock, this.random);
    const lines = (parts: readonly Uint8Array[]) => concat(...parts.flatMap((line) => [line, NEWLINE]));
    disk.put(IDENTITY_FILE, lines([...log.operations().map(({ line }) => line), parsed.line]));
    if (chain.length > 0) disk.put(`${CHAIN_FOLDER}/000000000000.ndjson`, lines(chain.map(({ line }) => line)));
    const operations = [...log.operations(), parsed].map(({ line }) => line);
    // As `ants rotate` does: relays that only other operations name are told as well, so that whoever reads there follows.
    const others = new Set(log.operations().flatMap(({ op }) => op.relays.map(({ url }) => url)));
    for (const relay of this.relays) {
      if (!named.includes(relay) && !others.has(relay.url)) continue;
      if (relay.isUp) relay.post(encodeFrame({ t: "publish", ref: 1 }, operations));
    }
    return this.addHost({ disk, seed: next, madeGenesis: true });
  }

  /** Another rotate of the era that the last one ended, by whoever has the same phrase: it goes on from nothing. */
  rivalRotate(parent: ParsedOperation): ParsedOperation {
    return rotateIdentity({
      parent,
      revealSeeds: [this.#revealed!],
      newSignSeeds: [this.random.bytes(32)],
      nextRecoveryKeys: [publicKeyFromSeed(this.random.bytes(32))],
      timeMs: this.clock.nowMs(),
    }).parsed;
  }

  /** The owner ends the identity with the phrase, for good. */
  deactivate(): void {
    const log = this.knownIdentity();
    const { line } = deactivateIdentity({
      parent: log.newest!,
      revealSeeds: [this.#recovery],
      timeMs: this.clock.nowMs(),
    });
    const operations = [...log.operations().map(({ line }) => line), line];
    for (const relay of this.relays) if (relay.isUp) relay.post(encodeFrame({ t: "publish", ref: 1 }, operations));
  }

  /** The owner brings the present key, and what the identity says, to a host. */
  bringVault(host: Host): void {
    host.seed = this.seed;
    host.disk.put(IDENTITY_FILE, this.#identityLines());
  }

  /** Every operation that any host or relay knows. */
  knownIdentity(): IdentityLog {
    const log = new IdentityLog(this.did, [this.genesis]);
    const lines = new Map<string, Uint8Array>();
    const files = this.hosts.flatMap(({ disk }) => linesIn(disk.files.get(IDENTITY_FILE)));
    for (const line of [...files, ...this.relays.flatMap(({ medium }) => medium.lines.filter(isOperation))]) {
      lines.set(Buffer.from(line.buffer, line.byteOffset, line.length).toString("latin1"), line);
    }
    for (let grew = true; grew; ) {
      grew = false;
      for (const [key, line] of lines) {
        if (!log.add(line)) continue;
        lines.delete(key);
        grew = true;
      }
    }
    return log;
  }

  /**
   * Whether a quorum of the newest set, and of every set that a claim may need, still goes by its named stream. `counts`:
   * which relays do.
   */
  hasStreams(counts: (relay: SimRelay) => boolean = () => true): boolean {
    const { state } = this.knownIdentity();
    if (state === undefined) return false;
    const sets = [...state.operations, ...state.sides].map(relaySetOf);
    return sets.every(({ relays, faults }) => {
      const present = relays.filter(({ url, stream }) => {
        const relay = this.relayAt(url);
        return relay !== undefined && relay.medium.stream === stream && counts(relay);
      });
      return present.length >= quorumSize(relays.length, faults);
    });
  }

  /** Whether every relay of all those sets still goes by its named stream. */
  hasEveryStream(): boolean {
    const { state } = this.knownIdentity();
    const named = state === undefined ? [] : [...state.operations, ...state.sides].flatMap(({ op }) => op.relays);
    return named.every(({ url, stream }) => this.relayAt(url)?.medium.stream === stream);
  }

  #identityLines(): Uint8Array {
    return concat(
      ...this.knownIdentity()
        .operations()
        .flatMap(({ line }) => [line, NEWLINE]),
    );
  }

  #tapped(process: SimProcess, url: string, message: Uint8Array): void {
    const instance = this.#byProcess.get(process);
    if (instance === undefined) return;
    // Only what anybody could have taken from the wire: publish and promise frames.
    const text = Buffer.from(message.buffer, message.byteOffset, Math.min(message.length, 64)).toString("latin1");
    const isPublish = text.includes('"t":"publish"');
    if (!isPublish && !text.includes('"t":"promise"')) return;
    const lines = linesOf(message).slice(1);
    if (isPublish) this.checker.sent(instance, lines, (line) => instance.disk.has(line));
    else this.#asked(instance, lines[0]!);
    this.trace(() => `${instance.name} → ${url[5]!.toUpperCase()} ${describeFrame(message)}`);
    if (this.recorded.length < MAX_RECORDED) this.recorded.push({ url, frame: message });
    else this.recorded[Math.floor(this.random.next() * MAX_RECORDED)] = { url, frame: message };
  }

  #asked(instance: Instance, line: string): void {
    const { askedUnder } = this.checker;
    const { id } = parsePromise(utf8(line));
    if (!askedUnder.has(id)) askedUnder.set(id, instance.context.identity.newest!.hash);
  }
}

function isOperation(line: Uint8Array): boolean {
  return Buffer.from(line.buffer, line.byteOffset, line.length).includes('"type":"identity"');
}

function linesIn(bytes: Uint8Array | undefined): Uint8Array[] {
  return bytes === undefined ? [] : linesOf(bytes).map((line) => Uint8Array.from(Buffer.from(line, "latin1")));
}

function placeOf(line: Uint8Array): { epoch: number; seq: number; id: string } {
  const { epoch, seq, id } = JSON.parse(Buffer.from(line).toString());
  return { epoch, seq, id };
}
