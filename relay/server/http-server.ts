/** The one port of a relay: HTTP requests and upgrades, with limits on everything that a client can hold open. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { AntsError } from "../../keys/errors.js";
import { refusalOf } from "../../src/protocol/refusal.js";
import { AnswerLine, MAX_REQUESTS_PER_CONNECTION } from "./answer-line.js";
import { addressGroup, clientAddress } from "./client-address.js";
import { JSON_TYPE, replyError, statusOf } from "./http-reply.js";
import type { RelayContext } from "./relay-context.js";
import { routeOf } from "./routes.js";
import type { SocketServer } from "./socket-server.js";
import { TokenBuckets } from "./token-buckets.js";
import { refuseUpgrade } from "./upgrade-refusal.js";

/** An idle connection is kept this long for the next request. */
const KEEP_ALIVE_MS = 5_000;
/** Bytes of a request's header: more than any honest client sends. */
const MAX_HEADER_BYTES = 16 * 1024;
/** Connections above the bound that are told why before they are closed; beyond these they are closed at once. */
const MAX_REFUSED_CONNECTIONS = 64;
/** Seconds of new connections that an address may open at once. */
const CONNECTION_BURST_S = 5;
/** Connections above the rate that are told why, a second and address; the others are closed without a word. */
const REFUSALS_PER_SECOND = 10;
/** What a relay that is closing still answers, so that whoever watches it learns why it goes. */
const HEALTH_PATHS: readonly string[] = ["/healthz", "/readyz"];
/** Where a URL needs a host to be parsed. */
const ANY_HOST = "http://relay";

export class HttpServer {
  readonly #context: RelayContext;
  readonly #sockets: SocketServer;
  readonly #server: Server;
  readonly #perAddress = new Map<string, number>();
  readonly #newConnections: TokenBuckets;
  readonly #refusals: TokenBuckets;
  readonly #lines = new WeakMap<Socket, AnswerLine>();
  #connections = 0;
  #isDraining = false;
  /** Requests that are being answered. */
  readonly #exchanges = new Set<AbortController>();

  constructor(context: RelayContext, sockets: SocketServer) {
    this.#context = context;
    this.#sockets = sockets;
    const { headersTimeoutMs, requestTimeoutMs, silenceTimeoutMs, maxConnections, connectionsPerSecond } =
      context.config;
    const rate = { perSecond: connectionsPerSecond, burst: CONNECTION_BURST_S * connectionsPerSecond };
    this.#newConnections = new TokenBuckets(rate, context.clock);
    this.#refusals = new TokenBuckets({ perSecond: REFUSALS_PER_SECOND, burst: REFUSALS_PER_SECOND }, context.clock);
    this.#server = createServer({
      headersTimeout: headersTimeoutMs,
      requestTimeout: Math.max(headersTimeoutMs, requestTimeoutMs),
      connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
    });
    this.#server.timeout = silenceTimeoutMs;
    this.#server.maxConnections = maxConnections + MAX_REFUSED_CONNECTIONS;
    this.#server.on("connection", (socket) => this.#accept(socket));
    this.#server.on("request", (request, response) => void this.#answer(request, response));
    this.#server.on("upgrade", (request, socket, head) => {
      // The HTTP side's inactivity bound ends here; the WebSocket side has its own.
      (socket as Socket).setTimeout(0);
      this.#sockets.upgrade(request, socket, head);
    });
    this.#server.on("checkContinue", (request, response) => {
      response.writeContinue();
      void this.#answer(request, response);
    });
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
      else refuseUpgrade(socket, clientError(error, context));
    });
  }

  /** Starts to listen. Throws `listen-failed`. */
  listen(): Promise<AddressInfo> {
    const { host, port } = this.#context.config;
    return new Promise((resolve, reject) => {
      const onError = (cause: NodeJS.ErrnoException) => {
        const hint = cause.code === "EADDRINUSE" ? "stop the other program, or choose another --port" : undefined;
        reject(
          new AntsError("listen-failed", `cannot listen on ${host}:${port}: ${cause.message}`, {
            cause,
            ...(hint === undefined ? {} : { hint }),
            details: { host, port },
          }),
        );
      };
      this.#server.once("error", onError);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", onError);
        this.#server.on("error", (error) => this.#context.onFault(error));
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  /** Ends long polls and event streams; from now on only questions about the relay's health are answered. */
  drain(): void {
    this.#isDraining = true;
    for (const exchange of this.#exchanges) exchange.abort();
  }

  /** Accepts nothing more; resolves when every connection is closed. */
  async close(): Promise<void> {
    this.drain();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await closed;
  }

  /** Cuts what is left. */
  terminate(): void {
    this.#server.closeAllConnections();
  }

  #accept(socket: Socket): void {
    const { maxConnections, maxConnectionsPerAddress } = this.#context.config;
    const address = addressGroup(socket.remoteAddress ?? "unknown");
    if (this.#isTooOften(socket, address)) return;
    const ofAddress = (this.#perAddress.get(address) ?? 0) + 1;
    this.#perAddress.set(address, ofAddress);
    this.#connections += 1;
    socket.once("close", () => {
      this.#connections -= 1;
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, left);
    });
    if (this.#connections > maxConnections) this.#refuse(socket, "maxConnections", maxConnections);
    else if (maxConnectionsPerAddress > 0 && ofAddress > maxConnectionsPerAddress) {
      this.#refuse(socket, "maxConnectionsPerAddress", maxConnectionsPerAddress);
    }
  }

  /** Counts a new connection against its address's rate; true when it was refused. */
  #isTooOften(socket: Socket, address: string): boolean {
    const { connectionsPerSecond: value, trustProxy } = this.#context.config;
    if (value === 0 || trustProxy) return false;
    const retryAfterMs = this.#newConnections.take(address, 1);
    if (retryAfterMs === 0) return false;
    if (this.#refusals.take(address, 1) > 0) {
      socket.resetAndDestroy();
      return true;
    }
    socket.removeAllListeners("data");
    const message = `one address may open ${value} connections a second here`;
    const details = { limit: "connectionsPerSecond", value, burst: CONNECTION_BURST_S * value, retryAfterMs };
    refuseUpgrade(socket, new AntsError("rate-limited", message, { details }));
    return true;
  }

  #refuse(socket: Socket, limit: string, value: number): void {
    const whose = limit === "maxConnections" ? "" : " of one address";
    socket.removeAllListeners("data");
    refuseUpgrade(
      socket,
      new AntsError("overloaded", `this relay takes ${value} connections${whose}`, {
        details: { limit, value, retryAfterMs: KEEP_ALIVE_MS },
      }),
    );
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const line = this.#lineOf(socket);
    response.on("error", () => undefined);
    const admitted = line.enter();
    if (admitted === "cut") socket.destroy();
    if (admitted === "cut" || socket.destroyed) return;
    allowReading(request, response);
    if (admitted === "refuse") {
      // Out of turn: Node keeps it until those before it are answered.
      refuseRequest(response);
      return;
    }
    await line.turn();
    if (socket.destroyed) return;
    const over = new AbortController();
    // One by one, not by AbortSignal.any: a signal of the relay's whole life would remember every request it was part of.
    this.#exchanges.add(over);
    if (this.#isDraining) over.abort();
    response.once("close", () => {
      this.#exchanges.delete(over);
      over.abort();
      line.leave();
    });
    await this.#answerNow(request, response, over.signal);
  }

  async #answerNow(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const context = this.#context;
    try {
      if (request.method === "OPTIONS") {
        response.writeHead(204).end();
        return;
      }
      const url = urlOf(request);
      if (context.isClosing() && !HEALTH_PATHS.includes(url.pathname)) throw shuttingDown();
      const { route, params } = routeOf(request.method ?? "GET", url.pathname);
      const address = clientAddress(request, context.config.trustProxy);
      await route.handle({ request, response, url, params: params.map(decode), address, signal, context });
    } catch (error) {
      if (error instanceof AntsError && error.code === "method-not-allowed") {
        response.setHeader("allow", (error.details.allowed as string[]).join(", "));
      }
      await replyError({ response, context }, error);
    }
  }

  #lineOf(socket: Socket): AnswerLine {
    let line = this.#lines.get(socket);
    if (line === undefined) {
      const made = new AnswerLine();
      line = made;
      this.#lines.set(socket, made);
      socket.once("close", () => made.close());
    }
    return line;
  }
}

/** Pages of other origins may read everything that is public; nothing here depends on cookies. */
function allowReading(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader("x-content-type-options", "nosniff");
  const { method } = request;
  if (method !== "GET" && method !== "HEAD" && method !== "OPTIONS") return;
  response.setHeader("access-control-allow-origin", "*");
  if (method !== "OPTIONS") return;
  response.setHeader("access-control-allow-methods", "GET, HEAD");
  response.setHeader("access-control-allow-headers", "last-event-id");
  response.setHeader("access-control-max-age", "86400");
}

function urlOf(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? "/", ANY_HOST);
  } catch (cause) {
    throw new AntsError("bad-request", "the request's target is no URL", { cause });
  }
}

function decode(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? "");
  } catch (cause) {
    throw new AntsError("bad-request", "the request's path is not well encoded", { cause });
  }
}

function shuttingDown(): AntsError {
  return new AntsError("shutting-down", "the relay is shutting down", { hint: "try again in a moment" });
}

function refuseRequest(response: ServerResponse): void {
  const value = MAX_REQUESTS_PER_CONNECTION;
  const details = { limit: "requestsPerConnection", value, retryAfterMs: 1000 };
  const error = new AntsError("overloaded", `a connection has at most ${value} requests under way`, { details });
  response.writeHead(statusOf(error.code), { "content-type": JSON_TYPE, "retry-after": "1" });
  response.end(`${JSON.stringify({ t: "refused", ...refusalOf(error) })}\n`);
}

function clientError(error: NodeJS.ErrnoException, { config }: RelayContext): AntsError {
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") {
    const { headersTimeoutMs, requestTimeoutMs } = config;
    return new AntsError(
      "request-timeout",
      `a request's header must arrive within ${headersTimeoutMs} ms, all of it within ${requestTimeoutMs} ms`,
      { details: { headersTimeoutMs, requestTimeoutMs } },
    );
  }
  if (error.code === "HPE_HEADER_OVERFLOW") {
    return new AntsError("too-large", `a request's header has at most ${MAX_HEADER_BYTES} bytes`, {
      details: { limit: "headerBytes", value: MAX_HEADER_BYTES },
    });
  }
  return new AntsError("bad-request", "this is not HTTP");
}
