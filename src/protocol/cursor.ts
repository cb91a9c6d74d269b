/**
 * A cursor names a place in a relay log: `<stream>.<position>.<check>`. It is exclusive: reading after it yields
 * position + 1. The check is the start of the log's Merkle root at that position, so that a relay can tell a cursor
 * of this history from one of a rewritten history (docs/protocol.md, Cursors).
 */
import { hex } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";

/** Hex digits of the root that a cursor carries: enough to notice a rewrite, and the signed head proves the rest. */
export const CHECK_LENGTH = 8;
/** The check of the empty log: SHA-256 of nothing. */
export const EMPTY_CHECK = "e3b0c442";

export interface Cursor {
  /** One incarnation of a relay log, 16 hex digits. */
  readonly stream: string;
  /** Entries up to here were read; 0 is before the first. */
  readonly position: number;
  /** The first {@link CHECK_LENGTH} hex digits of the root of the first `position` entries. */
  readonly check: string;
}

const STREAM = /^[0-9a-f]{16}$/;
const CURSOR = /^([0-9a-f]{16})\.(0|[1-9][0-9]{0,15})\.([0-9a-f]{8})$/;

/** True for a stream id: 16 lower-case hex digits. */
export function isStream(text: unknown): text is string {
  return typeof text === "string" && STREAM.test(text);
}

/** Writes a cursor; `root` is the 32-byte Merkle root at `position`, as bytes or hex (its first 8 digits suffice). */
export function formatCursor(at: { stream: string; position: number; root: Uint8Array | string }): string {
  const root = typeof at.root === "string" ? at.root : hex(at.root.subarray(0, CHECK_LENGTH / 2));
  const text = `${at.stream}.${at.position}.${root.slice(0, CHECK_LENGTH)}`;
  parseCursor(text);
  return text;
}

/** The cursor before the first entry of a stream. */
export function startCursor(stream: string): string {
  return formatCursor({ stream, position: 0, root: EMPTY_CHECK });
}

/** Reads a cursor. Throws `cursor-syntax`; whether it belongs to a log is for the log to say. */
export function parseCursor(text: string): Cursor {
  const match = CURSOR.exec(text);
  const position = Number(match?.[2]);
  if (match === null || !Number.isSafeInteger(position)) throw syntax(text, "<16 hex>.<position>.<8 hex>");
  const check = match[3]!;
  if (position === 0 && check !== EMPTY_CHECK) throw syntax(text, `check ${EMPTY_CHECK} at position 0`);
  return { stream: match[1]!, position, check };
}

function syntax(text: unknown, expected: string): AntsError {
  const shown = String(text).slice(0, 64);
  return new AntsError("cursor-syntax", `not a cursor: expected ${expected}, got "${shown}"`, {
    hint: "use a cursor exactly as a relay gave it, or the words start and head",
  });
}
