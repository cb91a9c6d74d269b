import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * The way of one host to one relay, where hosts are only folders: a port that leads to the relay's. While it is shut
 * nothing passes, in either direction, and nobody is told, as with a cable that was pulled.
 */
export class TcpGate implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #listeners = new Set<() => void>();
  #isShut = false;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async open(target: number): Promise<TcpGate> {
    const server = createServer({ pauseOnConnect: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const gate = new TcpGate(server);
    server.on("connection", (near) => gate.#accept(near, target));
    return gate;
  }

  shut(): void {
    this.#isShut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was on its way while it was shut arrives now. */
  reopen(): void {
    this.#isShut = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Resolves when something passes next. */
  passing(): Promise<void> {
    return new Promise((resolve) => this.#listeners.add(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(near: Socket, target: number): void {
    const far = connect({ port: target, host: "127.0.0.1" });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (bytes) => {
        for (const tell of this.#listeners) tell();
        this.#listeners.clear();
        to.write(bytes);
      });
      from.on("end", () => to.end());
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#isShut) from.pause();
      else from.resume();
    }
  }
}
