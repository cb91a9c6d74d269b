import { AntsError } from "../../../keys/errors.js";
import { AsyncQueue } from "../../../src/client/async-queue.js";
import type { Dial, Socket, SocketClose } from "../../../src/client/socket/socket.js";
import type { SimClock } from "../sim-clock.js";
import type { SimRandom } from "../sim-random.js";
import type { SimProcess } from "./sim-process.js";

/** Who answers at a URL, and what it does with a new connection. */
export interface Listener {
  readonly process: SimProcess;
  accept(socket: WireEnd): void;
}

/** Told of every message that a client hands to its socket, before it goes anywhere. */
export type Tap = (from: SimProcess, url: string, message: Uint8Array) => void;

/** How often it is looked whether a partition is over. */
const RETRY_MS = 400;

/**
 * Connections between simulated processes. Within one connection messages arrive in order or not at all; a connection
 * that breaks leaves open what arrived, and what was under way may still arrive after the client has dialled again.
 */
export class Wire {
  readonly #clock: SimClock;
  readonly #random: SimRandom;
  readonly #listeners = new Map<string, Listener>();
  /** `<host> <url>` of pairs between which nothing passes. */
  readonly #blocked = new Set<string>();
  readonly #links = new Set<Link>();
  readonly #tap: Tap;
  maxDelayMs = 20;

  constructor(clock: SimClock, random: SimRandom, tap: Tap) {
    this.#clock = clock;
    this.#random = random;
    this.#tap = tap;
  }

  listen(url: string, listener: Listener): void {
    this.#listeners.set(url, listener);
  }

  block(host: string, url: string): void {
    this.#blocked.add(`${host} ${url}`);
  }

  unblock(): void {
    this.#blocked.clear();
  }

  isBlocked(host: string, url: string): boolean {
    return this.#blocked.has(`${host} ${url}`);
  }

  delayMs(): number {
    return 0.2 + this.#random.next() * this.maxDelayMs;
  }

  /** Breaks connections that `which` says yes to. What is on its way to the server arrives, or part of it. */
  cut(which: (process: SimProcess, url: string) => boolean): number {
    let count = 0;
    for (const link of this.#links) {
      if (!which(link.client.process, link.url)) continue;
      count += 1;
      link.losesFrom = this.#random.next() < 0.5 ? this.#clock.monotonicMs() : Number.POSITIVE_INFINITY;
      link.client.dropped();
      this.#clock.at(this.delayMs() * 4, () => link.server.process.deliver(() => link.server.dropped()));
      this.#links.delete(link);
    }
    return count;
  }

  /** A process ended: whoever it talked with hears of it soon, or after its own patience. */
  ended(process: SimProcess): void {
    for (const link of this.#links) {
      if (link.client.process !== process && link.server.process !== process) continue;
      this.#links.delete(link);
      const other = link.client.process === process ? link.server : link.client;
      if (other === link.server || this.#random.next() < 0.8) {
        this.#clock.at(this.delayMs(), () => other.process.deliver(() => other.dropped()));
      }
    }
  }

  /** How a process on a host dials. */
  dialOf(process: SimProcess, host: string): Dial {
    return async (url, { signal }): Promise<Socket> => {
      await process.clock.sleep(this.delayMs() * 2, signal);
      while (this.isBlocked(host, url)) await process.clock.sleep(RETRY_MS, signal);
      const listener = this.#listeners.get(url);
      if (listener === undefined || listener.process.isDead) {
        throw new AntsError("relay-unreachable", `cannot reach the relay ${url}: refused`, { details: { url } });
      }
      const link = new Link(this, host, url, process, listener.process);
      this.#links.add(link);
      listener.process.deliver(() => listener.accept(link.server));
      return link.client;
    };
  }

  /** Carries a message, in the order of the calls for one direction of one link. */
  carry(link: Link, to: WireEnd, lastArrivalMs: number, arrive: () => void, message?: Uint8Array): number {
    const nowMs = this.#clock.monotonicMs();
    if (message !== undefined && to === link.server) this.#tap(link.client.process, link.url, message);
    const arrivalMs = Math.max(nowMs + this.delayMs(), lastArrivalMs);
    this.#clock.at(arrivalMs - nowMs, () => this.#arrive(link, to, nowMs, arrive));
    return arrivalMs;
  }

  #arrive(link: Link, to: WireEnd, sentMs: number, arrive: () => void): void {
    // It was lost with its connection.
    if (sentMs >= link.losesFrom) return;
    const { held } = to;
    if (held.length > 0 || this.isBlocked(link.host, link.url)) {
      held.push(arrive);
      if (held.length === 1) this.#clock.at(RETRY_MS, () => this.#release(link, to));
      return;
    }
    this.#handOver(link, to, arrive);
  }

  /** What a partition held back goes on, in its order, once it is over. */
  #release(link: Link, to: WireEnd): void {
    if (this.isBlocked(link.host, link.url)) {
      this.#clock.at(RETRY_MS, () => this.#release(link, to));
      return;
    }
    const { held } = to;
    for (const arrive of held.splice(0)) this.#clock.at(0, () => this.#handOver(link, to, arrive));
  }

  #handOver(link: Link, to: WireEnd, arrive: () => void): void {
    const from = to === link.server ? link.client : link.server;
    if (to.process.isDead) from.process.deliver(() => from.dropped());
    else to.process.deliver(arrive);
  }
}

class Link {
  readonly host: string;
  readonly url: string;
  readonly client: WireEnd;
  readonly server: WireEnd;
  /** What was sent later than this is lost. */
  losesFrom = Number.POSITIVE_INFINITY;

  constructor(wire: Wire, host: string, url: string, client: SimProcess, server: SimProcess) {
    this.host = host;
    this.url = url;
    this.client = new WireEnd(wire, this, client);
    this.server = new WireEnd(wire, this, server);
  }
}

/** One end of a connection. */
export class WireEnd implements Socket {
  readonly process: SimProcess;
  readonly messages = new AsyncQueue<Uint8Array>();
  readonly closed: Promise<SocketClose>;
  readonly unsentBytes = 0;
  heard = 0;
  /** What is on its way to this end and held back by a partition. */
  readonly held: (() => void)[] = [];
  /** Called with every sign of life from the other end. */
  onHeard: () => void = () => {};
  readonly #wire: Wire;
  readonly #link: Link;
  #isOpen = true;
  #lastArrivalMs = 0;
  #resolveClosed: (close: SocketClose) => void = () => {};

  constructor(wire: Wire, link: Link, process: SimProcess) {
    this.#wire = wire;
    this.#link = link;
    this.process = process;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  send(message: Uint8Array): void {
    const peer = this.#peer;
    const copy = message.slice();
    this.#carry(() => {
      peer.#hear();
      peer.messages.push(copy);
    }, copy);
  }

  ping(): boolean {
    const peer = this.#peer;
    this.#carry(() => {
      peer.#hear();
      peer.#carry(() => this.#hear());
    });
    return true;
  }

  close(code = 1000, reason = ""): void {
    const peer = this.#peer;
    this.#carry(() => peer.#end({ code, reason }));
    this.#end({ code, reason });
  }

  /** The connection broke. */
  dropped(): void {
    this.#end({ code: 1006, reason: "" });
  }

  get #peer(): WireEnd {
    return this.#link.client === this ? this.#link.server : this.#link.client;
  }

  #hear(): void {
    this.heard += 1;
    this.onHeard();
  }

  #carry(arrive: () => void, message?: Uint8Array): void {
    if (!this.#isOpen || this.process.isDead) return;
    this.#lastArrivalMs = this.#wire.carry(this.#link, this.#peer, this.#lastArrivalMs, arrive, message);
  }

  #end(close: SocketClose): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.messages.end();
    this.#resolveClosed(close);
  }
}
