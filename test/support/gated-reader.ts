import { once } from "node:events";
import { parseCursor, parseEntry, splitFrame } from "ants-agent";
import { WebSocket } from "ws";

/** A follower of a whole log that takes one message when it is told to, and nothing else from its socket meanwhile. */
export class GatedReader implements AsyncDisposable {
  /** Ids in the order in which they came; the first is that of position 1. */
  readonly ids: string[] = [];
  messages = 0;
  readonly #socket: WebSocket;
  readonly #waiting: Buffer[] = [];
  #onMessage: () => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async start(url: string): Promise<GatedReader> {
    const socket = new WebSocket(url, "ants.1");
    await once(socket, "message");
    const reader = new GatedReader(socket);
    socket.on("message", (data: Buffer) => {
      socket.pause();
      reader.#waiting.push(data);
      reader.#onMessage();
    });
    socket.on("close", () => reader.#onMessage());
    socket.send('{"t":"follow","ref":1,"after":"start"}\n');
    socket.pause();
    return reader;
  }

  /** Takes one message; throws when it is not the continuation of those before it. */
  async take(): Promise<void> {
    if (this.#waiting.length === 0) {
      const arrived = new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
      this.#socket.resume();
      await arrived;
    }
    const data = this.#waiting.shift();
    if (data === undefined) throw new Error("the connection ended");
    this.messages++;
    const { envelope, entries } = splitFrame(data);
    if (envelope.t === "refused" || envelope.t === "ended") throw new Error(data.toString());
    for (const [i, line] of entries.entries()) {
      const at = (envelope.at as number[])[i];
      this.ids.push(parseEntry(line).id);
      if (at !== this.ids.length) throw new Error(`position ${at} where ${this.ids.length} was due`);
    }
    const { position } = parseCursor(envelope.cursor as string);
    if (position !== this.ids.length) throw new Error(`cursor ${position} after ${this.ids.length} entries`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.removeAllListeners("close").terminate();
  }
}
