import { AntsError } from "../../keys/errors.js";
import { parseEntry } from "../../src/protocol/entry.js";
import { EntryOffsets } from "./entry-offsets.js";
import { firstOfName, type LogPlace, Segment } from "./segment.js";

/** Positions whose lines may differ from what the tree was built over: their file changed without the relay. */
export interface ChangedRange {
  readonly first: number;
  readonly last: number;
}

/** What was cut off the end of the log when it was opened: an append that a crash interrupted. */
export interface CutTail {
  /** Entries up to here are left. */
  readonly position: number;
  readonly bytes: number;
}

export interface OpenedSegments {
  readonly segments: Segment[];
  readonly changed: ChangedRange[];
  readonly cut: CutTail | undefined;
}

/**
 * Opens the segments of a folder, the last one for writing.
 *
 * What is checked: that the segments follow one another without a hole; and behind `provenPosition` (up to which a
 * signed head vouches for the log) that every line of the last segment is an entry. A torn end is cut: such bytes were
 * never acknowledged, since a group is acknowledged after it is on disk whole, and no group follows an unfinished one.
 * Damage with a whole line after it is no torn end: AntsError "log-damaged". A log that ends before `provenPosition`
 * lost acknowledged entries: "log-behind-head".
 *
 * The unproven tail is written again before it counts as on disk: it may stand in the system's memory only, after a
 * crash between write and fdatasync, or after an fdatasync that failed (after which the system takes it for written).
 */
export async function openSegments(place: LogPlace, provenPosition: number): Promise<OpenedSegments> {
  const names = await place.files.list(place.folder);
  const firsts = names.map(firstOfName).filter((first) => first !== undefined);
  const segments = firsts.map((first) => new Segment(place, first));
  const changed: ChangedRange[] = [];
  for (const [i, segment] of segments.slice(0, -1).entries()) {
    await openSealed(place, segment, changed);
    requireNext(segment, segments[i + 1]!.first);
  }
  const last = segments.at(-1);
  const cut = last && (await openLast(place, last, provenPosition, changed));
  const lastPosition = last === undefined ? 0 : last.next - 1;
  if (lastPosition < provenPosition) throw behindHead(lastPosition, provenPosition);
  return { segments, changed, cut };
}

async function openSealed(place: LogPlace, segment: Segment, changed: ChangedRange[]): Promise<void> {
  const stamp = (await place.files.stamp(segment.path)) ?? { bytes: 0, modifiedMs: 0 };
  const stored = segment.storedOffsets(stamp);
  const offsets = stored instanceof EntryOffsets ? stored : segment.scanOffsets(stamp.bytes);
  segment.committedCount = offsets.count;
  segment.committedBytes = offsets.bytes;
  if (offsets.bytes !== stamp.bytes) throw damaged(segment, offsets.count, offsets.bytes, "a line without an end");
  if (offsets === stored) {
    segment.stamp = stamp;
    return;
  }
  segment.offsets = offsets;
  await segment.storeOffsets();
  segment.forgetOffsets();
  if (offsets.count > 0) changed.push({ first: segment.first, last: segment.next - 1 });
}

function requireNext(segment: Segment, next: number): void {
  if (segment.next === next) return;
  const position = Math.min(segment.next, next);
  throw new AntsError(
    "log-damaged",
    `${segment.path} holds positions ${segment.first} to ${segment.next - 1}, but the next segment begins at ${next}`,
    { hint: RESTORE, details: { position, path: segment.path } },
  );
}

async function openLast(
  place: LogPlace,
  segment: Segment,
  provenPosition: number,
  changed: ChangedRange[],
): Promise<CutTail | undefined> {
  const stamp = (await place.files.stamp(segment.path)) ?? { bytes: 0, modifiedMs: 0 };
  segment.file = await place.files.open(segment.path, "write");
  const stored = segment.storedOffsets(stamp);
  if (stored instanceof EntryOffsets) {
    segment.offsets = stored;
    segment.stamp = stamp;
    segment.committedCount = stored.count;
    segment.committedBytes = stored.bytes;
    return undefined;
  }
  const offsets = segment.scanOffsets(stamp.bytes);
  const proven = Math.max(0, Math.min(offsets.count, provenPosition - segment.first + 1));
  if (stored === "stale" && proven > 0) changed.push({ first: segment.first, last: segment.first + proven - 1 });
  const provenBytes = offsets.start(proven);
  const tail = place.files.readPart(segment.path, provenBytes, stamp.bytes - provenBytes);
  const whole = wholeEntries(segment, offsets, proven, tail);
  if (segment.first + whole - 1 < provenPosition) throw behindHead(segment.first + whole - 1, provenPosition);

  offsets.truncate(whole);
  segment.offsets = offsets;
  const left = offsets.bytes;
  if (left < stamp.bytes) await segment.file.truncate(left);
  await segment.file.write([tail.subarray(0, left - provenBytes)], provenBytes);
  await segment.file.datasync();
  segment.committedCount = whole;
  segment.committedBytes = left;
  return left < stamp.bytes ? { position: segment.next - 1, bytes: stamp.bytes - left } : undefined;
}

/** How many entries the segment has before its torn end; `tail` begins at the entry with index `from`. */
function wholeEntries(segment: Segment, offsets: EntryOffsets, from: number, tail: Uint8Array): number {
  const base = offsets.start(from);
  let broken: number | undefined;
  for (let i = from; i < offsets.count; i++) {
    const whole = isEntry(tail.subarray(offsets.start(i) - base, offsets.end(i) - 1 - base));
    if (whole && broken !== undefined) throw damaged(segment, broken, offsets.start(broken), "a line that is no entry");
    if (!whole) broken ??= i;
  }
  return broken ?? offsets.count;
}

function isEntry(line: Uint8Array): boolean {
  try {
    parseEntry(line);
    return true;
  } catch {
    return false;
  }
}

const RESTORE =
  "restore the log from a copy, or move everything from that position on out of the log's folder, delete the offsets, " +
  "tree and index folders, and start a new stream";

function damaged(segment: Segment, index: number, offset: number, what: string): AntsError {
  const position = segment.first + index;
  return new AntsError(
    "log-damaged",
    `${segment.path} has ${what} at position ${position} (byte ${offset}), with entries after it`,
    { hint: RESTORE, details: { position, offset, path: segment.path } },
  );
}

/** The error for a log that lost entries which its own signed head covers. */
function behindHead(lastPosition: number, headSize: number): AntsError {
  return new AntsError(
    "log-behind-head",
    `the log ends at position ${lastPosition}, but this relay signed a head over ${headSize} entries: entries are lost`,
    {
      hint: "restore the newest copy of the data folder; if there is none, start a new stream: readers and agents will notice",
      details: { lastPosition, headSize },
    },
  );
}
