/** What a relay knows about one agent, by HTTP: identity log, head, chain, fork proofs. */
import { assertDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { decodeMultikey } from "../../keys/multikey.js";
import { makePage, PIECE_BYTES, pageBytes, writeBytes } from "./answer-bytes.js";
import type { Exchange, Route } from "./exchange.js";
import { entriesFrame } from "./follows.js";
import { FRAME_TYPE, reply, replyJson } from "./http-reply.js";
import { submit } from "./log-routes.js";
import { integerQuery, onlyQuery } from "./query.js";
import { readBody } from "./request-body.js";
import { ANYONE } from "./viewer.js";

/** Proofs that one answer holds; one is enough to convict. */
const MAX_FORK_PROOFS = 16;
/** Agents with one escrow key that one answer names. */
const MAX_CANDIDATES = 256;
const NEWLINE = 0x0a;

export const agentRoutes: readonly Route[] = [
  { method: "GET", path: /^\/agents$/, handle: byEscrow },
  { method: "GET", path: /^\/agents\/([^/]+)\/identity$/, handle: identity },
  { method: "POST", path: /^\/agents\/([^/]+)\/identity$/, handle: addIdentity },
  { method: "GET", path: /^\/agents\/([^/]+)\/head$/, handle: head },
  { method: "GET", path: /^\/agents\/([^/]+)\/entries$/, handle: chain },
  { method: "GET", path: /^\/agents\/([^/]+)\/forks$/, handle: forks },
];

/**
 * Every identity operation that this relay holds of the agent, also those of losing branches, as lines. Their number
 * has no bound, so they are read as fast as the client takes them.
 */
async function identity(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  const did = didOf(exchange);
  const { context, response, address } = exchange;
  const operations = context.reader.identityPositions(did);
  if (operations.length === 0) throw unknownAgent(did);
  response.writeHead(200, { "content-type": FRAME_TYPE });
  try {
    for (let next = 0; next < operations.length && !response.destroyed; ) {
      await context.turns.next(address);
      const piece = await context.reader.linesAt(operations, next, PIECE_BYTES);
      await writeBytes(exchange, piece.bytes);
      next = piece.next;
    }
  } catch (error) {
    // The status is out: only a cut answer still says that it is not whole.
    context.onFault(error);
    response.destroy();
  }
  response.end();
}

/**
 * The agents that name an escrow key, in the order of their arrival here, so that whoever copies somebody's key comes
 * after it. The asker checks each one's commitment; with `next` there are more, after that one.
 */
async function byEscrow(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, ["escrow", "after", "limit"]);
  const { context, url, address } = exchange;
  const escrow = url.searchParams.get("escrow") ?? "";
  if (decodeMultikey(escrow).type !== "x25519") {
    throw new AntsError("bad-request", "query field escrow: expected the Multikey of an X25519 key", {
      details: { field: "escrow" },
    });
  }
  const after = url.searchParams.get("after") ?? undefined;
  if (after !== undefined) assertDid(after);
  const limit = integerQuery(exchange, "limit", { min: 1, max: MAX_CANDIDATES, fallback: MAX_CANDIDATES });
  await context.turns.next(address);
  const found = context.reading.agentsByEscrow(escrow, after, limit + 1);
  const dids = found.slice(0, limit);
  await replyJson(exchange, 200, found.length > limit ? { dids, next: dids.at(-1) } : { dids });
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

function head(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  const did = didOf(exchange);
  const known = exchange.context.reading.agent(did);
  if (known === undefined) throw unknownAgent(did);
  return replyJson(exchange, 200, known);
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
  const page = await makePage(exchange.context, (maxBytes) =>
    reader.chainPage(did, from, { viewer: ANYONE, maxEntries: limit, maxBytes }),
  );
  if (page === undefined) throw unknownAgent(did);
  await reply(exchange, 200, FRAME_TYPE, entriesFrame(0, page, reader.cursorAt(page.position)));
}

/**
 * Proofs that this agent's key signed two events for one place, as pairs of lines without bodies; empty where there are
 * none. A pair with an addressed event is for its parties only, and nobody is known by HTTP; it would name them.
 */
async function forks(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  const did = didOf(exchange);
  const { reading, turns } = exchange.context;
  if (reading.agent(did) === undefined) throw unknownAgent(did);
  const maxBytes = pageBytes(exchange.context);
  const lines: Uint8Array[] = [];
  let bytes = 0;
  await turns.next(exchange.address);
  for await (const proof of reading.forks(did)) {
    lines.push(...proof);
    bytes += proof[0].length + proof[1].length;
    if (lines.length >= 2 * MAX_FORK_PROOFS || bytes >= maxBytes) break;
    await turns.next(exchange.address);
  }
  await reply(exchange, 200, FRAME_TYPE, asLines(lines));
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
