import { fromUtf8, hex } from "../../../keys/bytes.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import type { RelayAddress } from "../../../keys/identity/shape.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { Ledger, type PromiseReply, type PublishReply } from "../../../relay/ledger.js";
import { Authentication } from "../../../relay/server/authentication.js";
import type { VerifiedFrame } from "../../../relay/verified-frame.js";
import { FrameVerifier } from "../../../relay/verify/frame-verifier.js";
import { createChallenge } from "../../../src/protocol/auth.js";
import { checkpointOrigin, signCheckpoint } from "../../../src/protocol/checkpoint.js";
import { formatCursor, parseCursor } from "../../../src/protocol/cursor.js";
import { type ParsedEntry, parseEntry } from "../../../src/protocol/entry.js";
import type { ChainHead } from "../../../src/protocol/event.js";
import { matches } from "../../../src/protocol/filter.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { DEFAULT_LIMITS } from "../../../src/protocol/limits.js";
import { type FollowMessage, type RelayMessage, readClientFrame } from "../../../src/protocol/messages.js";
import { refusalOf } from "../../../src/protocol/refusal.js";
import type { SimClock } from "../sim-clock.js";
import type { SimRandom } from "../sim-random.js";
import { type LogMedium, MemoryFolder } from "./memory-folder.js";
import { SimProcess } from "./sim-process.js";
import type { Wire, WireEnd } from "./wire.js";

/** What a relay did, for whoever checks it. All calls are synchronous, at the moment when the answer leaves. */
export interface RelayWitness {
  granted(relay: SimRelay, promise: { readonly id: string; readonly epoch: number; readonly key: string }): void;
  /** `promised`: the highest epoch that it had promised when it judged the frame. */
  took(
    relay: SimRelay,
    frame: VerifiedFrame,
    at: readonly number[],
    stated: number | undefined,
    promised: number,
  ): void;
  refused(relay: SimRelay, code: string): void;
}

/** What an answer is about. */
export interface Asked {
  /** Entries in the frame. */
  readonly count: number;
  /** The epoch that a promise was asked for. */
  readonly epoch?: number;
}

/** An answer, and the lines that go with it. */
export interface Answer {
  readonly message: RelayMessage;
  readonly lines: readonly Uint8Array[];
}

/** How a relay that lies changes its answers; undefined: it says nothing at all. */
export type Lie = (answer: Answer, asked: Asked, relay: SimRelay) => Answer | undefined;

interface Peer {
  readonly socket: WireEnd;
  readonly authentication: Authentication;
  readonly follows: Map<number, { readonly message: FollowMessage; position: number; isCaughtUp: boolean }>;
}

/**
 * A relay: the real ledger, group commit, admission, verification and authentication, on a log that forgets what was not
 * synced, behind simulated sockets. It can crash and come back, lose everything, and lie.
 */
export class SimRelay {
  readonly url: string;
  readonly name: string;
  process: SimProcess;
  medium: LogMedium;
  /** Set: it lies, in answers of every kind, when the function likes to. */
  lie: Lie | undefined;
  /** Forks that the relay holds evidence of, over all its lives. */
  forks = 0;
  maxSyncMs = 6;
  readonly #seed: Uint8Array;
  readonly #clock: SimClock;
  readonly #random: SimRandom;
  readonly #wire: Wire;
  readonly #witness: RelayWitness;
  readonly #verifier = new FrameVerifier(DEFAULT_LIMITS);
  readonly #peers = new Set<Peer>();
  readonly #past = new Map<string, ReadonlySet<string>>();
  #folder: MemoryFolder;
  #ledger: Ledger | undefined;

  constructor(name: string, clock: SimClock, random: SimRandom, wire: Wire, witness: RelayWitness) {
    this.name = name;
    this.url = `ws://${name.toLowerCase()}.example:7777`;
    this.#clock = clock;
    this.#random = random;
    this.#wire = wire;
    this.#witness = witness;
    this.#seed = random.bytes(32);
    this.medium = { stream: hex(random.bytes(8)), lines: [] };
    this.process = new SimProcess(name, clock);
    this.#folder = this.#mount();
  }

  get address(): RelayAddress {
    return { url: this.url, stream: this.medium.stream };
  }

  get isUp(): boolean {
    return this.#ledger !== undefined && !this.process.isDead;
  }

  /** Reads its log and serves. */
  async start(): Promise<void> {
    this.process = new SimProcess(this.name, this.#clock);
    const { process } = this;
    this.#folder = this.#mount();
    const ledger = await Ledger.open(this.#folder.asDataFolder(), process.clock);
    if (process.isDead) return;
    this.#ledger = ledger;
    ledger.onAdvance(() => {
      for (const peer of this.#peers) this.#advance(peer);
    });
    this.#wire.listen(this.url, { process, accept: (socket) => this.#accept(socket, process) });
  }

  /** Ends as in a power failure. Returns how many lines had not been synced. */
  crash(): number {
    this.process.kill();
    this.#ledger = undefined;
    this.#peers.clear();
    this.#wire.ended(this.process);
    return this.#folder.crash(this.#random);
  }

  /** Everything is gone: an empty relay at the same address, which says so by another stream. */
  async rebuild(): Promise<void> {
    this.crash();
    this.medium = { stream: hex(this.#random.bytes(8)), lines: [] };
    await this.start();
  }

  /** Whether an entry is durable here. */
  has(id: string): boolean {
    return this.#folder.ids.has(id);
  }

  /** Whether it was durable here while the relay went by this stream, be it that all was lost since. */
  hadUnder(stream: string, id: string): boolean {
    return this.#past.get(stream)?.has(id) === true;
  }

  head(did: string): ChainHead | undefined {
    const head = this.#folder.index.agent(did)?.head;
    return head === undefined ? undefined : { epoch: head.epoch, seq: head.seq, id: head.id };
  }

  /** The highest epoch that it promised. */
  promised(did: string): number {
    return this.#ledger?.agent(did)?.promised ?? 0;
  }

  /** The lines of the chain here, from seq 0. */
  chain(did: string): { readonly id: string; readonly line: Uint8Array }[] {
    const record = this.#folder.index.agent(did);
    if (record === undefined) return [];
    const events = this.#folder.index.chainFrom(record.no, 0, 1e9);
    return events.map(({ id, position }) => ({ id, line: this.#folder.line(position) }));
  }

  /** Takes a frame as `POST /entries` does: from anybody, at any time, however old it is. */
  post(frame: Uint8Array): void {
    const { process } = this;
    process.deliver(() => {
      const { message, body } = readClientFrame(frame);
      if (message.t === "publish") void this.#publish(this.#verifier.verify(body), message.epoch, undefined);
      else if (message.t === "promise") void this.#promise(this.#verifier.verify(body));
    });
  }

  /** Takes a frame as {@link post} does. Resolves with "ack" or "promised", or the code of its refusal. */
  async answerTo(frame: Uint8Array): Promise<string> {
    const { message, body } = readClientFrame(frame);
    const verified = this.#verifier.verify(body);
    const stated = message.t === "publish" ? message.epoch : undefined;
    const isPromise = message.t === "promise";
    const reply = await (isPromise ? this.#promise(verified) : this.#publish(verified, stated, undefined));
    if ("refused" in reply) return reply.refused.code;
    return isPromise ? "promised" : "ack";
  }

  #mount(): MemoryFolder {
    const folder = new MemoryFolder(this.medium, this.process, this.#clock, this.#random, () => this.maxSyncMs);
    this.#past.set(this.medium.stream, folder.ids);
    return folder;
  }

  #accept(socket: WireEnd, process: SimProcess): void {
    if (process.isDead || this.#ledger === undefined) return;
    const challenge = createChallenge(this.#random);
    const authentication = new Authentication(challenge, () => [this.url], this.#ledger);
    const peer: Peer = { socket, authentication, follows: new Map() };
    this.#peers.add(peer);
    socket.onHeard = () => {
      for (const { did, instance } of authentication.agents()) this.#ledger?.seen(did, instance);
    };
    this.#send(peer, { t: "hello", v: 1, relay: this.#info(), challenge, head: this.#head() });
    void this.#serve(peer).finally(() => {
      this.#peers.delete(peer);
      socket.close();
    });
  }

  async #serve(peer: Peer): Promise<void> {
    for await (const bytes of peer.socket.messages) void this.#handle(peer, bytes);
  }

  async #handle(peer: Peer, bytes: Uint8Array): Promise<void> {
    const { message, entries, body } = readClientFrame(bytes);
    const { ref } = message;
    try {
      switch (message.t) {
        case "publish": {
          const frame = this.#verifier.verify(body);
          const reply = await this.#publish(frame, message.epoch, peer);
          const asked = { count: entries.length };
          if ("refused" in reply) this.#send(peer, { t: "refused", ref, ...reply.refused }, [], asked);
          else this.#send(peer, { t: "ack", ref, at: reply.at }, [], asked);
          return;
        }
        case "promise": {
          const frame = this.#verifier.verify(body);
          const reply = await this.#promise(frame);
          const epoch = frame.entries.find((entry) => entry.type === "promise")?.epoch;
          const asked = { count: entries.length, ...(epoch === undefined ? {} : { epoch }) };
          if ("refused" in reply) this.#send(peer, { t: "refused", ref, ...reply.refused }, [], asked);
          else this.#send(peer, { t: "promised", ref, ...reply.promised }, [reply.identityLine], asked);
          return;
        }
        case "auth": {
          const { did, instance } = peer.authentication.take(entries[0]!);
          this.#ledger?.seen(did, instance);
          this.#send(peer, { t: "ack", ref });
          return;
        }
        case "follow": {
          const { after } = message;
          const end = this.#ledger!.position;
          const position = after === "start" ? 0 : after === "head" ? end : this.#positionOf(after);
          peer.follows.set(ref, { message, position, isCaughtUp: false });
          this.#advance(peer);
          return;
        }
        case "unfollow": {
          const follow = peer.follows.get(ref);
          peer.follows.delete(ref);
          if (follow !== undefined) this.#send(peer, { t: "ended", ref, cursor: this.#cursor(follow.position) });
        }
      }
    } catch (error) {
      if (!isAntsError(error)) throw error;
      this.#send(peer, { t: "refused", ref, ...refusalOf(error) });
    }
  }

  async #publish(frame: VerifiedFrame, epoch: number | undefined, peer: Peer | undefined): Promise<PublishReply> {
    const did = frame.entries[0]?.did;
    const instance = did === undefined ? undefined : peer?.authentication.instanceOf(did);
    const author = instance === undefined ? {} : { author: did!, instance };
    const promised = did === undefined ? 0 : this.promised(did);
    const forksBefore = this.#folder.forks.length;
    const reply = await this.#ledger!.publish(frame, { ...(epoch === undefined ? {} : { epoch }), ...author });
    this.forks += this.#folder.forks.length - forksBefore;
    const at = "refused" in reply ? reply.refused.at : reply.at;
    if ("refused" in reply) this.#witness.refused(this, reply.refused.code);
    this.#witness.took(this, frame, at, epoch, promised);
    return reply;
  }

  async #promise(frame: VerifiedFrame): Promise<PromiseReply> {
    const reply = await this.#ledger!.promise(frame);
    const promise = frame.entries.find((entry) => entry.type === "promise");
    if ("refused" in reply) this.#witness.refused(this, reply.refused.code);
    else if (promise !== undefined) this.#witness.granted(this, promise);
    return reply;
  }

  #advance(peer: Peer): void {
    const end = this.#ledger?.position ?? 0;
    for (const [ref, follow] of peer.follows) {
      const { filter, live } = follow.message;
      const at: number[] = [];
      const lines: Uint8Array[] = [];
      const isNew = follow.position < end;
      while (follow.position < end) {
        follow.position += 1;
        const line = this.#folder.line(follow.position);
        if (!matches(filter, entryOf(line))) continue;
        at.push(follow.position);
        lines.push(line);
      }
      const cursor = this.#cursor(follow.position);
      if (isNew) this.#send(peer, { t: "entries", ref, at, cursor }, lines);
      if (isNew && live && follow.isCaughtUp) this.#send(peer, { t: "head", ref, ...this.#head() });
      if (!follow.isCaughtUp) {
        follow.isCaughtUp = true;
        this.#send(peer, { t: "caught-up", ref, cursor });
        if (live) this.#send(peer, { t: "head", ref, ...this.#head() });
      }
      if (!live) {
        peer.follows.delete(ref);
        this.#send(peer, { t: "ended", ref, cursor });
      }
    }
  }

  #positionOf(cursor: string): number {
    const { stream, position, check } = parseCursor(cursor);
    if (stream !== this.medium.stream) throw new AntsError("stream-changed", "another stream");
    const root = this.#folder.rootAt(position);
    if (root === undefined) throw new AntsError("cursor-ahead", "beyond the log");
    if (!root.startsWith(check)) throw new AntsError("cursor-mismatch", "another history");
    return position;
  }

  #cursor(position: number): string {
    return formatCursor({ stream: this.medium.stream, position, root: this.#folder.rootAt(position)! });
  }

  #head() {
    const { size } = this.#folder;
    const origin = checkpointOrigin(this.url, this.medium.stream);
    const checkpoint = signCheckpoint({ origin, size, root: this.#folder.rootBytes() }, this.#seed);
    return { cursor: this.#cursor(size), checkpoint };
  }

  #info() {
    return {
      name: this.name,
      url: this.url,
      stream: this.medium.stream,
      key: encodeMultikey(publicKeyFromSeed(this.#seed)),
      limits: DEFAULT_LIMITS,
      policy: { durability: "fsync", hosting: "open" },
      software: "simulated",
    } as const;
  }

  #send(peer: Peer, message: RelayMessage, lines: readonly Uint8Array[] = [], asked: Asked = { count: 0 }): void {
    const answer = this.lie === undefined ? { message, lines } : this.lie({ message, lines }, asked, this);
    if (answer !== undefined) peer.socket.send(encodeFrame(answer.message, answer.lines));
  }
}

/** Lines of logs, parsed once. */
const entries = new WeakMap<Uint8Array, ParsedEntry>();

function entryOf(line: Uint8Array): ParsedEntry {
  let entry = entries.get(line);
  if (entry === undefined) {
    entry = parseEntry(line);
    entries.set(line, entry);
  }
  return entry;
}

/** A frame as people read it. */
export function describeFrame(bytes: Uint8Array): string {
  const [envelope, ...lines] = fromUtf8(bytes).split("\n");
  const entries = lines.flatMap((line) => {
    if (line === "") return [];
    const { type, kind, epoch, seq, id, op, n } = JSON.parse(line);
    if (type === "event") return [`${kind === "ants.claim" ? "claim" : kind} ${epoch}/${seq} ${id.slice(0, 6)}`];
    return [type === "promise" ? `promise ${epoch}` : `${op} ${n}`];
  });
  const { t, epoch, code, promised, head } = JSON.parse(envelope!);
  const facts = [
    epoch === undefined ? "" : ` epoch ${epoch}`,
    code === undefined ? "" : ` ${code}`,
    promised === undefined ? "" : ` promised ${promised}`,
    head?.epoch === undefined ? "" : ` head ${head.epoch}/${head.seq} ${head.id.slice(0, 6)}`,
  ];
  return `${t}${facts.join("")}${entries.length === 0 ? "" : ` [${entries.join(", ")}]`}`;
}
