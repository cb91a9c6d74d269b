/** Why a socket closed; `code` is the WebSocket close code (RFC 6455 section 7.4), 1006 where no close frame came. */
export interface SocketClose {
  readonly code: number;
  readonly reason: string;
}

/** An open WebSocket, as far as a relay connection needs it: whole messages in both directions. */
export interface Socket {
  /** Received messages in order, kept from the moment the socket opened; ends when it closes. One consumer. */
  readonly messages: AsyncIterableIterator<Uint8Array>;
  /** Resolves when the socket is closed, for whatever reason; never rejects. */
  readonly closed: Promise<SocketClose>;
  /** Bytes handed to `send` that have not left this process. */
  readonly unsentBytes: number;
  /** Grows with everything that arrives, pings and pongs among it: a sign of life without a clock. */
  readonly heard: number;
  /** Sends one text message (UTF-8). Silently dropped once the socket is closing: `closed` tells. */
  send(message: Uint8Array): void;
  /** Asks the other side for a sign of life. False where the platform cannot (browsers answer pings, they send none). */
  ping(): boolean;
  /** Starts closing; 1000 unless given. Harmless when closed. */
  close(code?: number, reason?: string): void;
}

export interface DialOptions {
  /** The WebSocket subprotocol; a server that does not choose it is refused. */
  readonly protocol: string;
  /** A longer message closes the socket with 1009 before it is buffered whole. */
  readonly maxMessageBytes: number;
  /**
   * The address was chosen by somebody else: a name that resolves to an address of this machine or its network is not
   * dialled. Where the platform doesn't say what a name resolves to (browsers), only the caller's own check counts.
   */
  readonly publicOnly?: boolean;
  /** Aborts the dialling; an open socket is closed with `close`. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a WebSocket. Throws AntsError `relay-unreachable` (refused, reset, not found, TLS, an HTTP answer instead of
 * an upgrade: details.status), `version-unsupported` (another subprotocol), or the signal's reason.
 */
export type Dial = (url: string, options: DialOptions) => Promise<Socket>;
