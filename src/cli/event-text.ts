import type { Event } from "../protocol/event.js";
import { isSealedBody } from "../protocol/private-body.js";
import { type Output, printable } from "./output.js";

/** An event for people: when, who, what, and the body as its author wrote it, with nothing in it that a terminal obeys. */
export function eventLines(out: Output, event: Event, options: { author: boolean }): string[] {
  const when = new Date(event.time).toISOString().replace("T", " ").slice(0, 19);
  const parts = [
    out.paint("dim", when),
    ...(options.author ? [out.paint("cyan", event.did)] : []),
    out.paint("dim", `#${event.seq}`),
    out.paint("bold", event.kind),
    ...(event.tags ?? []).map((tag) => `#${tag}`),
  ];
  if (event.to !== undefined) parts.push(out.paint("dim", `to ${event.to.length}`));
  return [`${parts.join(" ")}  ${bodyText(event)}`];
}

function bodyText({ body }: Event): string {
  if (body === undefined) return "(forgotten)";
  if (isSealedBody(body)) return "(private)";
  const { text } = body;
  const only = typeof text === "string" && Object.keys(body).length === 1 ? text : JSON.stringify(body);
  // One line an event: line breaks in it are shown, not made.
  return printable(only.replaceAll("\t", " ").replaceAll("\n", "\u23ce"));
}
