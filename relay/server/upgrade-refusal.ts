/** Says no on a raw socket, before or instead of an upgrade: a complete HTTP answer with the error as JSON. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { AntsError } from "../../keys/errors.js";
import { refusalOf } from "../../src/protocol/refusal.js";
import { SUBPROTOCOLS } from "../../src/protocol/version.js";
import { JSON_TYPE, statusOf } from "./http-reply.js";

/** How long a refused client may take to read why. */
const LINGER_MS = 1_000;

export function refuseUpgrade(socket: Duplex, error: AntsError): void {
  const refusal = refusalOf(error);
  const status = statusOf(error.code);
  const body = `${JSON.stringify({ t: "refused", ...refusal })}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    `Content-Type: ${JSON_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 426 ? ["Upgrade: websocket", `Sec-WebSocket-Protocol: ${SUBPROTOCOLS.join(", ")}`] : []),
    ...(refusal.retryAfterMs === undefined ? [] : [`Retry-After: ${Math.ceil(refusal.retryAfterMs / 1000)}`]),
  ];
  socket.on("error", () => undefined);
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  // Unread input would turn the end into a reset, and the answer might be lost with it.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
}
