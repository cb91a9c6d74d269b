import { AntsError } from "../../keys/errors.js";
import { type ParsedEntry, parseEntry } from "../../src/protocol/entry.js";
import { entriesOf, type LogEntry, type LogSlice } from "./log-slice.js";
import type { SegmentLog } from "./segment-log.js";

/** The ids of the entries of a slice, in hex. Throws "log-damaged" for a line that is no entry. */
export function idsOf(slice: LogSlice): string[] {
  const ids: string[] = [];
  for (const entry of entriesOf(slice)) ids.push(readEntry(entry).id);
  return ids;
}

/** As {@link idsOf} for `count` positions from `first` on, blocking on the disk. */
export function idsBlocking(log: SegmentLog, first: number, count: number): string[] {
  const ids: string[] = [];
  while (ids.length < count) {
    const bounds = { maxBytes: Number.MAX_SAFE_INTEGER, maxEntries: count - ids.length };
    ids.push(...idsOf(log.readBlocking(first + ids.length, bounds)));
  }
  return ids;
}

/** The entry of a line of the log. Throws "log-damaged" (details: position). */
export function readEntry({ line, position }: LogEntry): ParsedEntry {
  try {
    return parseEntry(line);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AntsError("log-damaged", `the log's line at position ${position} is no entry: ${why}`, {
      hint: "check the folder with `ants relay verify`; restore the log from a copy",
      cause: error,
      details: { position },
    });
  }
}
