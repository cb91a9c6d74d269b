/** The WebSocket side of the relay: upgrades, versions, and a look at every connection about once a second. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ServerOptions, WebSocket, WebSocketServer } from "ws";
import { AntsError } from "../../keys/errors.js";
import { createChallenge } from "../../src/protocol/auth.js";
import { encodeFrame } from "../../src/protocol/frame.js";
import { refusalOf } from "../../src/protocol/refusal.js";
import { chooseSubprotocol, versionUnsupported } from "../../src/protocol/version.js";
import { ByteBudget } from "./byte-budget.js";
import { clientAddress } from "./client-address.js";
import { Liveness } from "./liveness.js";
import type { RelayContext } from "./relay-context.js";
import { Session } from "./session.js";
import { refuseUpgrade } from "./upgrade-refusal.js";

/** Pieces of one message: browsers cut large messages into a few, nobody needs more. Each costs memory of its own. */
const MAX_FRAGMENTS = 128;
/** Reads of the network that one message may take: 128 bytes each at the least for the largest. */
const MAX_BUFFERED_CHUNKS = 8_192;
/** How long a closing connection may take to answer the close frame. */
const CLOSE_TIMEOUT_MS = 5_000;
/** How often every connection is looked at, at the least. */
const BEAT_MS = 1_000;
const TRY_AGAIN_LATER = 1013;
const MESSAGE_TOO_BIG = 1009;

interface Connection {
  readonly socket: WebSocket;
  readonly session: Session;
  readonly liveness: Liveness;
  lastSignMs: number;
  lastPingMs: number;
}

export class SocketServer {
  readonly #context: RelayContext;
  readonly #server: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #unfinished: ByteBudget;
  readonly #beat: NodeJS.Timeout;
  readonly #stopWaking: () => void;

  constructor(context: RelayContext) {
    this.#context = context;
    this.#unfinished = new ByteBudget(context.config.maxAwaitingBytes);
    const options: ServerOptions & { maxFragments: number; maxBufferedChunks: number; closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      maxPayload: context.limits.maxFrameBytes,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_BUFFERED_CHUNKS,
      closeTimeout: CLOSE_TIMEOUT_MS,
      perMessageDeflate: false,
      // Envelopes and lines are checked as strict UTF-8 by their own readers.
      skipUTF8Validation: true,
      handleProtocols: (offered) => chooseSubprotocol(offered) ?? false,
      WebSocket: socketClass(context.limits.maxFrameBytes),
    };
    this.#server = new WebSocketServer(options);
    this.#beat = setInterval(() => this.#look(), Math.min(BEAT_MS, context.config.pingIntervalMs));
    this.#stopWaking = context.ledger.onAdvance(() => {
      for (const { session } of this.#connections) session.wake();
    });
  }

  /** Connections that are open or closing. */
  get size(): number {
    return this.#connections.size;
  }

  /** Answers an upgrade request: with a connection, or with the reason why not as JSON. */
  upgrade(request: IncomingMessage, tcp: Duplex, head: Buffer): void {
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    if (this.#context.isClosing()) {
      refuseUpgrade(tcp, shuttingDown());
    } else if (request.headers.upgrade?.toLowerCase() !== "websocket") {
      refuseUpgrade(tcp, new AntsError("bad-request", "this relay upgrades to WebSocket and nothing else"));
    } else if (chooseSubprotocol(offered) === undefined) {
      refuseUpgrade(tcp, versionUnsupported(offered.filter((name) => name !== "")));
    } else {
      void this.#upgradeInTurn(request, tcp as Socket, head);
    }
  }

  /** A new connection is a moment's work for the relay: hundreds at once would hold up everybody else's messages. */
  async #upgradeInTurn(request: IncomingMessage, tcp: Socket, head: Buffer): Promise<void> {
    // Until ws takes it over nobody else listens for its errors.
    const onError = () => undefined;
    tcp.on("error", onError);
    await this.#context.turns.next(clientAddress(request, this.#context.config.trustProxy));
    tcp.off("error", onError);
    if (this.#context.isClosing()) refuseUpgrade(tcp, shuttingDown());
    else if (tcp.destroyed) tcp.destroy();
    else this.#server.handleUpgrade(request, tcp, head, (socket) => this.#open(socket, tcp, request));
  }

  /** Closes every connection with 1001 after what is already on its way to it; the rest is cut by {@link terminate}. */
  async close(): Promise<void> {
    clearInterval(this.#beat);
    this.#stopWaking();
    const closed = [...this.#connections].map(
      ({ socket }) => new Promise<void>((resolve) => socket.once("close", () => resolve())),
    );
    for (const { session } of this.#connections) session.close("the relay is shutting down");
    await Promise.all(closed);
  }

  terminate(): void {
    for (const { socket } of this.#connections) socket.terminate();
  }

  #open(socket: WebSocket, tcp: Socket, request: IncomingMessage): void {
    const { context } = { context: this.#context };
    const nowMs = () => context.clock.monotonicMs();
    const challenge = createChallenge(context.random);
    const address = clientAddress(request, context.config.trustProxy);
    const session = new Session({ socket, address, challenge, context });
    const liveness = new Liveness(socket, tcp, {
      unfinished: this.#unfinished,
      nowMs,
      turn: () => context.turns.next(address),
      onMore: () => this.#dropOldestUnfinished(),
    });
    const connection: Connection = { socket, session, liveness, lastSignMs: nowMs(), lastPingMs: nowMs() };
    this.#connections.add(connection);
    tcp.setNoDelay(true);
    socket.on("error", (error) => context.log.write("debug", "connection-error", { address, error: error.message }));
    socket.once("close", (code) => {
      this.#connections.delete(connection);
      context.log.write("debug", "connection-closed", { address, code });
    });
    context.log.write("debug", "connection-opened", { address });
    context.reader.treeHead().then(
      (head) => session.greet(challenge, head),
      (error) => {
        context.onFault(error);
        socket.terminate();
      },
    );
  }

  #look(): void {
    const { pingIntervalMs, silenceTimeoutMs, requestTimeoutMs } = this.#context.config;
    const nowMs = this.#context.clock.monotonicMs();
    for (const connection of this.#connections) {
      const { socket, session, liveness } = connection;
      const isAlive = liveness.look();
      if (isAlive || session.isPaused) connection.lastSignMs = nowMs;
      session.beat(isAlive);
      const { unfinishedSinceMs } = liveness;
      const wasAsked = connection.lastPingMs > connection.lastSignMs;
      if (wasAsked && nowMs - connection.lastSignMs > silenceTimeoutMs) {
        socket.terminate();
      } else if (unfinishedSinceMs !== undefined && !session.isPaused && nowMs - unfinishedSinceMs > requestTimeoutMs) {
        this.#refuse(
          connection,
          new AntsError("request-timeout", `a message must arrive within ${requestTimeoutMs} ms`),
        );
      } else if (nowMs - connection.lastPingMs >= pingIntervalMs && socket.readyState === WebSocket.OPEN) {
        connection.lastPingMs = nowMs;
        socket.ping();
      }
    }
  }

  /** Incomplete messages hold more than they may together: the one begun first is the slowest, and goes. */
  #dropOldestUnfinished(): void {
    let oldest: Connection | undefined;
    for (const connection of this.#connections) {
      const since = connection.liveness.unfinishedSinceMs;
      if (since === undefined || connection.socket.readyState !== WebSocket.OPEN) continue;
      if (since < (oldest?.liveness.unfinishedSinceMs ?? Number.POSITIVE_INFINITY)) oldest = connection;
    }
    if (oldest === undefined) return;
    const { limit } = this.#unfinished;
    this.#refuse(
      oldest,
      new AntsError("overloaded", `incomplete messages of all connections hold more than ${limit} bytes`, {
        details: { limit: "maxAwaitingBytes", value: limit, retryAfterMs: 1000 },
      }),
    );
    oldest.socket.terminate();
  }

  #refuse({ socket }: Connection, error: AntsError): void {
    socket.send(encodeFrame({ t: "refused", ...refusalOf(error) }), { binary: false });
    socket.close(TRY_AGAIN_LATER, error.code);
  }
}

function shuttingDown(): AntsError {
  return new AntsError("shutting-down", "the relay is shutting down");
}

/** A WebSocket that says why before it closes over a message that is too big. */
function socketClass(maxFrameBytes: number): typeof WebSocket {
  return class RelaySocket extends WebSocket {
    override close(code?: number, reason?: string | Buffer): void {
      if (code === MESSAGE_TOO_BIG && reason === undefined && this.readyState === WebSocket.OPEN) {
        const error = new AntsError("too-large", `this relay takes frames of ${maxFrameBytes} bytes`, {
          details: { limit: "maxFrameBytes", value: maxFrameBytes },
        });
        this.send(encodeFrame({ t: "refused", ...refusalOf(error) }), { binary: false });
        super.close(code, error.code);
      } else super.close(code, reason);
    }
  };
}
