import { type ParsedEvent, parseEvent as readEvent } from "../../../../src/protocol/event.js";
import { entries, keep, keyOf } from "./lines.js";

export * from "../../../../src/protocol/event.js";

export function parseEvent(line: Uint8Array): ParsedEvent {
  const key = keyOf(line);
  const known = entries.get(key);
  return known?.type === "event" ? known : keep(entries, key, readEvent(line.slice()));
}
