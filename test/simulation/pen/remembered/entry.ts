import { type ParsedEntry, parseEntry as readEntry } from "../../../../src/protocol/entry.js";
import { entries, keep, keyOf } from "./lines.js";

export * from "../../../../src/protocol/entry.js";

export function parseEntry(line: Uint8Array): ParsedEntry {
  const key = keyOf(line);
  return entries.get(key) ?? keep(entries, key, readEntry(line.slice()));
}
