import { fromUtf8, utf8 } from "../../../keys/bytes.js";
import { AntsError } from "../../../keys/errors.js";
import { AsyncQueue } from "../async-queue.js";
import type { Dial, Socket, SocketClose } from "./socket.js";

/** A {@link Dial} on the global WebSocket of browsers, workers and other runtimes. */
export const dial: Dial = (url, options) =>
  new Promise<Socket>((resolve, reject) => {
    if (options.signal?.aborted) {
      reject(options.signal.reason);
      return;
    }
    let raw: WebSocket;
    try {
      raw = new WebSocket(url, options.protocol);
    } catch (cause) {
      reject(unreachable(url, cause));
      return;
    }
    raw.binaryType = "arraybuffer";
    const socket = new WebSocketSocket(raw, options.maxMessageBytes);
    const onAbort = () => {
      reject(options.signal?.reason);
      raw.close();
    };
    options.signal?.addEventListener("abort", onAbort, { once: true });
    raw.addEventListener("open", () => {
      options.signal?.removeEventListener("abort", onAbort);
      resolve(socket);
    });
    // A page is not told why a socket failed, a refused subprotocol included.
    raw.addEventListener("error", () => {
      options.signal?.removeEventListener("abort", onAbort);
      reject(unreachable(url));
    });
  });

class WebSocketSocket implements Socket {
  readonly messages = new AsyncQueue<Uint8Array>();
  readonly closed: Promise<SocketClose>;
  heard = 0;
  readonly #raw: WebSocket;

  constructor(raw: WebSocket, maxMessageBytes: number) {
    this.#raw = raw;
    raw.addEventListener("message", ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this.heard += 1;
      const message = typeof data === "string" ? utf8(data) : new Uint8Array(data);
      if (message.length > maxMessageBytes) raw.close(4009, "message too big");
      else this.messages.push(message);
    });
    this.closed = new Promise((resolve) => {
      raw.addEventListener("close", ({ code, reason }) => {
        this.messages.end();
        resolve({ code, reason });
      });
    });
  }

  get unsentBytes(): number {
    return this.#raw.bufferedAmount;
  }

  send(message: Uint8Array): void {
    if (this.#raw.readyState === this.#raw.OPEN) this.#raw.send(fromUtf8(message));
  }

  ping(): boolean {
    return false;
  }

  close(code = 1000, reason = ""): void {
    // A page may close with 1000 and 3000-4999 only.
    this.#raw.close(code === 1000 || code >= 3000 ? code : 4000, reason);
  }
}

function unreachable(url: string, cause?: unknown): AntsError {
  return new AntsError("relay-unreachable", `cannot reach the relay ${url}`, {
    hint: "check the address and that the relay is running",
    ...(cause === undefined ? {} : { cause }),
    details: { url },
  });
}
