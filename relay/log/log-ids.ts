import { fromHex } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { HASH_BYTES } from "../../keys/merkle/hashes.js";
import { type ParsedEntry, parseEntry } from "../../src/protocol/entry.js";
import { entriesOf, type LogEntry, type LogSlice } from "./log-slice.js";
import type { SegmentLog } from "./segment-log.js";

/** The ids of the entries of a slice, 32 bytes each, one after the other. Throws "log-damaged" for a line that is none. */
export function idsOf(slice: LogSlice): Uint8Array {
  const ids = new Uint8Array(slice.count * HASH_BYTES);
  for (const entry of entriesOf(slice)) {
    ids.set(fromHex(parsed(entry).id), (entry.position - slice.first) * HASH_BYTES);
  }
  return ids;
}

/** As {@link idsOf} for `count` positions from `first` on, blocking on the disk. */
export function idsBlocking(log: SegmentLog, first: number, count: number): Uint8Array {
  const ids = new Uint8Array(count * HASH_BYTES);
  for (let done = 0; done < count; ) {
    const slice = log.readBlocking(first + done, { maxBytes: Number.MAX_SAFE_INTEGER, maxEntries: count - done });
    ids.set(idsOf(slice), done * HASH_BYTES);
    done += slice.count;
  }
  return ids;
}

/** The entry of a line of the log. Throws "log-damaged" (details: position). */
export function parsed({ line, position }: LogEntry): ParsedEntry {
  try {
    return parseEntry(line);
  } catch (error) {
    throw new AntsError(
      "log-damaged",
      `the log's line at position ${position} is no entry: ${(error as Error).message}`,
      {
        hint: "check the folder with `ants relay verify`; restore the log from a copy",
        cause: error,
        details: { position },
      },
    );
  }
}
