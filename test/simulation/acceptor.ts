import { fromHex, hex } from "../../keys/bytes.js";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { parseOperation } from "../../keys/identity/operation.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { Frontier } from "../../keys/merkle/frontier.js";
import { leafHash } from "../../keys/merkle/hashes.js";
import { consistencyPath, inclusionPath } from "../../keys/merkle/tree.js";
import { encodeMultikey } from "../../keys/multikey.js";
import type { Clock, Random } from "../../keys/ports.js";
import { Admission } from "../../relay/admission/admission.js";
import { Holders } from "../../relay/admission/holders.js";
import type { Outcome, Refusal } from "../../relay/admission/outcome.js";
import type { VerifiedEntry, VerifiedFrame } from "../../relay/verified-frame.js";
import { FrameVerifier } from "../../relay/verify/frame-verifier.js";
import type { Socket } from "../../src/client/socket/socket.js";
import { createChallenge, parseAuth, requireAuth } from "../../src/protocol/auth.js";
import { checkpointOrigin, signCheckpoint } from "../../src/protocol/checkpoint.js";
import { formatCursor, parseCursor } from "../../src/protocol/cursor.js";
import { parseEntry } from "../../src/protocol/entry.js";
import { matches } from "../../src/protocol/filter.js";
import { encodeFrame } from "../../src/protocol/frame.js";
import { DEFAULT_LIMITS, MAX_FRAME_ENTRIES } from "../../src/protocol/limits.js";
import {
  type ClientMessage,
  type FollowMessage,
  type RelayMessage,
  readClientFrame,
  type Withheld,
} from "../../src/protocol/messages.js";
import { refusalOf } from "../../src/protocol/refusal.js";
import type { RelayInfo } from "../../src/protocol/relay-info.js";
import { MemoryIndex } from "./memory-index.js";

export interface AcceptorOptions {
  readonly url: string;
  /** 16 hex digits; drawn when absent. */
  readonly stream?: string;
  /** Of its own key; drawn when absent. */
  readonly seed?: Uint8Array;
  readonly clock: Clock;
  readonly random: Random;
}

const BEAT_MS = 1_000;

interface Peer {
  readonly socket: Socket;
  readonly challenge: string;
  /** did → instance */
  readonly authenticated: Map<string, string>;
  readonly follows: Map<number, { readonly message: FollowMessage; position: number; caughtUp: boolean }>;
}

/**
 * A relay in memory behind simulated sockets: the real frames, verification and admission, with the log in an array.
 * What it acknowledged it keeps, whatever happens; {@link again} is what a lost disk leaves.
 */
export class Acceptor {
  readonly url: string;
  readonly stream: string;
  readonly lines: Uint8Array[] = [];
  /** Changes an answer on its way out, or drops it (undefined): how a relay lies or fails. */
  onAnswer: (message: RelayMessage, lines: readonly Uint8Array[]) => RelayMessage | undefined = (message) => message;
  /** Refuses publish frames with this, where set. */
  refusing: ((message: ClientMessage) => AntsError | undefined) | undefined;
  /** Takes any cursor of its stream for its own: whoever rewrote its log would say so. */
  isTrusting = false;
  /** Frames that were admitted, in order: how many entries each. */
  readonly frames: number[] = [];

  readonly #options: AcceptorOptions;
  readonly #seed: Uint8Array;
  readonly #index = new MemoryIndex();
  readonly #holders: Holders;
  readonly #admission: Admission;
  readonly #verifier = new FrameVerifier(DEFAULT_LIMITS);
  readonly #peers = new Set<Peer>();
  readonly #frontier = Frontier.empty();
  readonly #roots: string[] = [hex(this.#frontier.root())];

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.url = options.url;
    this.stream = options.stream ?? hex(options.random.bytes(8));
    this.#seed = options.seed ?? options.random.bytes(32);
    this.#holders = new Holders(options.clock);
    this.#admission = new Admission({
      index: this.#index,
      holders: this.#holders,
      stream: this.stream,
      maxOperationsPerEra: DEFAULT_LIMITS.maxOperationsPerEra,
      operationAt: (position) => parseOperation(this.lines[position - 1]!),
      nowMs: () => 0,
      prunedAt: (position) => {
        const entry = parseEntry(this.lines[position - 1]!);
        return entry.type === "event" && entry.pruned;
      },
    });
  }

  get address(): RelayAddress {
    return { url: this.url, stream: this.stream };
  }

  /** The same relay after it lost everything: with another stream, unless it pretends to have the old one. */
  again(stream?: string): Acceptor {
    const { stream: _, ...options } = this.#options;
    return new Acceptor({ ...options, seed: this.#seed, ...(stream === undefined ? {} : { stream }) });
  }

  /** The end of an agent's chain here. */
  head(did: string): { readonly epoch: number; readonly seq: number; readonly id: string } | undefined {
    const head = this.#index.agent(did)?.head;
    return head === undefined ? undefined : { epoch: head.epoch, seq: head.seq, id: head.id };
  }

  /** The ids on an agent's chain here, from seq 0. */
  chain(did: string): string[] {
    const record = this.#index.agent(did);
    return record === undefined ? [] : this.#index.chainFrom(record.no, 0, 1e9).map(({ id }) => id);
  }

  promised(did: string): number {
    return this.#admission.agent(did)?.promised ?? 0;
  }

  /** Serves one connection; never rejects. */
  readonly accept = (socket: Socket): void => {
    const peer: Peer = {
      socket,
      challenge: createChallenge(this.#options.random),
      authenticated: new Map(),
      follows: new Map(),
    };
    this.#peers.add(peer);
    const head = { cursor: this.#cursor(this.lines.length), checkpoint: this.#checkpoint() };
    this.#send(peer, { t: "hello", v: 1, relay: this.#info(), challenge: peer.challenge, head });
    void this.#beat(peer);
    void this.#serve(peer).finally(() => {
      this.#peers.delete(peer);
      socket.close();
    });
  };

  /** Takes lines as a mirror brings them: nobody's epoch. */
  mirror(lines: readonly (string | Uint8Array)[]): void {
    const { body } = readClientFrame(encodeFrame({ t: "publish", ref: 0 }, lines));
    this.#publish(this.#verifier.verify(body), undefined, undefined);
  }

  /** Puts lines into the log that nobody judged: a liar's history, in its own tree and under its own signature. */
  forge(lines: readonly string[]): void {
    for (const line of lines)
      this.#write(new TextEncoder().encode(line), parseEntry(new TextEncoder().encode(line)).id);
  }

  /** Answers a request for a proof as a relay does by HTTP. */
  proof(path: string): object | undefined {
    const query = new URL(path, "http://x").searchParams;
    const number = (name: string) => Number(query.get(name));
    const leaves = this.lines.map((line) => fromHex(parseEntry(line).id));
    const encoded = (hashes: readonly Uint8Array[]) => hashes.map((hash) => Buffer.from(hash).toString("base64url"));
    if (path.startsWith("/inclusion")) {
      return { path: encoded(inclusionPath(leaves.slice(0, number("size")), number("at") - 1)) };
    }
    if (!path.startsWith("/consistency")) return undefined;
    return { proof: encoded(consistencyPath(leaves, number("from"), number("to"))) };
  }

  async #serve(peer: Peer): Promise<void> {
    for await (const bytes of peer.socket.messages) {
      const { message, entries, body } = readClientFrame(bytes);
      try {
        this.#handle(peer, message, entries, body);
      } catch (error) {
        if (!isAntsError(error)) throw error;
        this.#send(peer, { t: "refused", ref: message.ref, ...refusalOf(error) });
      }
    }
  }

  /** Whoever authenticated and is heard of counts as seen, as on a real relay. */
  async #beat(peer: Peer): Promise<void> {
    let heard = -1;
    while (this.#peers.has(peer)) {
      if (peer.socket.heard !== heard) {
        heard = peer.socket.heard;
        for (const [did, instance] of peer.authenticated) this.#holders.saw(did, instance);
      }
      await this.#options.clock.sleep(BEAT_MS);
    }
  }

  #handle(peer: Peer, message: ClientMessage, entries: readonly Uint8Array[], body: Uint8Array): void {
    const { ref } = message;
    const refusal = this.refusing?.(message);
    if (refusal !== undefined) throw refusal;
    switch (message.t) {
      case "publish": {
        const frame = this.#verifier.verify(body);
        const did = frame.entries[0]?.did;
        const author = did !== undefined && peer.authenticated.has(did) ? did : undefined;
        this.#send(peer, { ref, ...this.#publish(frame, message.epoch, author) });
        this.#wakeFollows();
        return;
      }
      case "promise":
        this.#promise(peer, ref, this.#verifier.verify(body));
        this.#wakeFollows();
        return;
      case "auth": {
        const parsed = parseAuth(entries[0]!);
        requireAuth(parsed, { challenge: peer.challenge, relayUrls: [this.url] });
        const { did, instance, key } = parsed.auth;
        if (this.#admission.agent(did)?.keys.isLive(key) !== true) throw new AntsError("auth-failed", "no live key");
        peer.authenticated.set(did, instance);
        this.#holders.saw(did, instance);
        this.#send(peer, { t: "ack", ref });
        return;
      }
      case "follow": {
        const { after } = message;
        const position =
          after === "start" ? 0 : after === "head" ? this.lines.length : this.#positionOf(parseCursor(after));
        peer.follows.set(ref, { message, position, caughtUp: false });
        this.#advance(peer);
        return;
      }
      case "unfollow": {
        const follow = peer.follows.get(ref);
        peer.follows.delete(ref);
        if (follow !== undefined) this.#send(peer, { t: "ended", ref, cursor: this.#cursor(follow.position) });
      }
    }
  }

  #publish(
    frame: VerifiedFrame,
    epoch: number | undefined,
    author: string | undefined,
  ): { t: "ack"; at: number[] } | ({ t: "refused"; i: number; at: number[] } & ReturnType<typeof asRefusal>) {
    const at: number[] = [];
    const sender = { ...(epoch === undefined ? {} : { epoch }), ...(author === undefined ? {} : { author }) };
    for (const [i, entry] of frame.entries.entries()) {
      const outcome = this.#admission.admit(entry, sender);
      if (outcome.kind === "refused") {
        this.#commit();
        return { t: "refused", i, at, ...asRefusal(outcome) };
      }
      this.#keep(frame, i, outcome);
      at.push(outcome.position);
    }
    this.#commit();
    const { failure } = frame;
    if (failure !== undefined) {
      const { i, code, message } = failure;
      return { t: "refused", i, at, ...asRefusal({ kind: "refused", code, message }) };
    }
    const [first] = frame.entries;
    const binding = first === undefined ? undefined : this.#admission.agent(first.did)?.binding;
    if (first !== undefined && binding?.instance !== undefined && binding.epoch === epoch) {
      this.#holders.saw(first.did, binding.instance);
    }
    this.frames.push(frame.entries.length);
    return { t: "ack", at };
  }

  #promise(peer: Peer, ref: number, frame: VerifiedFrame): void {
    const asked = frame.entries.findIndex(({ type }) => type === "promise");
    const promise = frame.entries[asked] as VerifiedEntry & { type: "promise" };
    for (const [i, entry] of frame.entries.entries()) {
      if (i === asked) continue;
      const outcome = this.#admission.admit(entry, {});
      if (outcome.kind === "refused") {
        this.#commit();
        this.#send(peer, { t: "refused", ref, i, at: [], ...asRefusal(outcome) });
        return;
      }
      this.#keep(frame, i, outcome);
    }
    const outcome = this.#admission.promise(promise);
    if (outcome.kind !== "refused") this.#keep(frame, asked, outcome);
    this.#commit();
    if (outcome.kind === "refused") {
      this.#send(peer, { t: "refused", ref, i: asked, at: [], ...asRefusal(outcome) });
      return;
    }
    const { newest, otherEnds } = this.#admission.agent(promise.did)!.keys;
    const head = this.head(promise.did);
    const answer = {
      t: "promised",
      ref,
      epoch: promise.epoch,
      identity: newest!.hash,
      ...(head === undefined ? {} : { head }),
      ...(otherEnds.length === 0 ? {} : { branches: otherEnds }),
    } as const;
    this.#send(peer, answer, [newest!.line]);
  }

  #keep(frame: VerifiedFrame, i: number, outcome: Exclude<Outcome, Refusal>): void {
    if (outcome.kind !== "stored") return;
    let start = 0;
    for (let at = 0; at < i; at++) start += frame.lengths[at]!;
    this.#write(frame.bytes.slice(start, start + frame.lengths[i]! - 1), frame.entries[i]!.id);
  }

  #write(line: Uint8Array, id: string): void {
    this.lines.push(line);
    this.#frontier.append(leafHash(fromHex(id)));
    this.#roots.push(hex(this.#frontier.root()));
  }

  #commit(): void {
    const group = this.#admission.closeGroup();
    if (group === undefined) return;
    this.#index.applyGroup(group);
    this.#admission.settle(this.#index.appliedPosition);
  }

  #wakeFollows(): void {
    for (const peer of this.#peers) this.#advance(peer);
  }

  #advance(peer: Peer): void {
    for (const [ref, follow] of peer.follows) {
      const { filter, live } = follow.message;
      while (follow.position < this.lines.length) {
        const at: number[] = [];
        const withheld: Withheld[] = [];
        const lines: Uint8Array[] = [];
        while (follow.position < this.lines.length && at.length < MAX_FRAME_ENTRIES) {
          const line = this.lines[follow.position]!;
          follow.position += 1;
          const entry = parseEntry(line);
          if (!matches(filter, entry)) continue;
          const to = entry.type === "event" ? entry.event.to : undefined;
          if (to === undefined || [entry.did, ...to].some((did) => peer.authenticated.has(did))) {
            at.push(follow.position);
            lines.push(line);
          } else if (entry.type === "event") {
            withheld.push({ at: follow.position, id: entry.id, did: entry.did, seq: entry.event.seq });
          }
        }
        const cursor = this.#cursor(follow.position);
        const hidden = withheld.length === 0 ? {} : { withheld };
        this.#send(peer, { t: "entries", ref, at, ...hidden, cursor }, lines);
      }
      const cursor = this.#cursor(follow.position);
      if (!follow.caughtUp) {
        follow.caughtUp = true;
        this.#send(peer, { t: "caught-up", ref, cursor });
        this.#send(peer, { t: "head", ref, cursor, checkpoint: this.#checkpoint() });
      }
      if (!live) {
        peer.follows.delete(ref);
        this.#send(peer, { t: "ended", ref, cursor });
      }
    }
  }

  #positionOf({ stream, position, check }: { stream: string; position: number; check: string }): number {
    if (stream !== this.stream) throw new AntsError("stream-changed", "another stream");
    const root = this.#roots[position];
    if (root === undefined) throw new AntsError("cursor-ahead", "beyond the log");
    if (!root.startsWith(check) && !this.isTrusting) throw new AntsError("cursor-mismatch", "another history");
    return position;
  }

  #cursor(position: number): string {
    return formatCursor({ stream: this.stream, position, root: this.#roots[position]! });
  }

  #checkpoint(): string {
    const origin = checkpointOrigin(this.url, this.stream);
    return signCheckpoint({ origin, size: this.lines.length, root: this.#frontier.root() }, this.#seed);
  }

  #info(): RelayInfo {
    return {
      name: "acceptor",
      url: this.url,
      stream: this.stream,
      key: encodeMultikey(publicKeyFromSeed(this.#seed)),
      limits: DEFAULT_LIMITS,
      policy: { durability: "fsync", hosting: "open" },
      software: "acceptor",
    };
  }

  #send(peer: Peer, message: RelayMessage, lines: readonly Uint8Array[] = []): void {
    const answer = this.onAnswer(message, lines);
    if (answer !== undefined) peer.socket.send(encodeFrame(answer, lines));
  }
}

function asRefusal({ code, message, head, promised, holder, seenMs }: Refusal) {
  const details = { ...(holder === undefined ? {} : { holder }), ...(seenMs === undefined ? {} : { seenMs }) };
  return {
    ...refusalOf(new AntsError(code, message, { details })),
    ...(head === undefined ? {} : { head }),
    ...(promised === undefined ? {} : { promised }),
  };
}
