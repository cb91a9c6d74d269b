/** The log's Merkle tree by HTTP: its signed head, its tiles, and proofs (C2SP tlog-checkpoint and tlog-tiles). */
import { base64url } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { parseTilePath } from "../../keys/merkle/tiles.js";
import type { Exchange, Route } from "./exchange.js";
import { reply, replyJson, TEXT_TYPE } from "./http-reply.js";
import { integerQuery, onlyQuery } from "./query.js";

/** A full tile never changes any more. */
const FOREVER = "public, max-age=31536000, immutable";

export const treeRoutes: readonly Route[] = [
  { method: "GET", path: /^\/checkpoint$/, handle: checkpoint },
  { method: "GET", path: /^\/(tile\/.+)$/, handle: tile },
  { method: "GET", path: /^\/inclusion$/, handle: inclusion },
  { method: "GET", path: /^\/consistency$/, handle: consistency },
];

/** The signed head; `fresh=1` signs one of this moment. */
async function checkpoint(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, ["fresh"]);
  const { context, url } = exchange;
  const isFresh = url.searchParams.get("fresh") === "1";
  const head = await context.reader.treeHead(isFresh ? context.ledger.position : 0);
  await reply(exchange, 200, TEXT_TYPE, head.checkpoint);
}

function tile(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  const { context, params, response } = exchange;
  const path = params[0]!;
  const wanted = parseTilePath(path);
  const bytes = wanted && context.folder.tree.tile(wanted.level, wanted.index, wanted.width);
  if (bytes === undefined) throw new AntsError("not-found", `there is no such tile: /${path}`);
  if (!path.includes(".p/")) response.setHeader("cache-control", FOREVER);
  return reply(exchange, 200, "application/octet-stream", bytes);
}

/** The path from the entry at a position to the root at a size; without one, at the log's. */
function inclusion(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, ["at", "size"]);
  const { reading } = exchange.context;
  const size = integerQuery(exchange, "size", { min: 1, max: reading.position, fallback: reading.position });
  const at = integerQuery(exchange, "at", { min: 1, max: size });
  const { path, root } = reading.inclusion(at, size);
  return replyJson(exchange, 200, { at, size, path: path.map((hash) => base64url(hash)), root: base64url(root) });
}

/** The proof that the tree at size `to` begins with the tree at size `from`. */
function consistency(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, ["from", "to"]);
  const { reading } = exchange.context;
  const to = integerQuery(exchange, "to", { min: 1, max: reading.position, fallback: reading.position });
  const from = integerQuery(exchange, "from", { min: 1, max: to });
  const proof = reading.consistency(from, to).map((hash) => base64url(hash));
  return replyJson(exchange, 200, { from, to, proof });
}
