import { AntsError, isAntsError } from "../../keys/errors.js";
import type { SocketClose } from "./socket/socket.js";

/** What has been asked of a relay is unanswered because the connection broke: it may have been done or not. */
export function connectionLost(url: string, close?: SocketClose, cause?: AntsError): AntsError {
  const shown = close === undefined ? "" : ` (${close.code}${close.reason === "" ? "" : ` ${close.reason}`})`;
  return new AntsError(
    "connection-lost",
    `the connection to ${url} broke${cause === undefined ? shown : `: ${cause.message}`}`,
    {
      ...(cause === undefined ? {} : { cause }),
      details: { url, ...close },
    },
  );
}

/** The relay is connected and doesn't answer: what was asked may have been done or not. */
export function requestTimeout(url: string, timeoutMs: number): AntsError {
  return new AntsError("request-timeout", `${url} did not answer within ${timeoutMs} ms`, {
    details: { url, timeoutMs },
  });
}

/** No connection came about in time. */
export function dialTimeout(url: string, timeoutMs: number): AntsError {
  return new AntsError("relay-unreachable", `cannot reach the relay ${url}: no answer within ${timeoutMs} ms`, {
    hint: "check the address and that the relay is running",
    details: { url, timeoutMs },
  });
}

/** The relay said something that the protocol does not allow. */
export function relayProtocol(url: string, what: string, cause?: unknown): AntsError {
  return new AntsError("relay-protocol", `${url} ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { url },
  });
}

/** This side closed the connection (or whatever `what` names) for good. */
export function closedError(what: string): AntsError {
  return new AntsError("closed", `${what} was closed`, { details: { what } });
}

/** Whatever ended a session, as the error to show for it. */
export function sessionError(url: string, error: unknown): AntsError {
  if (!isAntsError(error)) return relayProtocol(url, "could not be understood", error);
  return UNREADABLE.has(error.code) ? relayProtocol(url, `sent what cannot be read: ${error.message}`, error) : error;
}

/** What the readers of frames and envelopes throw. */
const UNREADABLE: ReadonlySet<string> = new Set([
  "bad-frame",
  "bad-message",
  "cursor-syntax",
  "json-utf8",
  "too-large",
  "unknown-message",
]);
