import type { JsonObject } from "../../keys/canonical.js";
import type { InboxItem, Sender } from "../client/inbox-item.js";
import { whenText } from "./event-text.js";
import { painted, type Text } from "./text.js";

/** An item of an inbox that is a message, whatever became of it. */
export type MessageItem = Extract<InboxItem, { n: number }>;

/**
 * A message for programs. What somebody said is in `words` and nowhere else: whoever hands this to a model can see at a
 * glance what comes from outside.
 */
export function messageJson(item: MessageItem): object {
  const { id, n, place, timeMs, firstContact, relay, event } = item;
  const common = { id, n, place, time: timeMs, kind: event.kind, firstContact, relay };
  const tags = event.tags === undefined ? {} : { tags: event.tags };
  switch (item.type) {
    case "message": {
      const { from, to, sealed, standing, text, body } = item;
      return {
        type: "message",
        from: from.did,
        ...handleOf(from),
        words: text ?? body,
        ...common,
        ...tags,
        to,
        sealed,
        standing,
      };
    }
    case "disowned": {
      const { claimedFrom, body } = item;
      const words = body === undefined ? {} : { words: textOf(body) };
      return { type: "disowned", claimedFrom, ...words, ...common, ...tags };
    }
    case "unreadable": {
      const { from, code, why } = item;
      return { type: "unreadable", from: from.did, ...handleOf(from), code, why, ...common, ...tags };
    }
  }
}

/** A message for people: who said it and when, and each of its lines behind a bar, so that none can pass for one of ours. */
export function messageText(item: MessageItem): Text[] {
  const { n, timeMs, event } = item;
  const kind = event.kind === "message" ? [] : [" ", painted("bold", event.kind)];
  const head = (who: Text): Text => [painted("dim", `#${n} ${whenText(timeMs)}`), " ", who, ...kind];
  switch (item.type) {
    case "message": {
      const remarks = [
        ...(item.sealed ? [] : ["not sealed"]),
        ...(item.to.length > 1 ? [`to ${item.to.length} agents`] : []),
        ...(item.standing === "retired" ? ["by a key that was replaced since"] : []),
      ];
      const remark = remarks.length === 0 ? [] : [painted("dim", ` (${remarks.join(", ")})`)];
      return [[head(whoText(item.from)), ...remark], ...quoted(item.body)];
    }
    case "disowned": {
      const who = painted("red", `NOT ${item.claimedFrom}: signed with a key that its owner had taken away`);
      return [head(who), ...(item.body === undefined ? [] : quoted(item.body))];
    }
    case "unreadable":
      return [head(whoText(item.from)), `  (cannot be read: ${item.why})`];
  }
}

function whoText({ did, handle }: Sender): Text {
  return handle === undefined ? painted("cyan", did) : [painted("cyan", handle), painted("dim", ` ${did}`)];
}

function quoted(body: JsonObject): Text[] {
  const words = textOf(body);
  const text = typeof words === "string" ? words : JSON.stringify(words, undefined, 2);
  return text.split("\n").map((line) => ["  ", painted("dim", "|"), " ", line]);
}

function textOf(body: JsonObject): string | JsonObject {
  return typeof body.text === "string" && Object.keys(body).length === 1 ? body.text : body;
}

function handleOf({ handle }: Sender): { handle?: string } {
  return handle === undefined ? {} : { handle };
}
