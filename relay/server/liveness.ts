/** Tells a connection that is slow from one whose other side is gone, and counts what it has begun to send. */
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { ByteBudget } from "./byte-budget.js";

/**
 * Pings are answered by any WebSocket, but not soon by one whose owner has a backlog of ours to read first: that one
 * shows itself by what it takes. Bytes that went into an empty socket buffer show nothing: the system takes them for
 * a dead peer as well.
 */
export interface LivenessOptions {
  /** Holds the bytes of all connections' incomplete messages. */
  readonly unfinished: ByteBudget;
  readonly nowMs: () => number;
  /** Resolves when this connection may be read on, after it was refused. */
  readonly turn: () => Promise<void>;
  /** Called when this connection adds to what is unfinished, and that is more than it should be. */
  readonly onMore: () => void;
}

export class Liveness {
  readonly #tcp: Socket;
  readonly #unfinished: ByteBudget;
  #bytesRead: number;
  #bytesTaken: number;
  #hadBacklog = false;
  #unfinishedBytes = 0;
  #unfinishedSinceMs = 0;
  #isClosed = false;

  constructor(socket: WebSocket, tcp: Socket, { unfinished, nowMs, turn, onMore }: LivenessOptions) {
    this.#tcp = tcp;
    this.#unfinished = unfinished;
    this.#bytesRead = tcp.bytesRead;
    this.#bytesTaken = this.#taken();
    // Before the WebSocket's own listener, so that the message which ends in a chunk is complete after it.
    tcp.prependListener("data", (chunk: Buffer) => {
      if (this.#isClosed) return;
      if (socket.readyState !== socket.OPEN) {
        // What comes after a refusal is dropped as it arrives, a piece at a time: read for as long as there is some, it
        // would take the relay's time from everybody else.
        this.#complete();
        tcp.pause();
        void turn().then(() => tcp.resume());
        return;
      }
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
