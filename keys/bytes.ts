import { base32nopad, base58 } from "@scure/base";
import { AntsError } from "./errors.js";

const encoder = new TextEncoder();
// ignoreBOM keeps U+FEFF in the text, so that readers refuse it instead of never seeing it.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8. The text must be well formed: a lone surrogate would silently become U+FFFD. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Strict UTF-8; a BOM is kept as a character. Throws AntsError "json-utf8": malformed lines are its only use. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new AntsError("json-utf8", `expected UTF-8, got ${bytes.length} bytes that are not`, { cause });
  }
}

const HEX_OF_BYTE = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const HEX_DIGITS = "0123456789abcdef";
const BASE64URL_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** Value of each ASCII character as a digit, 255 where it is none. */
const hexValue = digitValues(HEX_DIGITS);
const base64urlValue = digitValues(BASE64URL_DIGITS);
const NOT_A_DIGIT = 255;

function digitValues(digits: string): Uint8Array {
  const values = new Uint8Array(128).fill(255);
  for (let value = 0; value < digits.length; value++) values[digits.charCodeAt(value)] = value;
  return values;
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX_OF_BYTE[byte];
  return text;
}

/** Strict: lower case, an even number of digits, `length` bytes if given. Throws AntsError "bytes-hex". */
export function fromHex(text: string, length?: number): Uint8Array {
  const size = text.length >>> 1;
  if (text.length % 2 !== 0 || (length !== undefined && size !== length)) {
    throw new AntsError("bytes-hex", `expected ${length ?? "whole"} bytes as hexadecimal, got ${text.length} digits`);
  }
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    const high = hexValue[text.charCodeAt(2 * i)] ?? NOT_A_DIGIT;
    const low = hexValue[text.charCodeAt(2 * i + 1)] ?? NOT_A_DIGIT;
    if ((high | low) > 15) {
      throw new AntsError("bytes-hex", `expected lower-case hexadecimal digits, got others at character ${2 * i}`);
    }
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

/** Base64url without padding (RFC 4648 section 5). */
export function base64url(bytes: Uint8Array): string {
  let text = "";
  let i = 0;
  for (; i + 2 < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    text +=
      BASE64URL_DIGITS[group >>> 18]! +
      BASE64URL_DIGITS[(group >>> 12) & 63]! +
      BASE64URL_DIGITS[(group >>> 6) & 63]! +
      BASE64URL_DIGITS[group & 63]!;
  }
  const left = bytes.length - i;
  if (left === 1) {
    text += BASE64URL_DIGITS[bytes[i]! >>> 2]! + BASE64URL_DIGITS[(bytes[i]! & 3) << 4]!;
  } else if (left === 2) {
    const group = (bytes[i]! << 8) | bytes[i + 1]!;
    text +=
      BASE64URL_DIGITS[group >>> 10]! + BASE64URL_DIGITS[(group >>> 4) & 63]! + BASE64URL_DIGITS[(group & 15) << 2]!;
  }
  return text;
}

/**
 * Strict base64url: no padding, no other characters, the unused bits of the last character zero (so every byte string
 * has exactly one spelling), `length` bytes if given. Throws AntsError "bytes-base64url".
 */
export function fromBase64url(text: string, length?: number): Uint8Array {
  const left = text.length % 4;
  const size = (text.length >>> 2) * 3 + (left === 0 ? 0 : left - 1);
  if (left === 1 || (length !== undefined && size !== length)) {
    throw new AntsError(
      "bytes-base64url",
      `expected ${length ?? "whole"} bytes as base64url without padding, got ${text.length} characters`,
    );
  }
  const bytes = new Uint8Array(size);
  const wholeEnd = text.length - left;
  let at = 0;
  // Invalid characters are collected in one flag and reported after the loop: the common case has no branches.
  let invalid = 0;
  for (let i = 0; i < wholeEnd; i += 4) {
    const a = base64urlValue[text.charCodeAt(i)] ?? NOT_A_DIGIT;
    const b = base64urlValue[text.charCodeAt(i + 1)] ?? NOT_A_DIGIT;
    const c = base64urlValue[text.charCodeAt(i + 2)] ?? NOT_A_DIGIT;
    const d = base64urlValue[text.charCodeAt(i + 3)] ?? NOT_A_DIGIT;
    invalid |= (a | b | c | d) & 0xc0;
    const group = (a << 18) | (b << 12) | (c << 6) | d;
    bytes[at++] = group >>> 16;
    bytes[at++] = group >>> 8;
    bytes[at++] = group;
  }
  if (left !== 0) {
    const a = base64urlValue[text.charCodeAt(wholeEnd)] ?? NOT_A_DIGIT;
    const b = base64urlValue[text.charCodeAt(wholeEnd + 1)] ?? NOT_A_DIGIT;
    const c = left === 3 ? (base64urlValue[text.charCodeAt(wholeEnd + 2)] ?? NOT_A_DIGIT) : 0;
    invalid |= (a | b | c) & 0xc0;
    invalid |= left === 2 ? b & 15 : c & 3;
    bytes[at++] = (a << 2) | (b >>> 4);
    if (left === 3) bytes[at] = (b << 4) | (c >>> 2);
  }
  if (invalid !== 0) {
    throw new AntsError(
      "bytes-base64url",
      "expected base64url digits with zero trailing bits, got another character or stray bits",
    );
  }
  return bytes;
}

/** Base58 with Bitcoin's alphabet, without a multibase prefix. */
export function base58btc(bytes: Uint8Array): string {
  return base58.encode(bytes);
}

/** Throws AntsError "bytes-base58". Takes quadratic time: bound the length of foreign text first. */
export function fromBase58btc(text: string): Uint8Array {
  try {
    return base58.decode(text);
  } catch (cause) {
    throw new AntsError("bytes-base58", "expected base58 digits of Bitcoin's alphabet, got others", { cause });
  }
}

/** RFC 4648 base32 in lower case, without padding. */
export function base32(bytes: Uint8Array): string {
  return base32nopad.encode(bytes).toLowerCase();
}

/** Strict: lower case, no padding, zero trailing bits. Throws AntsError "bytes-base32". */
export function fromBase32(text: string): Uint8Array {
  if (!/^[a-z2-7]*$/.test(text)) {
    throw new AntsError("bytes-base32", "expected lower-case base32 digits, got others");
  }
  try {
    return base32nopad.decode(text.toUpperCase());
  } catch (cause) {
    throw new AntsError("bytes-base32", "expected base32 without padding and with zero trailing bits", { cause });
  }
}

/** One new array with all parts in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Same length and same bytes. Looks at every byte whatever it finds, so its time says nothing about where they differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/**
 * Overwrites secrets that are no longer needed. A best effort: the engine may have moved or copied them before, and
 * the strings they were read from stay until they are collected.
 */
export function zero(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}
