/** The grammar of single fields, shared by every statement of the wire: one rule, one place, one error shape. */
import { AntsError } from "../../keys/errors.js";
import { decodeMultikey } from "../../keys/multikey.js";

/** SHA-256 as 64 lower-case hex digits. */
export const HASH = /^[0-9a-f]{64}$/;
/** A stream or an instance: 16 lower-case hex digits. */
export const HEX16 = /^[0-9a-f]{16}$/;
/** base64url of 64 bytes without padding; the last character's four spare bits are zero. */
export const SIGNATURE = /^[A-Za-z0-9_-]{85}[AQgw]$/;
/** base64url of 32 bytes without padding; the last character's two spare bits are zero. */
export const BYTES32 = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
/** base64url of 16 bytes without padding; the last character's four spare bits are zero. */
export const BYTES16 = /^[A-Za-z0-9_-]{21}[AQgw]$/;

/** True for an integer from `min` to 2^53 - 1. */
export function isInteger(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}

/** The last moment that ECMAScript's Date can hold, in milliseconds since 1970: nobody fails to show a time. */
export const MAX_TIME_MS = 8_640_000_000_000_000;

/** True for milliseconds since 1970 that a Date can hold. */
export function isTime(value: unknown): value is number {
  return isInteger(value, 0) && value <= MAX_TIME_MS;
}

/** True for a string that matches `pattern`. */
export function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === "string" && pattern.test(value);
}

/** True for the Multikey of an Ed25519 key. */
export function isSignKey(value: unknown): value is string {
  if (typeof value !== "string") return false;
  try {
    return decodeMultikey(value).type === "ed25519";
  } catch {
    return false;
  }
}

/** The error for a field that breaks a statement's grammar; `got` is shown shortened. */
export function fieldError(code: string, field: string, expected: string, got: unknown): AntsError {
  const shown = got === undefined ? "nothing" : (JSON.stringify(got) ?? typeof got).slice(0, 80);
  return new AntsError(code, `${field}: expected ${expected}, got ${shown}`, { details: { field, expected } });
}

/** Throws with `code` when `value` has a field that `known` lacks: a statement of version 1 has no other fields. */
export function refuseUnknownFields(code: string, value: object, known: ReadonlySet<string>): void {
  for (const name in value) {
    if (!known.has(name)) throw fieldError(code, name, "no such field", (value as Record<string, unknown>)[name]);
  }
}

/** Throws `version-unsupported` unless a statement's `v` is 1. */
export function requireVersion1(type: string, v: unknown): void {
  if (v === 1) return;
  throw new AntsError("version-unsupported", `${type} has version ${JSON.stringify(v)}: spoken here is 1`, {
    details: { spoken: [1] },
  });
}
