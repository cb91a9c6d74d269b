/** What the relay serves by HTTP: a small table of methods and paths. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { AntsError } from "../../keys/errors.js";
import { agentRoutes } from "./agent-routes.js";
import { logRoutes } from "./log-routes.js";
import type { RelayContext } from "./relay-context.js";
import { stateRoutes } from "./state-routes.js";
import { treeRoutes } from "./tree-routes.js";

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

const ROUTES: readonly Route[] = [...logRoutes, ...agentRoutes, ...treeRoutes, ...stateRoutes];

/** Finds the route. Throws `not-found`, or `method-not-allowed` (details: allowed). HEAD is served as GET. */
export function routeOf(method: string, path: string): { route: Route; params: readonly string[] } {
  const wanted = method === "HEAD" ? "GET" : method;
  const allowed: string[] = [];
  for (const route of ROUTES) {
    const match = route.path.exec(path);
    if (match === null) continue;
    if (route.method === wanted) return { route, params: match.slice(1) };
    allowed.push(route.method);
  }
  if (allowed.length > 0) {
    throw new AntsError("method-not-allowed", `${path} takes ${allowed.join(" and ")}, not ${method}`, {
      details: { allowed },
    });
  }
  throw new AntsError("not-found", `this relay serves nothing at ${path}`);
}

/** Throws `bad-request` for a query field that the route doesn't know: it may be a condition that would be ignored. */
export function onlyQuery({ url }: Exchange, known: readonly string[]): void {
  for (const name of url.searchParams.keys()) {
    if (!known.includes(name)) {
      throw new AntsError("bad-request", `unknown query field "${name}": expected ${known.join(", ") || "none"}`, {
        details: { field: name, expected: known },
      });
    }
  }
}

/** A whole number of the query. Throws `bad-request`. */
export function integerQuery(
  { url }: Exchange,
  name: string,
  bounds: { readonly min: number; readonly max?: number; readonly fallback?: number },
): number {
  const { min, max = Number.MAX_SAFE_INTEGER, fallback } = bounds;
  const text = url.searchParams.get(name);
  if (text === null && fallback !== undefined) return fallback;
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text ?? "") ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const shown = text === null ? "nothing" : `"${text.slice(0, 40)}"`;
  throw new AntsError("bad-request", `query field ${name}: expected a whole number ${min} to ${max}, got ${shown}`, {
    details: { field: name, min, max },
  });
}
