import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createChallenge, encodeFrame, systemPorts } from "ants-agent";
import { encodeMultikey, publicKeyFromSeed } from "ants-agent/keys";
import { type WebSocket, WebSocketServer } from "ws";

const STREAM = "00000000000000ff";
const POLICY = { durability: "fsync", hosting: "open" };

/** A relay that answers a question about an identity with frames of these lines, for as long as the other side listens. */
export class FloodingRelay implements AsyncDisposable {
  readonly url: string;
  readonly stream = STREAM;
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer, lines: readonly string[]) {
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    const { url } = this;
    const key = encodeMultikey(publicKeyFromSeed(new Uint8Array(32)));
    const relay = { name: "liar", url, stream: STREAM, key, limits: {}, policy: POLICY, software: "none" };
    server.on("connection", (socket) => {
      const challenge = createChallenge(systemPorts.random);
      const cursor = `${STREAM}.0.e3b0c442`;
      socket.send(text(encodeFrame({ t: "hello", v: 1, relay, challenge, head: { cursor, checkpoint: "" } })));
      socket.on("message", (message) => {
        const { t, ref } = JSON.parse(message.toString().split("\n")[0]!) as { t: string; ref: number };
        if (t === "follow") sendForever(socket, ref, lines);
      });
    });
  }

  static async start(lines: readonly string[]): Promise<FloodingRelay> {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "ants.1" });
    await once(server, "listening");
    return new FloodingRelay(server, lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function sendForever(socket: WebSocket, ref: number, lines: readonly string[]): void {
  let position = 0;
  const next = (): void => {
    if (socket.readyState !== socket.OPEN) return;
    const at = lines.map(() => ++position);
    const envelope = { t: "entries", ref, at, cursor: `${STREAM}.${position}.00000000` };
    socket.send(text(encodeFrame(envelope, lines)), () => setImmediate(next));
  };
  next();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
