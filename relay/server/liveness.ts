/** Tells a connection that is slow from one whose other side is gone, and counts what it has begun to send. */
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { ByteBudget } from "./byte-budget.js";

/**
 * Pings are answered by any WebSocket, but not soon by one whose owner has a backlog of ours to read first: that one
 * shows itself by what it takes. Bytes that went into an empty socket buffer show nothing: the system takes them for
 * a dead peer as well.
 */
export class Liveness {
  readonly #tcp: Socket;
  readonly #unfinished: ByteBudget;
  #bytesRead: number;
  #bytesTaken: number;
  #hadBacklog = false;
  #unfinishedBytes = 0;
  #unfinishedSinceMs = 0;
  #isClosed = false;

  /** `unfinished` holds the bytes of all connections' incomplete messages; `onMore` is called when this one adds to it. */
  constructor(socket: WebSocket, tcp: Socket, unfinished: ByteBudget, nowMs: () => number, onMore: () => void) {
    this.#tcp = tcp;
    this.#unfinished = unfinished;
    this.#bytesRead = tcp.bytesRead;
    this.#bytesTaken = this.#taken();
    // Before the WebSocket's own listener, so that the message which ends in a chunk is complete after it.
    tcp.prependListener("data", (chunk: Buffer) => {
      if (this.#isClosed) return;
      if (this.#unfinishedBytes === 0) this.#unfinishedSinceMs = nowMs();
      this.#unfinishedBytes += chunk.length;
      unfinished.take(chunk.length);
      if (unfinished.isExceeded) onMore();
    });
    const complete = () => this.#complete();
    socket.on("message", complete).on("ping", complete).on("pong", complete);
    socket.once("close", () => {
      this.#complete();
      this.#isClosed = true;
    });
  }

  /** Since when a message is incomplete, on the clock given; undefined when none is. */
  get unfinishedSinceMs(): number | undefined {
    return this.#unfinishedBytes > 0 ? this.#unfinishedSinceMs : undefined;
  }

  /** Whether the other side gave a sign of life since the last look. */
  look(): boolean {
    const { bytesRead } = this.#tcp;
    const taken = this.#taken();
    const isAlive = bytesRead > this.#bytesRead || (this.#hadBacklog && taken > this.#bytesTaken);
    this.#bytesRead = bytesRead;
    this.#bytesTaken = taken;
    this.#hadBacklog = this.#tcp.writableLength > 0;
    return isAlive;
  }

  #complete(): void {
    this.#unfinished.give(this.#unfinishedBytes);
    this.#unfinishedBytes = 0;
  }

  #taken(): number {
    return this.#tcp.bytesWritten - this.#tcp.writableLength;
  }
}
