import { once } from "node:events";
import { WebSocket } from "ws";
import { RawAuthor } from "./raw-author.js";

/** Below the default rate of one agent, so that nobody is refused. */
const EVENTS_PER_SECOND = 150;

/** A publisher and a reader who behave: how long it takes from sending an event to reading it. */
export class LatencyPair implements AsyncDisposable {
  readonly #author = new RawAuthor();
  readonly #publisher: WebSocket;
  readonly #reader: WebSocket;
  #ref = 0;
  /** When the event with this id was sent. */
  readonly #sentMs = new Map<string, number>();
  #latenciesMs: number[] = [];
  #onArrival: () => void = () => undefined;
  #failure: Error | undefined;

  private constructor(publisher: WebSocket, reader: WebSocket) {
    this.#publisher = publisher;
    this.#reader = reader;
  }

  static async start(url: string): Promise<LatencyPair> {
    const [publisher, reader] = await Promise.all([greeted(url), greeted(url)]);
    const pair = new LatencyPair(publisher, reader);
    publisher.send(pair.#author.opening());
    await once(publisher, "message");
    reader.send(`{"t":"follow","ref":1,"after":"head","filter":{"dids":["${pair.#author.did}"]}}\n`);
    publisher.on("message", (data: Buffer) => {
      if (!data.subarray(0, 9).equals(Buffer.from('{"t":"ack'))) pair.#fail(new Error(data.toString()));
    });
    reader.on("message", (data: Buffer) => pair.#arrived(data, performance.now()));
    for (const socket of [publisher, reader]) socket.on("close", () => pair.#fail(new Error("a connection ended")));
    return pair;
  }

  /** Latencies of so many events, in milliseconds, ascending. Rejects when an event is refused or a connection ends. */
  async measure(events: number): Promise<number[]> {
    this.#latenciesMs = [];
    let sent = 0;
    const timer = setInterval(() => {
      if (sent++ < events) this.#send();
      else clearInterval(timer);
    }, 1000 / EVENTS_PER_SECOND);
    try {
      while (this.#latenciesMs.length < events && this.#failure === undefined) {
        await new Promise<void>((resolve) => {
          this.#onArrival = resolve;
        });
      }
      if (this.#failure !== undefined) throw this.#failure;
      return this.#latenciesMs.sort((a, b) => a - b);
    } finally {
      clearInterval(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [this.#publisher, this.#reader]) socket.removeAllListeners("close").terminate();
  }

  #send(): void {
    const [event] = this.#author.write(1);
    const frame = this.#author.frame(++this.#ref, [event!]);
    this.#sentMs.set(event!.id, performance.now());
    this.#publisher.send(frame);
  }

  #arrived(data: Buffer, nowMs: number): void {
    for (const line of data.toString().split("\n")) {
      const id = /"id":"([0-9a-f]{64})","key"/.exec(line)?.[1];
      const sentMs = id === undefined ? undefined : this.#sentMs.get(id);
      if (sentMs === undefined) continue;
      this.#sentMs.delete(id!);
      this.#latenciesMs.push(nowMs - sentMs);
    }
    this.#onArrival();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#onArrival();
  }
}

async function greeted(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, "ants.1");
  await once(socket, "message");
  return socket;
}
