import WebSocket from "ws";
import { AntsError } from "../../../keys/errors.js";
import { AsyncQueue } from "../async-queue.js";
import { addressLookup } from "../lookup/node-addresses.js";
import type { Dial, DialOptions, Socket, SocketClose } from "./socket.js";

/** How much of an HTTP answer to a refused upgrade is shown. */
const MAX_SHOWN_ANSWER_BYTES = 1_024;

/** A {@link Dial} on the `ws` package. */
export const dial: Dial = (url, options) => dialAt(url, options, undefined);

/** {@link dial} for those who ask other DNS servers (`address[:port]`) than the system's. */
export function dialAsking(dnsServers: readonly string[]): Dial {
  return (url, options) => dialAt(url, options, dnsServers);
}

function dialAt(url: string, options: DialOptions, dnsServers: readonly string[] | undefined): Promise<Socket> {
  return new Promise<Socket>((resolve, reject) => {
    if (options.signal?.aborted) {
      reject(options.signal.reason);
      return;
    }
    const { publicOnly = false } = options;
    let raw: WebSocket;
    try {
      raw = new WebSocket(url, options.protocol, {
        maxPayload: options.maxMessageBytes,
        perMessageDeflate: false,
        ...(publicOnly || dnsServers !== undefined ? { lookup: addressLookup(publicOnly, dnsServers) } : {}),
        // Lines are checked as strict UTF-8 by their own reader.
        skipUTF8Validation: true,
      });
    } catch (cause) {
      reject(unreachable(url, "not a WebSocket address", { cause }));
      return;
    }
    const messages = new AsyncQueue<Uint8Array>();
    const socket = new NodeSocket(raw, messages);
    const onAbort = () => raw.terminate();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const settled = () => options.signal?.removeEventListener("abort", onAbort);
    raw.once("open", () => {
      settled();
      resolve(socket);
    });
    raw.once("unexpected-response", (request, response) => {
      let answer = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        if (answer.length < MAX_SHOWN_ANSWER_BYTES) answer += text;
      });
      const refuse = () => {
        settled();
        request.destroy();
        reject(refused(url, options, response.statusCode ?? 0, answer.slice(0, MAX_SHOWN_ANSWER_BYTES)));
      };
      response.once("end", refuse);
      response.once("error", refuse);
      response.once("close", refuse);
    });
    // Stays attached: after the opening an error is followed by "close", which is what tells.
    raw.on("error", (cause) => {
      settled();
      if (options.signal?.aborted) reject(options.signal.reason);
      else reject(dialError(url, options, cause));
    });
  });
}

class NodeSocket implements Socket {
  readonly messages: AsyncQueue<Uint8Array>;
  readonly closed: Promise<SocketClose>;
  heard = 0;
  readonly #raw: WebSocket;

  constructor(raw: WebSocket, messages: AsyncQueue<Uint8Array>) {
    this.#raw = raw;
    this.messages = messages;
    raw.on("message", (data: Uint8Array) => {
      this.heard += 1;
      messages.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    });
    const onSignOfLife = () => {
      this.heard += 1;
    };
    raw.on("ping", onSignOfLife);
    raw.on("pong", onSignOfLife);
    this.closed = new Promise((resolve) => {
      raw.once("close", (code, reason) => {
        messages.end();
        resolve({ code, reason: reason.toString("utf8") });
      });
    });
  }

  get unsentBytes(): number {
    return this.#raw.bufferedAmount;
  }

  send(message: Uint8Array): void {
    if (this.#raw.readyState === WebSocket.OPEN) this.#raw.send(message, { binary: false });
  }

  ping(): boolean {
    if (this.#raw.readyState === WebSocket.OPEN) this.#raw.ping();
    return true;
  }

  close(code = 1000, reason = ""): void {
    // A peer that is not there never answers a close frame: 1006 means the connection is given up at once.
    if (code === 1006) this.#raw.terminate();
    else this.#raw.close(code, reason);
  }
}

function dialError(url: string, options: DialOptions, cause: Error): AntsError {
  if (/subprotocol/i.test(cause.message)) return wrongVersion(url, options, cause.message);
  const { code } = cause as { code?: unknown };
  return unreachable(url, describeCause(code, cause), { cause });
}

function refused(url: string, options: DialOptions, status: number, answer: string): AntsError {
  if (answer.includes("version-unsupported")) return wrongVersion(url, options, answer);
  return unreachable(url, `HTTP ${status} instead of a WebSocket`, { details: { status, answer } });
}

function wrongVersion(url: string, options: DialOptions, answer: string): AntsError {
  return new AntsError("version-unsupported", `${url} does not speak ${options.protocol}`, {
    hint: "use versions of the client and the relay that share a protocol version",
    details: { url, offered: [options.protocol], answer },
  });
}

function describeCause(code: unknown, cause: Error): string {
  if (code === "ECONNREFUSED") return "it refuses connections (ECONNREFUSED)";
  return typeof code === "string" ? code : cause.message;
}

function unreachable(
  url: string,
  why: string,
  extra: { cause?: unknown; details?: Record<string, unknown> },
): AntsError {
  return new AntsError("relay-unreachable", `cannot reach the relay ${url}: ${why}`, {
    hint: "check the address and that the relay is running",
    ...(extra.cause === undefined ? {} : { cause: extra.cause }),
    details: { url, ...extra.details },
  });
}
