import path from "node:path";
import type { LogFiles } from "./log-files.js";
import { firstOfName } from "./segment.js";

/** Read at a time. */
const PIECE_BYTES = 2 ** 20;
/** More than any line may have: what is longer is no line. */
const MAX_PIECE_BYTES = 2 ** 24;

/** Lines of one segment, as they are. */
export interface LineBlock {
  /** Position of the first line by the segment's name and the lines before it. */
  readonly first: number;
  /** Without their newlines. */
  readonly lines: readonly Uint8Array[];
  /** Bytes at the segment's end that no newline ends; 0 elsewhere. */
  readonly torn: number;
}

/**
 * Reads the segments of a log from the oldest on, whatever is in them: for looking at a log without opening it. Files
 * that no segment is named like are passed over.
 */
export async function* readLines(files: LogFiles, folder: string): AsyncGenerator<LineBlock> {
  for (const name of await files.list(folder)) {
    const first = firstOfName(name);
    if (first !== undefined) yield* readSegment(files, path.join(folder, name), first);
  }
}

async function* readSegment(files: LogFiles, file: string, first: number): AsyncGenerator<LineBlock> {
  const open = await files.open(file, "read");
  try {
    let position = first;
    let offset = 0;
    let pieceBytes = PIECE_BYTES;
    for (;;) {
      const piece = new Uint8Array(pieceBytes);
      const bytes = piece.subarray(0, await open.read(piece, offset));
      const lines = splitLines(bytes);
      const used = lines.reduce((sum, line) => sum + line.length + 1, 0);
      const isEnd = bytes.length < pieceBytes || (used === 0 && pieceBytes >= MAX_PIECE_BYTES);
      yield { first: position, lines, torn: isEnd ? bytes.length - used : 0 };
      if (isEnd) return;
      position += lines.length;
      offset += used;
      pieceBytes = used === 0 ? pieceBytes * 2 : PIECE_BYTES;
    }
  } finally {
    await open.close();
  }
}

function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
