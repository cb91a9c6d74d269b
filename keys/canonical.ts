import { fromUtf8, utf8 } from "./bytes.js";
import { scanCanonical } from "./canonical-scanner.js";
import { AntsError } from "./errors.js";
import { MAX_LINE_BYTES, MAX_WRITER_DEPTH } from "./limits.js";

/** What a line can hold: no null, and numbers are safe integers. */
export type JsonValue = string | boolean | number | JsonValue[] | JsonObject;
/** An object of a line. Own enumerable keys only; never "__proto__". */
export type JsonObject = { [key: string]: JsonValue };

/**
 * RFC 8785 (JCS) of any JSON value: keys by UTF-16 code units, ECMAScript's spelling of numbers, minimal escapes.
 * Floats and null are written; the strict reader below refuses them, since no statement of ours has them.
 *
 * Only plain data is taken: null, booleans, finite numbers, strings, arrays and plain objects. AntsError
 * "json-unsupported" for anything else (undefined, NaN, bigint, functions, class instances, array holes, cycles): a
 * signer must not sign less than its caller passed. "json-surrogate" for a string or key with a lone surrogate.
 */
export function canonicalize(value: unknown): string {
  return write(value, 1);
}

/** {@link canonicalize} as UTF-8: the bytes that are hashed, signed, stored and sent. */
export function canonicalBytes(value: unknown): Uint8Array {
  return utf8(canonicalize(value));
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return writeString(value);
    case "number":
      if (!Number.isFinite(value)) throw unsupported(String(value));
      return String(value); // RFC 8785 section 3.2.2.3 is ECMAScript's own spelling; it writes -0 as 0
    case "boolean":
      return value ? "true" : "false";
    case "object":
      break;
    default:
      throw unsupported(typeof value);
  }
  if (value === null) return "null";
  if (depth > MAX_WRITER_DEPTH) throw unsupported(`cyclic, or deeper than ${MAX_WRITER_DEPTH} levels`);
  return Array.isArray(value) ? writeArray(value, depth) : writeObject(value, depth);
}

function writeArray(values: readonly unknown[], depth: number): string {
  let text = "[";
  for (let i = 0; i < values.length; i++) {
    if (i > 0) text += ",";
    text += write(values[i], depth + 1);
  }
  return `${text}]`;
}

function writeObject(object: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw unsupported(`an instance of ${object.constructor?.name || "a class"}`);
  }
  let text = "{";
  for (const key of sortedKeys(object)) {
    if (text.length > 1) text += ",";
    text += `${writeString(key)}:${write((object as Record<string, unknown>)[key], depth + 1)}`;
  }
  return `${text}}`;
}

/** By UTF-16 code units, as RFC 8785 section 3.2.3 asks; this is the default order of sort(), and mostly theirs already. */
function sortedKeys(object: object): string[] {
  const keys = Object.keys(object);
  for (let i = 1; i < keys.length; i++) {
    if (keys[i - 1]! > keys[i]!) return keys.sort();
  }
  return keys;
}

const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

function writeString(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return `"${text}"`;
  if (LONE_SURROGATE.test(text)) {
    throw new AntsError("json-surrogate", "expected well-formed text, got a string with a lone surrogate");
  }
  // JSON.stringify escapes exactly as RFC 8785 section 3.2.2.2 asks.
  return JSON.stringify(text);
}

function unsupported(what: string): AntsError {
  return new AntsError("json-unsupported", `expected plain JSON data, got ${what}`);
}

/**
 * The strict reader. Takes the bytes of one line, without its newline, if and only if they are exactly what
 * {@link canonicalize} writes for the value they stand for, and that value holds only objects, arrays, well-formed
 * strings, booleans and safe integers. It never repairs. (protocol.md, "Bytes")
 *
 * Throws AntsError, in this order of checks: "json-too-long" (more than `maxBytes`, default 65,536), "json-utf8",
 * "json-bom", then at the first character that is wrong: "json-depth" (deeper than 16), "json-duplicate-key",
 * "json-key-order", "json-proto" (a key "__proto__"), "json-whitespace", "json-null", "json-escape" (an escape other
 * than the canonical one), "json-surrogate" (the escape of a lone surrogate), "json-negative-zero", "json-float",
 * "json-number-range" (an integer beyond 2^53 − 1), "json-number-overflow" (beyond every double), "json-number" (an
 * integer in another spelling: 1.0, 1e3, 01), "json-trailing", "json-syntax". `details.at`, where known, is the
 * character.
 */
export function parseCanonical(bytes: Uint8Array, options?: { maxBytes?: number }): JsonValue {
  const maxBytes = options?.maxBytes ?? MAX_LINE_BYTES;
  if (bytes.length > maxBytes) {
    throw new AntsError("json-too-long", `expected at most ${maxBytes} bytes, got ${bytes.length}`, {
      details: { maxBytes, bytes: bytes.length },
    });
  }
  const text = fromUtf8(bytes);
  scanCanonical(text);
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new AntsError("json-syntax", "expected canonical JSON, found a bare control character in a string", {
      cause,
    });
  }
}

/** {@link parseCanonical} for a line that must be an object. Also throws AntsError "json-not-object". */
export function parseCanonicalObject(bytes: Uint8Array, options?: { maxBytes?: number }): JsonObject {
  const value = parseCanonical(bytes, options);
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new AntsError("json-not-object", "expected a JSON object, got another value");
  }
  return value;
}
