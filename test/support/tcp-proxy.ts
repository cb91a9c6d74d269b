import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface TcpProxyOptions {
  /** Where it leads: host and port are taken from this ws: or http: URL. Change it with {@link TcpProxy.target}. */
  readonly target?: string;
  /** Added to everything that passes, one way, milliseconds. */
  readonly delayMs?: number;
}

/**
 * A relay's place on the network: one address that stays, whatever happens behind it. It can be slow, refuse
 * connections, or swallow everything without a word.
 */
export class TcpProxy implements AsyncDisposable {
  delayMs: number;
  /** Nothing passes any more, in either direction, and nobody is told. */
  isBlackHole = false;
  #target: { readonly host: string; readonly port: number } | undefined;
  #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number, { target, delayMs = 0 }: TcpProxyOptions) {
    this.#server = server;
    this.#port = port;
    this.delayMs = delayMs;
    if (target !== undefined) this.target(target);
  }

  static async start(options: TcpProxyOptions = {}): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new TcpProxy(server, (server.address() as AddressInfo).port, options);
    server.on("connection", (socket) => proxy.#accept(socket));
    return proxy;
  }

  /** ws://… */
  get url(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }

  /** Where connections go to: what stands behind it is reached there also while it refuses. */
  get targetUrl(): string {
    return `ws://${this.#target!.host}:${this.#target!.port}`;
  }

  target(url: string): void {
    const { hostname, port } = new URL(url);
    this.#target = { host: hostname, port: Number(port) };
  }

  /** Connections are refused from now on, and those that are open break. */
  async refuse(): Promise<void> {
    const { promise, resolve } = gate();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  /** Takes connections again, at the same address. */
  async accept(): Promise<void> {
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.refuse();
  }

  #accept(near: Socket): void {
    const far = this.#target === undefined ? undefined : connect(this.#target);
    for (const socket of far === undefined ? [near] : [near, far]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        near.destroy();
        far?.destroy();
      });
    }
    if (far === undefined) {
      near.destroy();
      return;
    }
    this.#pipe(near, far);
    this.#pipe(far, near);
  }

  #pipe(from: Socket, to: Socket): void {
    from.on("data", (bytes) => {
      if (this.isBlackHole) return;
      const pass = () => {
        if (!this.isBlackHole && !to.destroyed) to.write(bytes);
      };
      if (this.delayMs === 0) pass();
      else setTimeout(pass, this.delayMs);
    });
  }
}

function gate(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
