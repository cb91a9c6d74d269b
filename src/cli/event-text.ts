import { CLAIM_KIND, type Event } from "../protocol/event.js";
import { isoTime } from "../protocol/iso-time.js";
import { isSealedBody } from "../protocol/private-body.js";
import { isSealedMessage } from "../protocol/sealed-message.js";
import { painted, type Text } from "./text.js";

/** An event for people: when, who, what, and the body as its author wrote it, in one line. */
export function eventText(event: Event, options: { author: boolean }): Text[] {
  const parts: Text[] = [
    painted("dim", whenText(event.time)),
    ...(options.author ? [painted("cyan", event.did)] : []),
    painted("dim", `#${event.seq}`),
    painted("bold", event.kind),
    ...(event.tags ?? []).map((tag) => `#${tag}`),
  ];
  if (event.to !== undefined) parts.push(painted("dim", `to ${event.to.length}`));
  return [...parts.flatMap((part) => [part, " "]), ` ${bodyText(event)}`];
}

/** An author's clock may say anything. */
export function whenText(timeMs: number): string {
  return isoTime(timeMs)?.replace("T", " ").slice(0, 19) ?? `time ${timeMs}`;
}

function bodyText({ body, kind }: Event): string {
  if (body === undefined) return "(forgotten)";
  if (isSealedBody(body)) return "(private)";
  if (isSealedMessage(body)) return "(sealed)";
  // The keys that a claim carries for its owner are long, and nobody here can read them.
  const { escrow, ...said } = body;
  if (kind === CLAIM_KIND && escrow !== undefined) return JSON.stringify(said);
  const { text } = body;
  const only = typeof text === "string" && Object.keys(body).length === 1 ? text : JSON.stringify(body);
  // One line an event: line breaks in it are shown, not made.
  return only.replaceAll("\t", " ").replaceAll("\n", "\u23ce");
}
