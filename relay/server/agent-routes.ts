/** What a relay knows about one agent, by HTTP: identity log, head, chain, fork proofs. */
import { assertDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import type { Exchange, Route } from "./exchange.js";
import { entriesFrame } from "./follows.js";
import { FRAME_TYPE, reply, replyJson } from "./http-reply.js";
import { submit } from "./log-routes.js";
import { integerQuery, onlyQuery } from "./query.js";
import { readBody } from "./request-body.js";
import { ANYONE, isAddressed } from "./viewer.js";

/** Proofs that one answer holds; one is enough to convict. */
const MAX_FORK_PROOFS = 16;
/** Proofs looked at for them. */
const MAX_FORK_SEARCH = 4 * MAX_FORK_PROOFS;
const NEWLINE = 0x0a;

export const agentRoutes: readonly Route[] = [
  { method: "GET", path: /^\/agents\/([^/]+)\/identity$/, handle: identity },
  { method: "POST", path: /^\/agents\/([^/]+)\/identity$/, handle: addIdentity },
  { method: "GET", path: /^\/agents\/([^/]+)\/head$/, handle: head },
  { method: "GET", path: /^\/agents\/([^/]+)\/entries$/, handle: chain },
  { method: "GET", path: /^\/agents\/([^/]+)\/forks$/, handle: forks },
];

/** Every identity operation that this relay holds of the agent, also those of losing branches, as lines. */
async function identity(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  const did = didOf(exchange);
  const lines = await exchange.context.reader.identityLines(did);
  if (lines.length === 0) throw unknownAgent(did);
  reply(exchange.response, 200, FRAME_TYPE, asLines(lines));
}

/** Takes identity operations of this agent as lines; answers like a publish frame with ref 0. */
async function addIdentity(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  const did = didOf(exchange);
  const { limits, awaiting } = exchange.context;
  const body = await readBody(exchange.request, limits.maxFrameBytes, awaiting);
  let lines = 0;
  for (let at = body.indexOf(NEWLINE); at >= 0; at = body.indexOf(NEWLINE, at + 1)) lines += 1;
  if (lines > limits.maxFrameEntries) {
    throw new AntsError("too-large", `${lines} lines in one request: this relay takes ${limits.maxFrameEntries}`, {
      details: { limit: "maxFrameEntries", value: limits.maxFrameEntries },
    });
  }
  await submit(exchange, { t: "publish", ref: 0, body, identityOf: did });
}

function head(exchange: Exchange): void {
  onlyQuery(exchange, []);
  const did = didOf(exchange);
  const known = exchange.context.reading.agent(did);
  if (known === undefined) throw unknownAgent(did);
  replyJson(exchange.response, 200, known);
}

/**
 * The agent's chain, the path to its head, from a seq on: an `entries` frame with ref 0. Its cursor is the log's end;
 * page on with the seq after the last one, withheld events counted.
 */
async function chain(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, ["from", "limit"]);
  const did = didOf(exchange);
  const { reader, limits, turns } = exchange.context;
  const from = integerQuery(exchange, "from", { min: 0, fallback: 0 });
  const { maxFrameEntries } = limits;
  const limit = integerQuery(exchange, "limit", { min: 1, max: maxFrameEntries, fallback: maxFrameEntries });
  await turns.next(exchange.address);
  const page = await reader.chainPage(did, from, { viewer: ANYONE, maxEntries: limit, maxBytes: limits.maxFrameBytes });
  if (page === undefined) throw unknownAgent(did);
  reply(exchange.response, 200, FRAME_TYPE, entriesFrame(0, page, reader.cursorAt(page.position)));
}

/**
 * Proofs that this agent's key signed two events for one place, as pairs of lines; empty where there are none. A pair
 * with an addressed event is for its parties only, and nobody is known by HTTP; its pruned form would still name them.
 */
async function forks(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  const did = didOf(exchange);
  const { reading } = exchange.context;
  if (reading.agent(did) === undefined) throw unknownAgent(did);
  const proofs = await reading.forks(did, MAX_FORK_SEARCH);
  const shown = proofs.filter((proof) => proof.every((line) => !isAddressed(line))).slice(0, MAX_FORK_PROOFS);
  reply(exchange.response, 200, FRAME_TYPE, asLines(shown.flat()));
}

function didOf({ params }: Exchange): string {
  const did = params[0]!;
  assertDid(did);
  return did;
}

function unknownAgent(did: string): AntsError {
  return new AntsError("not-found", `this relay knows nothing of ${did}`, { details: { did } });
}

function asLines(lines: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(lines.flatMap((line) => [line, Uint8Array.of(NEWLINE)]));
}
