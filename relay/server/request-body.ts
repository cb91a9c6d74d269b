/** Reads the body of an HTTP request, bounded in size; what is being read counts in the relay's budget. */
import type { IncomingMessage } from "node:http";
import { AntsError } from "../../keys/errors.js";
import type { ByteBudget } from "./byte-budget.js";

/**
 * The whole body. Throws `too-large` (above `maxBytes`), `overloaded` (the budget is used up), `bad-frame` (the client
 * went away in the middle). The time it may take is the server's requestTimeout.
 */
export function readBody(request: IncomingMessage, maxBytes: number, budget: ByteBudget): Promise<Uint8Array> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxBytes) return Promise.reject(tooLarge(announced, maxBytes));
  if (budget.isExceeded) return Promise.reject(overloaded(budget));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (outcome: () => void) => {
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      // What still comes is read and dropped: an answer is only heard by a client that can finish sending.
      request.on("error", () => undefined).resume();
      budget.give(length);
      outcome();
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      budget.take(chunk.length);
      chunks.push(chunk);
      if (length > maxBytes) settle(() => reject(tooLarge(length, maxBytes)));
      else if (budget.used > 2 * budget.limit) settle(() => reject(overloaded(budget)));
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks, length)));
    const onClose = () => settle(() => reject(new AntsError("bad-frame", "the request ended before its body did")));
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

function tooLarge(length: number, maxBytes: number): AntsError {
  return new AntsError("too-large", `a body of ${length} bytes: this relay takes frames of ${maxBytes}`, {
    hint: "send smaller frames",
    details: { limit: "maxFrameBytes", value: maxBytes },
  });
}

/** The relay holds as many received bytes as it may. */
export function overloaded(budget: ByteBudget): AntsError {
  return new AntsError(
    "overloaded",
    `the relay holds ${budget.limit} bytes that wait for verification: the most it takes`,
    {
      hint: "try again in a moment",
      details: { limit: "maxAwaitingBytes", value: budget.limit, retryAfterMs: 1000 },
    },
  );
}
