import { concat, fromUtf8, utf8 } from "../../../keys/bytes.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { updateIdentity } from "../../../keys/identity/create.js";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import { quorumSize, relaySetOf } from "../../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../../keys/identity/shape.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import type { Disk } from "../../../keys/ports.js";
import { handOver } from "../../../src/agent/hand-over.js";
import { type AcquireOptions, acquirePen } from "../../../src/client/acquire-pen.js";
import { ChainStore } from "../../../src/client/chain-store.js";
import { IdentityLog } from "../../../src/client/identity-log.js";
import { spreadIdentity } from "../../../src/client/identity-spread.js";
import { Outbox } from "../../../src/client/outbox.js";
import { type Granted, Pen } from "../../../src/client/pen.js";
import type { PenContext } from "../../../src/client/pen-context.js";
import type { ClientPorts } from "../../../src/client/ports.js";
import { Publisher } from "../../../src/client/publisher.js";
import { RelayPool } from "../../../src/client/relay-pool.js";
import { type ParsedEvent, parseEvent } from "../../../src/protocol/event.js";
import type { SimRandom } from "../sim-random.js";
import type { Checker } from "./checker.js";
import type { CrashDisk } from "./crash-disk.js";
import type { SimProcess } from "./sim-process.js";

const HOME = "/home/agent/.ants";
export const CHAIN_FOLDER = `${HOME}/chain`;
export const IDENTITY_FILE = `${HOME}/identity.ndjson`;
/** Events of a burst: more than a turn commits in its first seconds. */
const BURST = 12;
const INSTANCES_FILE = `${HOME}/instances`;

/** A machine with a disk: what outlives the processes that run on it. */
export interface Host {
  readonly name: string;
  disk: CrashDisk;
  /** The sign key in its vault. */
  seed: Uint8Array;
  /** It made the genesis, or is a copy of a home that did. */
  readonly madeGenesis: boolean;
  running: Instance | undefined;
}

export interface InstanceOptions {
  readonly name: string;
  /** 16 hex digits; clones of a running process have one in common. */
  readonly id: string;
  readonly host: Host;
  readonly process: SimProcess;
  readonly ports: ClientPorts;
  readonly did: ParsedOperation["did"];
  readonly random: SimRandom;
  readonly checker: Checker;
  readonly acquire: AcquireOptions;
  /** How long it thinks between two things that it does, at most. */
  readonly maxThinkMs: number;
  /** It goes on in the middle of a turn, as the clone of a running process does. */
  readonly turn?: { readonly claim: ParsedEvent; readonly round: Granted };
  /** How it reads its identity file; as it grew, unless given. */
  readonly readIdentity?: (did: string, lines: readonly Uint8Array[]) => IdentityLog;
  /** More of what its home gives the pen. */
  readonly context?: Partial<PenContext>;
  readonly trace: (text: () => string) => void;
}

/** What an instance waits for others to ask of it. */
export type Wish =
  | { readonly kind: "relays"; readonly relays: readonly RelayAddress[]; readonly faults: number }
  /** To an instance that is to come; `next` is told the id of the event. */
  | { readonly kind: "hand-over"; readonly instance: string; readonly next: (event: string) => void }
  /** Writes a lot, and waits for nothing. */
  | { readonly kind: "burst" }
  | { readonly kind: "leave" };

const contexts = new WeakMap<PenContext, Instance>();

/** Every turn that begins is told to its instance, from its first acknowledgement on. */
const begin = Pen.begin;
Pen.begin = (context, claim, round) => {
  const pen = begin(context, claim, round);
  contexts.get(context)?.turnBegan(pen, claim, round);
  return pen;
};

/**
 * One run of the agent: the production client on simulated ports, and around it a small program that counts. It opens
 * its home, claims the pen, and then writes, has effects (an intent before, an outcome after), and changes relays when it
 * is asked to, until the pen is lost.
 */
export class Instance {
  readonly name: string;
  readonly id: string;
  readonly key: string;
  readonly process: SimProcess;
  readonly disk: CrashDisk;
  readonly options: InstanceOptions;
  /** Ends it as ^C does. */
  readonly interrupt = new AbortController();
  /** Next things to do, besides its own. */
  readonly wishes: Wish[] = [];
  context!: PenContext;
  state: "opening" | "claiming" | "holding" | "ended" = "opening";
  /** How it ended, where it did. */
  outcome = "";
  /** The claim and what it was made on, of its present turn. */
  turn: { readonly claim: ParsedEvent; readonly round: Granted } | undefined;
  pen: Pen | undefined;
  /** It held the pen once. */
  hasHeld = false;
  readonly #mounted: Disk;

  constructor(options: InstanceOptions) {
    const { name, id, host, process } = options;
    this.options = options;
    this.name = name;
    this.id = id;
    this.process = process;
    this.disk = host.disk;
    this.key = encodeMultikey(publicKeyFromSeed(host.seed));
    this.#mounted = host.disk.mount(process);
  }

  /** Runs until the pen is lost or cannot be had; never rejects for what a program has to expect. */
  async run(): Promise<void> {
    const { checker, trace } = this.options;
    try {
      await this.#open();
      await this.#work();
    } catch (error) {
      if (!isAntsError(error)) {
        checker.fail("no-internal-error", `${this.name}: ${(error as Error)?.stack ?? String(error)}`);
        throw error;
      }
      this.outcome = error.code;
      checker.count(`ended ${error.code}`);
      trace(() => `${this.name} ends: ${error.code}: ${error.message}`);
    }
    this.state = "ended";
    await this.context?.relays.close();
  }

  /** A turn of this instance began; see {@link begin}. */
  turnBegan(pen: Pen, claim: ParsedEvent, round: Granted): void {
    const { checker, trace } = this.options;
    this.turn = { claim, round };
    pen.listen({
      committed: (seq) => checker.committed(this, pen, seq),
      lost: (loss) => {
        checker.count(`lost ${loss.reason}`);
        trace(() => `${this.name} loses epoch ${pen.epoch}: ${loss.reason}`);
      },
    });
  }

  async #open(): Promise<void> {
    const { did, host, ports, process, checker, id } = this.options;
    const known = await this.#mounted.read(IDENTITY_FILE);
    const { readIdentity = IdentityLog.learnt } = this.options;
    const identity = readIdentity(did, wholeLines(known));
    const instances = wholeLines(await this.#mounted.read(INSTANCES_FILE)).map(fromUtf8);
    if (!instances.includes(id)) await this.#mounted.append(INSTANCES_FILE, utf8(`\n${id}\n`));
    const chain = await this.#openChain(identity);
    const append = chain.append.bind(chain);
    chain.append = (events) => {
      checker.signed(this, events);
      return append(events);
    };
    const outbox = await Outbox.open(this.#mounted, `${HOME}/outbox`, process.clock);
    this.context = {
      did,
      seed: host.seed,
      instance: id,
      label: this.name,
      identity,
      chain,
      outbox,
      relays: new RelayPool(ports),
      ports,
      earlierInstances: new Set(instances),
      madeGenesis: host.madeGenesis,
      identityGrew: (operations) => this.#keep(operations),
      ...this.options.context,
    };
    contexts.set(this.context, this);
  }

  /** A chain that was damaged is moved out of the way: what relays have is fetched back. */
  async #openChain(identity: IdentityLog): Promise<ChainStore> {
    const options = { disk: this.#mounted, folder: CHAIN_FOLDER, did: this.options.did, keys: identity };
    try {
      return await ChainStore.open(options);
    } catch (error) {
      if (!isAntsError(error, "chain-damaged")) throw error;
      this.options.checker.count("chain damaged");
      for (const name of await this.#mounted.list(CHAIN_FOLDER)) await this.#mounted.remove(`${CHAIN_FOLDER}/${name}`);
      return ChainStore.open(options);
    }
  }

  async #keep(operations: readonly ParsedOperation[]): Promise<void> {
    // After a torn line the next one begins anew.
    const lines = operations.flatMap(({ line }) => [utf8("\n"), line, utf8("\n")]);
    await this.#mounted.append(IDENTITY_FILE, concat(...lines));
  }

  async #work(): Promise<void> {
    const { did, host, process, ports, checker, random, maxThinkMs, trace } = this.options;
    this.state = "claiming";
    let pen = await this.#claim();
    this.#holds(pen);
    const { clock } = process;
    const publisher = new Publisher({ did, seed: host.seed, pen, clock, random: ports.random });
    try {
      let number = await this.#count();
      while (pen.loss === undefined) {
        await Promise.race([clock.sleep(random.next() * maxThinkMs), pen.lost]);
        if (this.interrupt.signal.aborted) break;
        const wish = this.wishes.shift();
        if (wish?.kind === "leave") break;
        if (wish?.kind === "burst") {
          const drafts = Array.from({ length: BURST }, (_, i) => ({ kind: "note", body: { i } }));
          publisher.publish(drafts, { durability: "one" }).catch(() => undefined);
          continue;
        }
        if (wish?.kind === "hand-over") {
          const { id } = await handOver({ pen, publisher, context: this.context }, { instance: wish.instance });
          checker.count("handed over");
          trace(() => `${this.name} hands over to instance ${wish.instance}`);
          wish.next(id);
          break;
        }
        if (wish?.kind === "relays") {
          await this.#changeRelays(wish, publisher);
          pen = this.pen!;
          number = await this.#count();
        } else if (random.next() < 0.4) number = await this.#step(publisher, pen, number);
        else {
          const count = 1 + Math.floor(random.next() * 3);
          const drafts = Array.from({ length: count }, (_, i) => ({ kind: "note", body: { i } }));
          const published = publisher.publish(drafts, { durability: random.next() < 0.8 ? "quorum" : "one" });
          // Some programs do not wait: what becomes of it shows later.
          if (random.next() < 0.7) await published;
          else published.catch(() => undefined);
        }
      }
    } catch (error) {
      if (!isAntsError(error)) throw error;
      checker.count(`work ended by ${error.code}`);
      trace(() => `${this.name} stops working: ${error.code}: ${error.message}`);
    }
    await publisher.close();
    await pen.release();
    this.outcome = pen.loss?.reason ?? "";
  }

  async #claim(): Promise<Pen> {
    const { turn, acquire, checker } = this.options;
    const { signal } = this.interrupt;
    const onWait = () => checker.count("waits");
    if (turn === undefined) return acquirePen(this.context, { onWait, ...acquire, signal });
    // The clone of a process that was in the middle of a turn.
    const pen = Pen.begin(this.context, turn.claim, turn.round);
    await Promise.race([pen.held, pen.lost]);
    if (pen.loss === undefined) {
      pen.use();
      return pen;
    }
    await pen.release();
    throw new AntsError("pen-lost", "the clone lost the pen");
  }

  #holds(pen: Pen): void {
    const { checker, trace } = this.options;
    this.pen = pen;
    this.state = "holding";
    this.hasHeld = true;
    checker.count("turns");
    trace(() => `${this.name} holds the pen, epoch ${pen.epoch}`);
  }

  /** The number that comes next, by what the own chain says; a step without an outcome is looked at outside. */
  async #count(): Promise<number> {
    const { chain } = this.context;
    const lines = await chain.read(0, { maxBytes: 2 ** 24, maxEntries: 100_000 });
    let number = 0;
    for (const line of lines) {
      const { event } = parseEvent(line);
      if (event.kind === "step") number = Math.max(number, (event.body as { n: number }).n);
    }
    return number;
  }

  /** Intent, committed; then the effect, if the pen is held; then the outcome. */
  async #step(publisher: Publisher, pen: Pen, before: number): Promise<number> {
    const { checker } = this.options;
    const n = before + 1;
    const { events } = await publisher.publish([{ kind: "step", body: { n, phase: "intent" } }]);
    const [intent] = events;
    await this.#confirmed(pen);
    checker.effect(this, intent!, n);
    await publisher.publish([{ kind: "step", body: { n, phase: "outcome" } }]);
    return n;
  }

  /** Waits while it is not certain that the pen is held. Returns when it may act, at once. */
  async #confirmed(pen: Pen): Promise<void> {
    for (;;) {
      try {
        pen.check();
        return;
      } catch (error) {
        if (!isAntsError(error, "pen-unconfirmed")) throw error;
        this.options.checker.count("pen unconfirmed");
      }
      await this.process.clock.sleep(200);
    }
  }

  /** As `changeIdentity` of src/agent does: spread what is known, sign, keep, spread, and claim anew. */
  async #changeRelays({ relays, faults }: Extract<Wish, { kind: "relays" }>, publisher: Publisher): Promise<void> {
    const { context } = this;
    const { identity, seed, ports } = context;
    const { checker, trace } = this.options;
    const timeoutMs = 15_000;
    const parent = identity.newest!;
    const old = relaySetOf(parent);
    const next = { relays, faults, quorum: quorumSize(relays.length, faults) };
    try {
      await spreadIdentity(context, [old, next], { timeoutMs });
    } catch (error) {
      if (!isAntsError(error, "identity-unspread")) throw error;
      checker.count("relay change given up");
      return;
    }
    await this.#confirmed(this.pen!);
    const { resolution } = identity;
    const branches = resolution.status === "contested" ? resolution.branches : [];
    const losing = branches.filter((hash) => hash !== identity.newest!.hash);
    const over = losing.length === 0 ? {} : { over: losing };
    const changes = { relays, faults };
    const operation = updateIdentity({
      parent: identity.newest!,
      changes,
      signSeed: seed,
      timeMs: ports.clock.nowMs(),
      ...over,
    });
    await this.#keep([operation.parsed]);
    identity.add(operation.parsed);
    context.chain.keysChanged();
    checker.count("relay changes");
    if (losing.length > 0) checker.count("contests settled");
    trace(() => `${this.name} signs update ${operation.operation.n}: ${relays.map(({ url }) => url[5]).join("")}`);
    await spreadIdentity(context, [old, next], { timeoutMs });
    await publisher.changePen(async () => {
      this.state = "claiming";
      await this.pen!.release();
      const pen = await acquirePen(context, { timeoutMs });
      this.#holds(pen);
      return pen;
    });
  }
}

/** Lines that end in a newline; what a crash tore is passed over. */
function wholeLines(bytes: Uint8Array | undefined): Uint8Array[] {
  if (bytes === undefined) return [];
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    if (end > start) lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
