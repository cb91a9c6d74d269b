/** How HTTP answers are written: frames, JSON, plain text; errors always as JSON in the form of a refused frame. */
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { RefusedMessage } from "../../src/protocol/messages.js";
import { refusalOf } from "../../src/protocol/refusal.js";
import { type Answering, endWith, PIECE_BYTES, writeBytes } from "./answer-bytes.js";

export const FRAME_TYPE = "application/x-ndjson; charset=utf-8";
export const JSON_TYPE = "application/json; charset=utf-8";
export const TEXT_TYPE = "text/plain; charset=utf-8";

/** The status of every code that isn't simply the asker's mistake (400). */
const STATUS: Readonly<Record<string, number>> = {
  "not-found": 404,
  "method-not-allowed": 405,
  "request-timeout": 408,
  "stream-changed": 409,
  "cursor-ahead": 409,
  "cursor-mismatch": 409,
  fenced: 409,
  fork: 409,
  gap: 409,
  "handover-used": 409,
  held: 409,
  rival: 409,
  superseded: 409,
  "identity-needed": 409,
  "handle-taken": 409,
  "handle-refused": 409,
  "cursor-pruned": 410,
  "too-large": 413,
  "auth-failed": 403,
  "auth-required": 403,
  banned: 403,
  "key-not-live": 403,
  "not-hosted": 403,
  "version-unsupported": 426,
  "rate-limited": 429,
  internal: 500,
  "log-damaged": 500,
  overloaded: 503,
  "shutting-down": 503,
  "storage-failed": 503,
};

/** The HTTP status that goes with an error code. */
export function statusOf(code: string): number {
  return STATUS[code] ?? 400;
}

/** Writes a whole answer; resolves when most of it was taken. A client that is gone is not an error. */
export async function reply(
  answering: Answering,
  status: number,
  type: string,
  body: string | Uint8Array,
): Promise<void> {
  const { response } = answering;
  if (response.headersSent || response.destroyed) return;
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  response.writeHead(status, { "content-type": type, "content-length": bytes.length });
  const last = Math.max(0, bytes.length - PIECE_BYTES);
  if (last > 0) await writeBytes(answering, bytes.subarray(0, last));
  endWith(answering, bytes.subarray(last));
}

export function replyJson(answering: Answering, status: number, value: unknown): Promise<void> {
  return reply(answering, status, JSON_TYPE, `${JSON.stringify(value)}\n`);
}

/** Answers with an error. What is no AntsError is a fault of this side: `onFault` is told, the asker hears `internal`. */
export function replyError(answering: Answering, error: unknown): Promise<void> {
  if (!isAntsError(error)) answering.context.onFault(error);
  const told = isAntsError(error) ? error : new AntsError("internal", "the relay could not answer this request");
  return replyRefused(answering, { t: "refused", ...refusalOf(told) });
}

export function replyRefused(answering: Answering, message: RefusedMessage): Promise<void> {
  const { response } = answering;
  if (message.retryAfterMs !== undefined && !response.headersSent) {
    response.setHeader("retry-after", Math.ceil(message.retryAfterMs / 1000));
  }
  return replyJson(answering, statusOf(message.code), message);
}
