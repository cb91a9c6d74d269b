/** The log by HTTP: publish a frame, read a page, wait for the next one, or keep a stream of pages open. */
import { AntsError } from "../../keys/errors.js";
import { filterOfQuery } from "../../src/protocol/filter.js";
import { encodeFrame } from "../../src/protocol/frame.js";
import { MAX_LONG_POLL_MS } from "../../src/protocol/limits.js";
import { readClientFrame } from "../../src/protocol/messages.js";
import { untilAdvance } from "./advance.js";
import { streamEvents } from "./event-stream.js";
import type { Exchange, Route } from "./exchange.js";
import { entriesFrame } from "./follows.js";
import { FRAME_TYPE, reply, replyRefused } from "./http-reply.js";
import type { Answer, Submission } from "./intake.js";
import { nextPage, type Wanted } from "./next-page.js";
import { integerQuery, onlyQuery } from "./query.js";
import { readBody } from "./request-body.js";

const QUERY = ["after", "limit", "wait", "allowGap", "did", "kind", "to", "tag", "type"];

export const logRoutes: readonly Route[] = [
  { method: "GET", path: /^\/entries$/, handle: readEntries },
  { method: "POST", path: /^\/entries$/, handle: publishEntries },
];

/** One frame in, its answer out. There is no authentication by HTTP: nothing here counts as the author's own connection. */
async function publishEntries(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  const { limits, awaiting } = exchange.context;
  const bytes = await readBody(exchange.request, limits.maxFrameBytes, awaiting);
  const { message, body } = readClientFrame(bytes, limits);
  if (message.t !== "publish") {
    throw new AntsError("bad-message", `${message.t} needs a WebSocket: by HTTP a frame can only be published`, {
      details: { t: message.t, ref: message.ref, field: "t", expected: "publish" },
    });
  }
  await submit(exchange, { ...message, body });
}

/** Passes entry lines on to the log and answers with what became of them. */
export async function submit(exchange: Exchange, submission: Submission): Promise<void> {
  const { context, address } = exchange;
  const bytes = submission.body.length;
  context.awaiting.take(bytes);
  const lane = context.intake.lane({ address, instanceOf: () => undefined });
  const answer = await lane.submit(submission).finally(() => context.awaiting.give(bytes));
  await replyAnswer(exchange, answer);
}

async function replyAnswer(exchange: Exchange, { message, line }: Answer): Promise<void> {
  if (message.t === "refused") await replyRefused(exchange, message);
  else await reply(exchange, 200, FRAME_TYPE, encodeFrame(message, line === undefined ? [] : [line]));
}

async function readEntries(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, QUERY);
  const { context, request, url } = exchange;
  const filter = filterOfQuery(url.searchParams);
  const after = String(request.headers["last-event-id"] ?? url.searchParams.get("after") ?? "start");
  const position = context.reader.positionAfter(after, url.searchParams.get("allowGap") === "true");
  const { maxFrameEntries } = context.limits;
  const limit = integerQuery(exchange, "limit", { min: 1, max: maxFrameEntries, fallback: maxFrameEntries });
  const waitS = integerQuery(exchange, "wait", { min: 0, max: MAX_LONG_POLL_MS / 1000, fallback: 0 });
  const wanted = { position, limit, ...(Object.keys(filter).length === 0 ? {} : { filter }) };
  if (request.headers.accept?.includes("text/event-stream") === true) await streamEvents(exchange, wanted);
  else await onePage(exchange, wanted, waitS * 1000);
}

/** One `entries` frame; with a wait, not before it has something in it or the time is over. */
async function onePage(exchange: Exchange, wanted: Wanted, waitMs: number): Promise<void> {
  const { context, signal } = exchange;
  const { clock, ledger, reader } = context;
  const untilMs = clock.monotonicMs() + waitMs;
  let page = await nextPage(exchange, wanted);
  while (page.at.length === 0 && page.withheld.length === 0 && !signal.aborted) {
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0 || !(await untilAdvance(ledger, page.position, { clock, signal, maxMs: leftMs }))) break;
    page = await nextPage(exchange, { ...wanted, position: page.position });
  }
  await reply(exchange, 200, FRAME_TYPE, entriesFrame(0, page, reader.cursorAt(page.position)));
}
