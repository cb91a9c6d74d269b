/** Consecutive entries of the log, exactly as they are on disk. */
export interface LogSlice {
  /** Position of the first entry. */
  readonly first: number;
  /** Entries; 0 when there is nothing (yet) at the asked position. */
  readonly count: number;
  /** The lines one after the other, each with its newline. Shared memory that nobody writes to: keep it, don't change it. */
  readonly bytes: Uint8Array;
  /** Bytes of each line, its newline included. */
  readonly lengths: Uint32Array;
}

/** One line of the log, without its newline. */
export interface LogEntry {
  readonly position: number;
  readonly line: Uint8Array;
}

/** The lines of a slice one by one; views into its bytes. */
export function* entriesOf(slice: LogSlice): Generator<LogEntry> {
  let start = 0;
  for (let i = 0; i < slice.count; i++) {
    const end = start + slice.lengths[i]!;
    yield { position: slice.first + i, line: slice.bytes.subarray(start, end - 1) };
    start = end;
  }
}

/** What an event's canonical line ends with, whatever is in it: its last two keys. */
const EVENT_END = new TextEncoder().encode(',"type":"event","v":1}\n');
const CLOSING_BRACKET = 0x5d;

/**
 * Is the line bytes[start, end) (with its newline) an event with `to`, which not every reader may see? Told from its
 * last bytes: in a canonical event `to` (an array) stands right before `type`, and where it is missing `time` (a
 * number) does. Inside a string the quotation marks would be escaped, so no body can imitate it. Exact for the lines
 * of a log, which are all canonical entries; far cheaper than parsing every line that a reader gets.
 */
function isAddressedLine(bytes: Uint8Array, start: number, end: number): boolean {
  const tail = end - EVENT_END.length;
  if (tail <= start || bytes[tail - 1] !== CLOSING_BRACKET) return false;
  for (let i = 0; i < EVENT_END.length; i++) if (bytes[tail + i] !== EVENT_END[i]) return false;
  return true;
}

/** Indices (from 0) of the entries of a slice that are addressed events. */
export function addressedIn(slice: LogSlice): number[] {
  const indices: number[] = [];
  let start = 0;
  for (let i = 0; i < slice.count; i++) {
    const end = start + slice.lengths[i]!;
    if (isAddressedLine(slice.bytes, start, end)) indices.push(i);
    start = end;
  }
  return indices;
}
