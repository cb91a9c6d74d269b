/**
 * A frame is NDJSON: the first line is the envelope, the lines after it are canonical entry lines, untouched. The same
 * bytes are a WebSocket message, an HTTP body and a file (docs/protocol.md, Frames).
 */
import { fromUtf8, utf8 } from "../../keys/bytes.js";
import type { JsonObject } from "../../keys/canonical.js";
import { AntsError } from "../../keys/errors.js";
import { DEFAULT_LIMITS, type RelayLimits } from "./limits.js";

const NEWLINE = 0x0a;

export interface Frame {
  readonly envelope: JsonObject;
  /** The entry lines without their newlines: views into the frame, valid as long as its buffer is. */
  readonly entries: readonly Uint8Array[];
  /** All entry lines as they arrived, newlines included: a view into the frame. */
  readonly body: Uint8Array;
}

export type FrameLimits = Pick<RelayLimits, "maxFrameBytes" | "maxFrameEntries" | "maxLineBytes">;

/**
 * Splits a frame without copying it. Sizes are checked before anything is parsed; the entries are not looked into.
 * Every line ends with a newline, except that the last one may lack it.
 * Throws `too-large` (details: the limit's name and value) or `bad-frame`.
 */
export function splitFrame(bytes: Uint8Array, limits: FrameLimits = DEFAULT_LIMITS): Frame {
  if (bytes.length > limits.maxFrameBytes) throw tooLarge("frame bytes", bytes.length, "maxFrameBytes", limits);
  const first = bytes.indexOf(NEWLINE);
  const envelopeEnd = first < 0 ? bytes.length : first;
  const envelope = parseEnvelope(bytes.subarray(0, envelopeEnd));
  const bodyStart = Math.min(envelopeEnd + 1, bytes.length);
  const entries: Uint8Array[] = [];
  for (let start = bodyStart; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    if (end === start) throw badFrame(`line ${entries.length + 2} is empty: expected one entry a line`);
    if (end - start > limits.maxLineBytes) throw tooLarge("line bytes", end - start, "maxLineBytes", limits);
    if (entries.length === limits.maxFrameEntries) {
      throw tooLarge("entries", entries.length + 1, "maxFrameEntries", limits);
    }
    entries.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return { envelope, entries, body: bytes.subarray(bodyStart) };
}

/**
 * Writes a frame: the envelope, then each entry line (with or without its newline), every line newline-terminated. A
 * piece may also be many lines at once, as a log stores them.
 */
export function encodeFrame(envelope: object, lines: Iterable<string | Uint8Array> = []): Uint8Array {
  const parts: Uint8Array[] = [utf8(`${JSON.stringify(envelope)}\n`)];
  let length = parts[0]!.length;
  for (const line of lines) {
    const part = typeof line === "string" ? utf8(line) : line;
    parts.push(part);
    length += part.length;
    if (part[part.length - 1] !== NEWLINE) {
      parts.push(NEWLINE_BYTES);
      length += 1;
    }
  }
  const frame = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    frame.set(part, offset);
    offset += part.length;
  }
  return frame;
}

const NEWLINE_BYTES = Uint8Array.of(NEWLINE);

function parseEnvelope(line: Uint8Array): JsonObject {
  let envelope: unknown;
  try {
    envelope = JSON.parse(fromUtf8(line));
  } catch (cause) {
    throw new AntsError("bad-frame", "a frame's first line must be its envelope, a JSON object in UTF-8", { cause });
  }
  if (typeof envelope !== "object" || envelope === null || Array.isArray(envelope)) {
    throw badFrame("a frame's first line must be its envelope, a JSON object");
  }
  return envelope as JsonObject;
}

function badFrame(message: string): AntsError {
  return new AntsError("bad-frame", message);
}

function tooLarge(what: string, size: number, limit: keyof FrameLimits, limits: FrameLimits): AntsError {
  return new AntsError("too-large", `${size} ${what} in one frame: this side takes ${limits[limit]}`, {
    hint: "send smaller frames",
    details: { limit, value: limits[limit] },
  });
}
