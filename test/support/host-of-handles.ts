import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A web server of this machine that answers for handles at it, in whatever way a test asks for. */
export class HostOfHandles implements AsyncDisposable {
  readonly #server: Server;
  readonly #port: number;
  answer: RequestListener;
  /** Paths that were asked for, with their query. */
  readonly asked: string[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    this.answer = (_, response) => response.writeHead(404).end();
    server.on("request", (request, response) => {
      this.asked.push(request.url!);
      this.answer(request, response);
    });
  }

  static async start(): Promise<HostOfHandles> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new HostOfHandles(server);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  handle(name: string): string {
    return `${name}@127.0.0.1:${this.#port}`;
  }

  says(type: string, body: string, headers: Record<string, string> = {}): void {
    this.answer = (_, response) => response.writeHead(200, { "content-type": type, ...headers }).end(body);
  }

  saysWhose(did: string, relays: readonly string[], headers?: Record<string, string>): void {
    const links = relays.map((href) => ({ rel: "https://ants.dev/rel/relay", href }));
    this.says("application/jrd+json", JSON.stringify({ aliases: [did], links }), headers);
  }

  redirects(to: string): void {
    this.answer = (_, response) => response.writeHead(302, { location: to }).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
