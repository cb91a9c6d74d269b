import type { AntsError } from "../../keys/errors.js";
import type { Clock } from "../../keys/ports.js";
import { DEFAULT_LIMITS, KEEP_ALIVE_MS } from "../protocol/limits.js";
import { type HelloMessage, readRelayFrame } from "../protocol/messages.js";
import { errorOfRefusal } from "../protocol/refusal.js";
import { SUBPROTOCOL } from "../protocol/version.js";
import { connectionLost, dialTimeout, relayProtocol } from "./connection-errors.js";
import { abortable, withDeadline } from "./deadline.js";
import type { ClientPorts } from "./ports.js";
import type { Socket } from "./socket/socket.js";

/** One open socket of a relay connection, after the relay said who it is. */
export interface Session {
  readonly socket: Socket;
  readonly hello: HelloMessage;
  /** Why this side ended it, where it did. */
  failure?: AntsError;
}

export interface SessionOptions {
  /** Frames longer than this from the relay end the connection. Default: twice the protocol's 1 MiB. */
  readonly maxMessageBytes?: number;
  /** How long dialling and the hello may take together. Default 10 s. */
  readonly dialTimeoutMs?: number;
}

/** Relays may state a larger frame limit than the protocol's default; this bounds what one may make us buffer. */
const MAX_MESSAGE_BYTES = 2 * DEFAULT_LIMITS.maxFrameBytes;
/** What is read from a relay: it may send more entries at once than it takes. */
export const RECEIVE_LIMITS = { ...DEFAULT_LIMITS, maxFrameBytes: MAX_MESSAGE_BYTES, maxFrameEntries: 65_536 };
const DIAL_TIMEOUT_MS = 10_000;

/**
 * Dials a relay and reads its hello. Throws `relay-unreachable`, `version-unsupported`, `connection-lost`,
 * `relay-protocol`, what the relay refused with, what reading a frame throws, or the signal's reason.
 */
export async function openSession(
  url: string,
  ports: ClientPorts,
  { dialTimeoutMs = DIAL_TIMEOUT_MS, maxMessageBytes = MAX_MESSAGE_BYTES }: SessionOptions,
  signal: AbortSignal,
): Promise<Session> {
  const expired = () => dialTimeout(url, dialTimeoutMs);
  return withDeadline(ports.clock, dialTimeoutMs, signal, expired, async (signal) => {
    const socket = await ports.dial(url, { protocol: SUBPROTOCOL, maxMessageBytes, signal });
    try {
      const first = await abortable(socket.messages.next(), signal);
      if (first.done === true) throw connectionLost(url, await socket.closed);
      const { message } = readRelayFrame(first.value, RECEIVE_LIMITS);
      if (message.t === "refused") throw errorOfRefusal(message);
      if (message.t !== "hello") throw relayProtocol(url, `began with ${message.t} instead of hello`);
      return { socket, hello: message };
    } catch (error) {
      socket.close(1006);
      throw error;
    }
  });
}

/**
 * Pings often enough for the relay to see the holder alive; calls `silent` when nothing at all came back between two
 * pings. Where the platform has no pings, requests that time out find a dead connection. Ends with the signal.
 */
export async function keepAlive(socket: Socket, clock: Clock, signal: AbortSignal, silent: () => void): Promise<void> {
  let heard = -1;
  while (!signal.aborted) {
    if (heard === socket.heard) silent();
    heard = socket.ping() ? socket.heard : -1;
    await clock.sleep(KEEP_ALIVE_MS, signal).catch(() => undefined);
  }
}
