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

function info(exchange: Exchange): void {
  onlyQuery(exchange, []);
  replyJson(exchange.response, 200, exchange.context.info());
}

/** The process answers; nothing more is said by this. */
function health({ response }: Exchange): void {
  reply(response, 200, TEXT_TYPE, "alive\n");
}

/** Ready means: a head of now was signed, and writes are taken. 503 says why not. */
async function readiness({ context, response }: Exchange): Promise<void> {
  const reason = await context.unreadiness();
  if (reason === undefined) replyJson(response, 200, { ready: true, position: context.ledger.position });
  else replyJson(response, 503, { ready: false, ...reason });
}

async function metrics({ context, response }: Exchange): Promise<void> {
  reply(response, 200, context.metrics.contentType, await context.metrics.text());
}

async function page({ context, response }: Exchange): Promise<void> {
  const reason = await context.unreadiness();
  for (const [name, value] of Object.entries(STATUS_PAGE_HEADERS)) response.setHeader(name, value);
  const html = statusPage(context.info(), context.reader.cursorAt(context.ledger.position), reason);
  reply(response, reason === undefined ? 200 : 503, "text/html; charset=utf-8", html);
}
