import { AntsError } from "../../keys/errors.js";
import { AsyncQueue } from "../../src/client/async-queue.js";
import type { Dial, DialOptions, Socket, SocketClose } from "../../src/client/socket/socket.js";
import type { SimClock } from "./sim-clock.js";

/** What the serving side does with a new connection. */
export type Accept = (socket: Socket) => void;

interface Link {
  readonly client: SimSocket;
  readonly server: SimSocket;
}

export interface Line {
  /** One way, milliseconds. Messages of one connection stay in order. */
  delayMs: number;
  /** Connecting fails at once. */
  refuses: boolean;
  /** Nothing arrives, in either direction, and nobody is told: connecting hangs. */
  swallows: boolean;
}

/** Servers by URL, and the lines that lead to them. */
export class SimNetwork {
  readonly #clock: SimClock;
  readonly #servers = new Map<string, Accept>();
  readonly #lines = new Map<string, Line>();
  readonly #links = new Map<string, Set<Link>>();

  constructor(clock: SimClock) {
    this.#clock = clock;
  }

  listen(url: string, accept: Accept): void {
    this.#servers.set(url, accept);
  }

  /** The line to a server; change it at any time. */
  line(url: string): Line {
    let line = this.#lines.get(url);
    if (line === undefined) {
      line = { delayMs: 1, refuses: false, swallows: false };
      this.#lines.set(url, line);
    }
    return line;
  }

  /** Breaks every connection to a server, as a killed process does: both sides see 1006. */
  cut(url: string): void {
    for (const { client, server } of this.#links.get(url) ?? []) {
      client.dropped();
      server.dropped();
    }
    this.#links.get(url)?.clear();
  }

  readonly dial: Dial = async (url: string, options: DialOptions): Promise<Socket> => {
    const line = this.line(url);
    await this.#clock.sleep(line.delayMs * 2, options.signal);
    while (line.swallows) await this.#clock.sleep(1_000, options.signal);
    const accept = this.#servers.get(url);
    if (line.refuses || accept === undefined) {
      throw new AntsError("relay-unreachable", `cannot reach the relay ${url}: refused`, { details: { url } });
    }
    const client = new SimSocket(this.#clock, line);
    const server = new SimSocket(this.#clock, line);
    client.peer = server;
    server.peer = client;
    const links = this.#links.get(url) ?? new Set();
    this.#links.set(url, links.add({ client, server }));
    accept(server);
    return client;
  };
}

class SimSocket implements Socket {
  readonly messages = new AsyncQueue<Uint8Array>();
  readonly closed: Promise<SocketClose>;
  heard = 0;
  readonly unsentBytes = 0;
  peer!: SimSocket;
  readonly #clock: SimClock;
  readonly #line: Line;
  #open = true;
  /** When the message before arrives: the next one not earlier. */
  #lastArrivalMs = 0;
  #resolveClosed: (close: SocketClose) => void = () => {};

  constructor(clock: SimClock, line: Line) {
    this.#clock = clock;
    this.#line = line;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  send(message: Uint8Array): void {
    if (!this.#open) return;
    const copy = message.slice();
    this.#deliver(() => {
      this.peer.heard += 1;
      this.peer.messages.push(copy);
    });
  }

  ping(): boolean {
    this.#deliver(() => {
      this.peer.heard += 1;
      this.peer.#deliver(() => {
        this.heard += 1;
      });
    });
    return true;
  }

  close(code = 1000, reason = ""): void {
    if (!this.#open) return;
    this.#end({ code, reason });
    this.#deliver(() => this.peer.#end({ code, reason }));
  }

  /** The connection broke. */
  dropped(): void {
    this.#end({ code: 1006, reason: "" });
  }

  #end(close: SocketClose): void {
    if (!this.#open) return;
    this.#open = false;
    this.messages.end();
    this.#resolveClosed(close);
  }

  #deliver(arrive: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    const arrivalMs = Math.max(nowMs + this.#line.delayMs, this.#lastArrivalMs);
    this.#lastArrivalMs = arrivalMs;
    this.#clock.at(arrivalMs - nowMs, () => {
      if (!this.#line.swallows) arrive();
    });
  }
}
