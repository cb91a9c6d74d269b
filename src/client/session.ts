import type { AntsError } from "../../keys/errors.js";
import type { Clock } from "../../keys/ports.js";
import { DEFAULT_LIMITS, KEEP_ALIVE_MS } from "../protocol/limits.js";
import { type HelloMessage, readRelayFrame } from "../protocol/messages.js";
import { errorOfRefusal } from "../protocol/refusal.js";
import { SUBPROTOCOL } from "../protocol/version.js";
import { connectionLost, dialTimeout, relayProtocol } from "./connection-errors.js";
import { abortable, LinkedAbort, withDeadline } from "./deadline.js";
import type { ClientPorts } from "./ports.js";
import type { Socket } from "./socket/socket.js";

/** One open socket of a relay connection, after the relay said who it is. */
export interface Session {
  readonly socket: Socket;
  readonly hello: HelloMessage;
  /** Aborts when it is over, whoever ended it. */
  readonly over: LinkedAbort;
  /** Why this side ended it, where it did. */
  failure?: AntsError;
}

export interface SessionOptions {
  /** Frames longer than this from the relay end the connection. Default: twice the protocol's 1 MiB. */
  readonly maxMessageBytes?: number;
  /** Names that resolve to addresses of this machine or its network are not dialled, where the platform can tell. */
  readonly publicOnly?: boolean;
  /** How long dialling and the hello may take together. Default 10 s. */
  readonly dialTimeoutMs?: number;
}

/** Relays may state a larger frame limit than the protocol's default; this bounds what one may make us buffer. */
const MAX_MESSAGE_BYTES = 2 * DEFAULT_LIMITS.maxFrameBytes;
/** What is read from a relay: it may send more entries at once than it takes. */
export const RECEIVE_LIMITS = { ...DEFAULT_LIMITS, maxFrameBytes: MAX_MESSAGE_BYTES, maxFrameEntries: 65_536 };
const DIAL_TIMEOUT_MS = 10_000;
/** How long the other side may take to answer a close frame. One that is not there must not hold up whoever leaves. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Without pings: a relay that is followed live and silent for so many of its own intervals is gone. */
const SILENT_INTERVALS = 3;

/**
 * Dials a relay and reads its hello. Throws `relay-unreachable`, `version-unsupported`, `connection-lost`,
 * `relay-protocol`, what the relay refused with, what reading a frame throws, or the signal's reason.
 */
export async function openSession(
  url: string,
  ports: ClientPorts,
  { dialTimeoutMs = DIAL_TIMEOUT_MS, maxMessageBytes = MAX_MESSAGE_BYTES, publicOnly = false }: SessionOptions,
  signal: AbortSignal,
): Promise<Session> {
  const expired = () => dialTimeout(url, dialTimeoutMs);
  return withDeadline(ports.clock, dialTimeoutMs, signal, expired, async (dialling) => {
    const socket = await ports.dial(url, { protocol: SUBPROTOCOL, maxMessageBytes, publicOnly, signal: dialling });
    try {
      const first = await abortable(socket.messages.next(), dialling);
      if (first.done === true) throw connectionLost(url, await socket.closed);
      const { message } = readRelayFrame(first.value, RECEIVE_LIMITS);
      if (message.t === "refused") throw errorOfRefusal(message);
      if (message.t !== "hello") throw relayProtocol(url, `began with ${message.t} instead of hello`);
      return { socket, hello: message, over: new LinkedAbort(signal) };
    } catch (error) {
      socket.close(1006);
      throw error;
    }
  });
}

/**
 * Pings often enough for the relay to see the holder alive; calls `silent` when nothing at all came back between two
 * pings. Where the platform has no pings, a relay that owes heads (`isOwed`) and sends none is found out; else requests
 * that time out find a dead connection. Ends with the session.
 */
export async function keepAlive(
  { socket, over }: Session,
  clock: Clock,
  isOwed: () => boolean,
  silent: () => void,
): Promise<void> {
  let heard = -1;
  let quiet = 0;
  while (!over.signal.aborted) {
    quiet = heard === socket.heard ? quiet + 1 : 0;
    heard = socket.heard;
    const isPinged = socket.ping();
    if (!isPinged && !isOwed()) quiet = 0;
    if (quiet >= (isPinged ? 1 : SILENT_INTERVALS)) silent();
    await clock.sleep(KEEP_ALIVE_MS, over.signal).catch(() => undefined);
  }
}

/** Closes a session's socket: with a close frame, and without ceremony where that isn't answered soon. */
export async function hangUp({ socket, failure }: Session, clock: Clock): Promise<void> {
  if (failure === undefined) {
    socket.close();
    const timer = new AbortController();
    await Promise.race([socket.closed, clock.sleep(CLOSE_TIMEOUT_MS, timer.signal).catch(() => undefined)]);
    timer.abort();
  }
  socket.close(1006);
}
