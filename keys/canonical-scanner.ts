import { AntsError } from "./errors.js";
import { MAX_DEPTH } from "./limits.js";

/**
 * Walks a text once and throws an AntsError unless it is the canonical form of a value that lines may hold; the codes
 * are listed at `parseCanonical`. Builds nothing, and leaves one thing to the native parser, which has to make the
 * values afterwards anyway: that no string holds a bare control character.
 */
export function scanCanonical(text: string): void {
  if (text.charCodeAt(0) === BOM) throw refusal("json-bom", "a byte order mark", 0);
  hasEscapes = text.includes("\\");
  const end = scanValue(text, 0, 1);
  if (end !== text.length) throw unexpected(text, end, "json-trailing");
}

/**
 * Does the text that is being scanned hold a backslash? Most lines don't, and then every string ends at the next
 * quote, which the engine finds several times faster than a loop.
 */
let hasEscapes = false;

const BOM = 0xfeff;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** Fifteen digits are below 2^53 whatever they are; more are looked at closely. */
const ALWAYS_SAFE_DIGITS = 15;

/** Each scan function takes the position where its token starts and returns the one after it. */
function scanValue(text: string, at: number, depth: number): number {
  switch (text.charCodeAt(at)) {
    case QUOTE:
      return scanString(text, at);
    case OPEN_BRACE:
      return scanObject(text, at, depth);
    case OPEN_BRACKET:
      return scanArray(text, at, depth);
    case LETTER_T:
      return scanWord(text, at, "true");
    case LETTER_F:
      return scanWord(text, at, "false");
    case LETTER_N:
      scanWord(text, at, "null");
      throw refusal("json-null", "null", at);
    default:
      return scanNumber(text, at);
  }
}

function scanObject(text: string, start: number, depth: number): number {
  if (depth > MAX_DEPTH) throw refusal("json-depth", `an object at depth ${depth}`, start);
  let at = start + 1;
  if (text.charCodeAt(at) === CLOSE_BRACE) return at + 1;
  let previous = -1;
  let previousEnd = -1;
  for (;;) {
    if (text.charCodeAt(at) !== QUOTE) throw unexpected(text, at);
    const keyEnd = scanString(text, at);
    if (previous !== -1) checkOrder(text, previous, previousEnd, at, keyEnd);
    if (keyEnd - at === 11 && text.startsWith("__proto__", at + 1)) {
      throw refusal("json-proto", 'the key "__proto__"', at);
    }
    previous = at;
    previousEnd = keyEnd;
    if (text.charCodeAt(keyEnd) !== COLON) throw unexpected(text, keyEnd);
    at = scanValue(text, keyEnd + 1, depth + 1);
    const next = text.charCodeAt(at);
    if (next === CLOSE_BRACE) return at + 1;
    if (next !== COMMA) throw unexpected(text, at);
    at++;
  }
}

function scanArray(text: string, start: number, depth: number): number {
  if (depth > MAX_DEPTH) throw refusal("json-depth", `an array at depth ${depth}`, start);
  let at = start + 1;
  if (text.charCodeAt(at) === CLOSE_BRACKET) return at + 1;
  for (;;) {
    at = scanValue(text, at, depth + 1);
    const next = text.charCodeAt(at);
    if (next === CLOSE_BRACKET) return at + 1;
    if (next !== COMMA) throw unexpected(text, at);
    at++;
  }
}

/** The text is decoded UTF-8, so bare characters have no lone surrogates; only escapes could bring one. */
function scanString(text: string, start: number): number {
  if (hasEscapes) return scanEscapedString(text, start);
  const end = text.indexOf('"', start + 1);
  if (end === -1) throw refusal("json-syntax", "no end of the string", start);
  return end + 1;
}

function scanEscapedString(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) at = scanEscape(text, at);
    else if (at < text.length) at++;
    else throw refusal("json-syntax", "no end of the string", start);
  }
}

/** The letter after the backslash of each two-character escape. */
const SHORT_ESCAPES = '"\\bfnrt';
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|["\\/bfnrt])/y;

/** RFC 8785 section 3.2.2.2: two characters where JSON has them, else \u00 and lower-case digits, controls only. */
function scanEscape(text: string, at: number): number {
  const letter = text.charAt(at + 1);
  if (letter !== "" && SHORT_ESCAPES.includes(letter)) return at + 2;
  ESCAPE.lastIndex = at;
  const found = ESCAPE.exec(text);
  if (found === null) throw refusal("json-syntax", "a backslash that starts no escape", at);
  const digits = found[1];
  if (digits !== undefined) {
    const code = Number.parseInt(digits, 16);
    if (code < 0x20 && JSON.stringify(String.fromCharCode(code)) === `"${found[0]}"`) return at + 6;
    if (isLoneSurrogate(text, at, code)) throw refusal("json-surrogate", "the escape of a lone surrogate", at);
  }
  throw refusal("json-escape", `the escape ${found[0]}, which is not canonical`, at);
}

/** Is the escaped unit half of a pair whose other half is not next to it, as an escape too? */
function isLoneSurrogate(text: string, at: number, code: number): boolean {
  if (code < 0xd800 || code > 0xdfff) return false;
  const isHigh = code < 0xdc00;
  return !(isHigh && /^\\u[dD][c-fC-F][0-9a-fA-F]{2}/.test(text.slice(at + 6, at + 12)));
}

/** Keys ascend strictly by UTF-16 code units. Both ranges include their quotes. */
function checkOrder(text: string, a: number, aEnd: number, b: number, bEnd: number): void {
  const length = Math.min(aEnd - a, bEnd - b) - 1;
  for (let i = 1; i < length; i++) {
    const x = text.charCodeAt(a + i);
    const y = text.charCodeAt(b + i);
    if (x === BACKSLASH || y === BACKSLASH) {
      checkUnescapedOrder(text, a, aEnd, b, bEnd);
      return;
    }
    if (x !== y) {
      if (x < y) return;
      throw refusal("json-key-order", "a key that belongs before the one on its left", b);
    }
  }
  // One is the beginning of the other: the shorter comes first. An escape in what is left changes nothing.
  if (aEnd - a < bEnd - b) return;
  if (aEnd - a === bEnd - b) throw refusal("json-duplicate-key", "a key for the second time", b);
  throw refusal("json-key-order", "a key that belongs before the one on its left", b);
}

function checkUnescapedOrder(text: string, a: number, aEnd: number, b: number, bEnd: number): void {
  const x = JSON.parse(text.slice(a, aEnd)) as string;
  const y = JSON.parse(text.slice(b, bEnd)) as string;
  if (x < y) return;
  if (x === y) throw refusal("json-duplicate-key", "a key for the second time", b);
  throw refusal("json-key-order", "a key that belongs before the one on its left", b);
}

function scanNumber(text: string, start: number): number {
  const first = text.charCodeAt(start) === MINUS ? start + 1 : start;
  let at = first;
  let code = text.charCodeAt(at);
  while (code >= ZERO && code <= NINE) code = text.charCodeAt(++at);
  const digits = at - first;
  const isPlain =
    digits > 0 &&
    digits <= ALWAYS_SAFE_DIGITS &&
    (text.charCodeAt(first) !== ZERO || (digits === 1 && first === start)) &&
    !continuesNumber(code);
  return isPlain ? at : scanOddNumber(text, start);
}

/** May this character stand in a number, after its leading digits? */
function continuesNumber(code: number): boolean {
  return code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b || code === MINUS;
}

const NUMBER_LIKE = /[-+.0-9][-+.0-9eE]*/y;
const JSON_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;

/** Everything that is not a plain short integer: mostly to say what is wrong with it. */
function scanOddNumber(text: string, start: number): number {
  NUMBER_LIKE.lastIndex = start;
  const spelling = NUMBER_LIKE.exec(text)?.[0];
  if (spelling === undefined) throw unexpected(text, start);
  if (!JSON_NUMBER.test(spelling)) throw refusal("json-number", "a malformed number", start);
  const value = Number(spelling);
  if (!Number.isFinite(value)) throw refusal("json-number-overflow", "a number beyond every double", start);
  if (value === 0 && spelling.startsWith("-")) throw refusal("json-negative-zero", "a negative zero", start);
  if (!Number.isInteger(value)) throw refusal("json-float", "a number that is no integer", start);
  if (!Number.isSafeInteger(value)) throw refusal("json-number-range", "an integer beyond 2^53 - 1", start);
  if (String(value) !== spelling) throw refusal("json-number", "an integer in another spelling", start);
  return start + spelling.length;
}

function scanWord(text: string, at: number, word: string): number {
  if (!text.startsWith(word, at)) throw unexpected(text, at);
  return at + word.length;
}

/** What stands between two tokens and is none: white space is the likeliest and has a code of its own. */
function unexpected(text: string, at: number, code = "json-syntax"): AntsError {
  if (at >= text.length) return refusal("json-syntax", "its end", at);
  const found = text.charCodeAt(at);
  if (found === 0x20 || found === 0x09 || found === 0x0a || found === 0x0d) {
    return refusal("json-whitespace", "white space", at);
  }
  return refusal(code, characterName(found), at);
}

function characterName(code: number): string {
  return `character U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

function refusal(code: string, found: string, at: number): AntsError {
  return new AntsError(code, `expected canonical JSON, found ${found} at character ${at}`, { details: { at } });
}
