/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): each event is one frame, its id
 * is the cursor after it, so a browser's EventSource resumes exactly there by itself (`Last-Event-ID`).
 */
import { isAntsError } from "../../keys/errors.js";
import { encodeFrame } from "../../src/protocol/frame.js";
import { HEAD_INTERVAL_MS } from "../../src/protocol/limits.js";
import { refusalOf } from "../../src/protocol/refusal.js";
import { untilAdvance } from "./advance.js";
import { writeBytes } from "./answer-bytes.js";
import type { Exchange } from "./exchange.js";
import { entriesFrame } from "./follows.js";
import { nextPage, type Wanted } from "./next-page.js";

/** What a browser waits before it connects again. */
const RETRY_MS = 1_000;
const NEWLINE = 0x0a;
const DATA = Buffer.from("data: ");

/** Sends pages from a position on, then heads and whatever comes, until the client or the relay ends it. */
export async function streamEvents(exchange: Exchange, wanted: Wanted): Promise<void> {
  const { context, response, signal } = exchange;
  const { clock, ledger, reader } = context;
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(`retry: ${RETRY_MS}\n\n`);
  let { position } = wanted;
  let isCaughtUp = false;
  const send = (frame: Buffer) => writeBytes(exchange, event(reader.cursorAt(position), frame));
  const sendMessage = (message: object) => send(Buffer.from(encodeFrame(message)));
  try {
    while (!signal.aborted) {
      const page = await nextPage(exchange, { ...wanted, position });
      position = page.position;
      const cursor = reader.cursorAt(position);
      if (page.at.length > 0 || page.withheld.length > 0) await send(entriesFrame(0, page, cursor));
      if (!page.isEnd) continue;
      if (!isCaughtUp) {
        isCaughtUp = true;
        await sendMessage({ t: "caught-up", ref: 0, cursor });
      }
      if (await untilAdvance(ledger, position, { clock, signal, maxMs: HEAD_INTERVAL_MS })) continue;
      const { checkpoint } = await reader.treeHead(position);
      if (!signal.aborted) await sendMessage({ t: "head", ref: 0, cursor, checkpoint });
    }
  } catch (error) {
    if (!isAntsError(error)) context.onFault(error);
    else await sendMessage({ t: "ended", ref: 0, ...refusalOf(error), cursor: reader.cursorAt(position) });
  }
  response.end();
}

/** One event: the frame's lines as data lines, which a reader joins with newlines again. */
function event(id: string, frame: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from(`id: ${id}\n`)];
  for (let start = 0; start < frame.length; ) {
    const newline = frame.indexOf(NEWLINE, start);
    const end = newline < 0 ? frame.length : newline + 1;
    parts.push(DATA, frame.subarray(start, end));
    start = end;
  }
  parts.push(Buffer.of(NEWLINE));
  return Buffer.concat(parts);
}
