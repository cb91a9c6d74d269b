/** What a route is, and what its handler is given. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { RelayContext } from "./relay-context.js";

/** One request, as far as its handler needs it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  /** What the path's pattern captured, percent-decoding done. */
  readonly params: readonly string[];
  /** As clientAddress gives it. */
  readonly address: string;
  /** Aborts when the client is gone, or the relay stops. */
  readonly signal: AbortSignal;
  readonly context: RelayContext;
}

export interface Route {
  readonly method: "GET" | "POST";
  /** Matched against the whole path. */
  readonly path: RegExp;
  /** Answers, or throws what {@link import("./http-reply.js").replyError} tells the client. */
  readonly handle: (exchange: Exchange) => void | Promise<void>;
}
