import { base64url, concat, fromBase64url, utf8 } from "./bytes.js";
import { canonicalize, type JsonObject, parseCanonicalObject } from "./canonical.js";
import { publicKeyFromSeed, sign, verifyStrict } from "./ed25519/index.js";
import { AntsError } from "./errors.js";
import { decodeMultikey, encodeMultikey } from "./multikey.js";

const NEWLINE = 0x0a;

/**
 * A file of one line that its maker signed: canonical JSON with "key" (Multikey) and "sig", and a newline. Signed is
 * tag ‖ JCS(the line without `sig`). Who may sign with that key is for the reader to know.
 */
export function signedLine(tag: Uint8Array, statement: JsonObject, seed: Uint8Array): Uint8Array {
  const whole = { ...statement, key: encodeMultikey(publicKeyFromSeed(seed)) };
  const sig = base64url(sign(concat(tag, utf8(canonicalize(whole))), seed));
  return utf8(`${canonicalize({ ...whole, sig })}\n`);
}

/** What a line says: `key` signed it, if `isSigned`; any newline at its end may be missing (it was pasted). */
export interface SignedLine {
  readonly statement: JsonObject;
  readonly key: string;
  readonly isSigned: boolean;
}

/** Undefined for what is no canonical JSON object of at most `maxBytes` with a key and a signature. */
export function readSignedLine(tag: Uint8Array, bytes: Uint8Array, maxBytes: number): SignedLine | undefined {
  try {
    const { sig, ...statement } = parseCanonicalObject(bytes.at(-1) === NEWLINE ? bytes.subarray(0, -1) : bytes, {
      maxBytes,
    });
    const { key } = statement;
    if (typeof key !== "string" || typeof sig !== "string") return undefined;
    return { statement, key, isSigned: verifies(concat(tag, utf8(canonicalize(statement))), key, sig) };
  } catch (error) {
    if (error instanceof AntsError) return undefined;
    throw error;
  }
}

function verifies(message: Uint8Array, key: string, sig: string): boolean {
  try {
    const { type, publicKey } = decodeMultikey(key);
    return type === "ed25519" && verifyStrict(fromBase64url(sig, 64), message, publicKey);
  } catch {
    return false;
  }
}
