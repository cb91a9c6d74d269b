/** What the relay says about itself: for programs, for load balancers, for people. */

import type { Exchange, Route } from "./exchange.js";
import { reply, replyJson, TEXT_TYPE } from "./http-reply.js";
import { onlyQuery } from "./query.js";
import { STATUS_PAGE_HEADERS, statusPage } from "./status-page.js";

export const stateRoutes: readonly Route[] = [
  { method: "GET", path: /^\/\.well-known\/ants-relay$/, handle: info },
  { method: "GET", path: /^\/healthz$/, handle: health },
  { method: "GET", path: /^\/readyz$/, handle: readiness },
  { method: "GET", path: /^\/metrics$/, handle: metrics },
  { method: "GET", path: /^\/$/, handle: page },
];

function info(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  return replyJson(exchange, 200, exchange.context.info());
}

/** The process answers; nothing more is said by this. */
function health(exchange: Exchange): Promise<void> {
  return reply(exchange, 200, TEXT_TYPE, "alive\n");
}

/** Ready means: a head of now was signed, and writes are taken. 503 says why not. */
async function readiness(exchange: Exchange): Promise<void> {
  const { context } = exchange;
  const reason = await context.unreadiness();
  if (reason === undefined) await replyJson(exchange, 200, { ready: true, position: context.ledger.position });
  else await replyJson(exchange, 503, { ready: false, ...reason });
}

async function metrics(exchange: Exchange): Promise<void> {
  const { context } = exchange;
  await reply(exchange, 200, context.metrics.contentType, await context.metrics.text());
}

async function page(exchange: Exchange): Promise<void> {
  const { context, response } = exchange;
  const reason = await context.unreadiness();
  for (const [name, value] of Object.entries(STATUS_PAGE_HEADERS)) response.setHeader(name, value);
  const cursor = context.reader.cursorAt(context.ledger.position);
  const html = statusPage(context.info(), cursor, reason, context.handles.host());
  await reply(exchange, reason === undefined ? 200 : 503, "text/html; charset=utf-8", html);
}
