/**
 * Writes the bytes of HTTP answers: all of them are counted in the relay's budget of unsent bytes until they have left,
 * and a client that takes none of them for the silence time-out is cut.
 */
import type { ServerResponse } from "node:http";
import type { Exchange } from "./exchange.js";
import type { RelayContext } from "./relay-context.js";

/** Written at once. Small, so that a slow client is seen to take something now and then. */
export const PIECE_BYTES = 64 * 1024;
/** Pages are this small while the relay's unsent bytes are at their bound: everybody still gets on. */
const SCARCE_BYTES = 128 * 1024;

/** What of an exchange is needed to write its answer. */
export type Answering = Pick<Exchange, "response" | "context">;

/** Bytes that one page may have now. */
export function pageBytes({ unsent, limits }: Pick<RelayContext, "unsent" | "limits">): number {
  return unsent.isExceeded ? Math.min(SCARCE_BYTES, limits.maxFrameBytes) : limits.maxFrameBytes;
}

/**
 * Has a page made of so many bytes as one may have now, which count from now on: pages that are made at the same time
 * know of each other.
 */
export async function makePage<T>(context: RelayContext, make: (maxBytes: number) => Promise<T>): Promise<T> {
  const maxBytes = pageBytes(context);
  context.unsent.take(maxBytes);
  try {
    return await make(maxBytes);
  } finally {
    context.unsent.give(maxBytes);
  }
}

/** Writes a part of an answer; resolves when the client has taken most of it, or is gone. */
export async function writeBytes({ response, context }: Answering, bytes: Uint8Array): Promise<void> {
  const { unsent } = context;
  unsent.take(bytes.length);
  try {
    for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
      if (isGone(response)) return;
      if (!response.write(bytes.subarray(start, start + PIECE_BYTES))) await drained({ response, context });
    }
  } finally {
    unsent.give(bytes.length);
  }
}

/** Writes the last part of an answer, which is counted until the client has taken it. */
export function endWith({ response, context }: Answering, bytes: Uint8Array): void {
  if (isGone(response)) return;
  const { unsent } = context;
  unsent.take(bytes.length);
  response.once("close", () => unsent.give(bytes.length));
  response.end(bytes);
}

function isGone(response: ServerResponse): boolean {
  return response.destroyed || response.socket === null || response.socket.destroyed;
}

function drained({ response, context }: Answering): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => response.destroy(), context.config.silenceTimeoutMs);
    const settle = () => {
      clearTimeout(timer);
      response.off("drain", settle).off("close", settle);
      resolve();
    };
    response.on("drain", settle).on("close", settle);
  });
}
