import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";

/**
 * Stands between a relay and everybody: what agents send gets through and is acknowledged; of what readers get, the
 * events of one agent are taken out, by WebSocket and by HTTP, as a relay does that wants somebody silent and unaware.
 */
export class CensoringProxy implements AsyncDisposable {
  readonly url: string;
  /** The agent, once it is to be silenced. */
  silenced: string | undefined;
  /** It says of those events that they are there for others, as of addressed ones. */
  claimsAddressed = false;
  /** What it answers a question for anybody's head with, instead of the relay's answer. */
  head: string | undefined;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  #target = "";

  private constructor(server: Server) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#sockets = new WebSocketServer({ server, perMessageDeflate: false });
    this.#sockets.on("connection", (socket, request) => this.#pass(socket, request));
    server.on("request", (request, response) => {
      void (async () => {
        const answer = await fetch(`${this.#target.replace(/^ws/, "http")}${request.url}`);
        const isHead = request.url!.endsWith("/head");
        const body = (isHead ? this.head : undefined) ?? this.#censored(await answer.text());
        const type = answer.headers.get("content-type") ?? "text/plain";
        response.writeHead(answer.status, { "content-type": type }).end(body);
      })().catch(() => response.destroy());
    });
  }

  static async start(): Promise<CensoringProxy> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new CensoringProxy(server);
  }

  /** ws://… of the relay behind it. */
  target(url: string): void {
    this.#target = url;
  }

  #pass(socket: WebSocket, request: IncomingMessage): void {
    const relay = new WebSocket(`${this.#target}${request.url}`, request.headers["sec-websocket-protocol"], {
      perMessageDeflate: false,
    });
    const waiting: string[] = [];
    socket.on("message", (data) => {
      if (relay.readyState === WebSocket.OPEN) relay.send(data.toString());
      else waiting.push(data.toString());
    });
    relay.on("open", () => {
      for (const text of waiting) relay.send(text);
    });
    relay.on("message", (data) => socket.send(this.#censored(data.toString())));
    for (const [one, other] of [
      [socket, relay],
      [relay, socket],
    ] as const) {
      one.on("close", () => other.close());
      one.on("error", () => other.close());
    }
  }

  /** A frame of entries without those of the silenced agent. */
  #censored(frame: string): string {
    const [envelope, ...lines] = frame.split("\n");
    if (this.silenced === undefined || !envelope!.includes('"t":"entries"')) return frame;
    const message = JSON.parse(envelope!) as { at: number[]; withheld?: unknown[] };
    const entries = lines.filter((line) => line !== "");
    const kept = entries.map((line) => !(line.includes(`"did":"${this.silenced}"`) && line.includes('"type":"event"')));
    if (this.claimsAddressed) {
      message.withheld = entries.flatMap((line, i) => (kept[i] ? [] : [withheldOf(line, message.at[i]!)]));
    }
    message.at = message.at.filter((_, i) => kept[i]);
    return [JSON.stringify(message), ...entries.filter((_, i) => kept[i])].map((line) => `${line}\n`).join("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

function withheldOf(line: string, at: number): unknown {
  const { id, did, seq } = JSON.parse(line) as { id: string; did: string; seq: number };
  return { at, id, did, seq };
}
