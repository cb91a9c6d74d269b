import { constants, gunzipSync, inflateSync } from "node:zlib";
import { fromBase64, fromHex, printable } from "./encodings.js";

/** Something that a text holds in another spelling, and where it stands. */
export interface Wrapped {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

const TOKEN = /[A-Za-z0-9+/_-]{16,}={0,2}/g;
/** Base64 broken into lines, as mail and PEM have it; or hexadecimal, as some tools print it. */
const BROKEN = /(?:^|(?<=["'`\s]))(?:[A-Za-z0-9+/]{48,120}(?:\r?\n| )[ \t]*)+[A-Za-z0-9+/]+={0,2}/g;
const MIN_HEX = 24;
const HEX = /(?:[0-9a-f]{2}){12,}|(?:[0-9A-F]{2}){12,}/g;

/** What is written in base64 or hexadecimal and is a text, or packed, when it is decoded. */
export function* decodedTexts(text: string): Generator<Wrapped> {
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token.length >= MIN_HEX)
      for (const match of token.matchAll(HEX)) yield* readable(match[0], index + match.index, fromHex);
    // Both, or it is a name or a path.
    if (/[a-z]/.test(token) && /[A-Z]/.test(token)) yield* readable(token, index, fromBase64);
  }
  for (const { 0: block, index } of text.matchAll(BROKEN)) yield* readable(block, index, fromBrokenBase64);
}

function* readable(
  token: string,
  start: number,
  decode: (token: string) => Uint8Array | undefined,
): Generator<Wrapped> {
  const bytes = decode(token);
  if (bytes === undefined || (printable(bytes) === undefined && !isPacked(bytes))) return;
  yield { start, end: start + token.length, bytes };
}

function fromBrokenBase64(token: string): Uint8Array | undefined {
  return fromBase64(token.replace(/\s/g, ""));
}

/** A packed file of more than this inside is looked at no further: what it was made to hold is unbounded. */
const MAX_UNPACKED_BYTES = 64 * 1024 * 1024;
const GIT_HEADER = /^(?:blob|commit|tag) \d+\0/;

/** What a gzip file holds, or an object of Git; undefined for anything else, and where it is more than 64 MiB. */
export function unpacked(bytes: Uint8Array): Uint8Array | undefined {
  if (!isPacked(bytes)) return undefined;
  try {
    // A part of a file ends before its stream does.
    const limits = { maxOutputLength: MAX_UNPACKED_BYTES, finishFlush: constants.Z_SYNC_FLUSH };
    if (isGzip(bytes)) return gunzipSync(bytes, limits);
    const object = inflateSync(bytes, limits);
    const header = GIT_HEADER.exec(object.subarray(0, 32).toString("latin1"));
    return header === null ? object : object.subarray(header[0].length);
  } catch {
    // It only began like one.
    return undefined;
  }
}

function isPacked(bytes: Uint8Array): boolean {
  return isGzip(bytes) || isZlib(bytes);
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/** RFC 1950: method 8, a window of 32 KiB, and a check over both bytes. */
function isZlib(bytes: Uint8Array): boolean {
  return bytes[0] === 0x78 && bytes.length > 8 && ((bytes[0] << 8) | bytes[1]!) % 31 === 0;
}
