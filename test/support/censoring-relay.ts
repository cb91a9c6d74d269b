import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { startTestRelay, type TestRelay, type TestRelayOptions } from "ants-agent/testing";
import { type RawData, WebSocket, WebSocketServer } from "ws";

/**
 * A relay that lies: it acknowledges the events of some agents and drops them. Everything else it does as a real relay,
 * which stands behind it; the address, the stream and the signed heads are its own. For tests only: no relay of ours
 * can be told to do this.
 */
export class CensoringRelay implements AsyncDisposable {
  /** DIDs whose events are dropped from now on. */
  readonly censored = new Set<string>();
  /** Events that were acknowledged and dropped. */
  dropped = 0;
  readonly relay: TestRelay;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #open = new Set<WebSocket>();

  /** Where the real relay listens: its URL is this one's. */
  readonly #behind: { readonly host: string; readonly port: number };

  private constructor(relay: TestRelay, behind: { readonly host: string; readonly port: number }, server: Server) {
    this.relay = relay;
    this.#behind = behind;
    this.#server = server;
    this.#sockets = new WebSocketServer({ server, handleProtocols: (names) => [...names][0] ?? false });
    this.#sockets.on("connection", (near) => this.#connect(near));
    server.on("request", (asked, response) => void this.#forward(asked, response));
  }

  static async start({ config, log, ...options }: TestRelayOptions = {}): Promise<CensoringRelay> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const publicUrl = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const behind = { host: "127.0.0.1", port: 0 };
    const relay = await startTestRelay({
      ...options,
      config: { ...config, publicUrl },
      log: (record) => {
        if (record.event === "listening") behind.port = Number(record.port);
        log?.(record);
      },
    });
    return new CensoringRelay(relay, behind, server);
  }

  get url(): string {
    return this.relay.url;
  }

  get stream(): string {
    return this.relay.stream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.terminate();
    this.#sockets.close();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.relay.close();
  }

  #connect(near: WebSocket): void {
    const { host, port } = this.#behind;
    const far = new WebSocket(`ws://${host}:${port}`, near.protocol);
    const early: string[] = [];
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#open.delete(socket);
        other.terminate();
      });
    }
    far.on("open", () => {
      for (const frame of early) far.send(frame);
    });
    far.on("message", (data: RawData) => near.send(data.toString()));
    near.on("message", (data: RawData) => {
      const { passed, answer } = this.#censor(data.toString());
      if (answer !== undefined) near.send(answer);
      if (passed === undefined) return;
      if (far.readyState === WebSocket.OPEN) far.send(passed);
      else early.push(passed);
    });
  }

  /** What of a frame goes on to the real relay, and what is answered here. */
  #censor(frame: string): { readonly passed?: string; readonly answer?: string } {
    const [envelope, ...lines] = frame.split("\n").filter((line) => line !== "");
    const { t, ref } = JSON.parse(envelope!) as { t: string; ref: number };
    const dids = lines.map((line) => JSON.parse(line) as { type: string; did?: string });
    const isCensored = dids.every(({ type, did }) => type === "event" && this.censored.has(did ?? ""));
    if (t !== "publish" || !isCensored) return { passed: frame };
    this.dropped += lines.length;
    const at = lines.map((_, i) => this.relay.position + 1 + i);
    return { answer: `${JSON.stringify({ t: "ack", ref, at })}\n` };
  }

  async #forward(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(asked);
    const { passed, answer } = asked.url === "/entries" && body.length > 0 ? this.#censor(body.toString()) : {};
    if (answer !== undefined && passed === undefined) {
      response.end(answer);
      return;
    }
    const { host, port } = this.#behind;
    const { method = "GET", url = "/", headers } = asked;
    const onward = request({ host, port, method, path: url, headers }, (answered) => {
      response.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(response);
    });
    onward.on("error", () => response.destroy());
    onward.end(body);
  }
}
