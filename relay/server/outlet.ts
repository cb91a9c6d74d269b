/** What a connection still has to send: every byte is counted, for it and for the whole relay, until it has left. */
import type { WebSocket } from "ws";
import type { ByteBudget } from "./byte-budget.js";

export class Outlet {
  readonly #socket: WebSocket;
  readonly #budget: ByteBudget;
  readonly #onSent: () => void;
  #unsentBytes = 0;
  #isClosed = false;

  /** `onSent` is called each time that bytes have left. */
  constructor(socket: WebSocket, budget: ByteBudget, onSent: () => void) {
    this.#socket = socket;
    this.#budget = budget;
    this.#onSent = onSent;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Sends one text message; nothing happens once the socket is closing. */
  send(message: Buffer): void {
    if (this.#isClosed || this.#socket.readyState !== this.#socket.OPEN) return;
    const bytes = message.length;
    this.#unsentBytes += bytes;
    this.#budget.take(bytes);
    this.#socket.send(message, { binary: false, compress: false }, () => {
      if (this.#isClosed) return;
      this.#unsentBytes -= bytes;
      this.#budget.give(bytes);
      this.#onSent();
    });
  }

  /** The connection is gone, and with it what it had to send. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#budget.give(this.#unsentBytes);
    this.#unsentBytes = 0;
  }
}
