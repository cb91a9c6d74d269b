import { getPublicKey, hashes, sign as nobleSign, Point } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import { equalBytes } from "../bytes.js";
import type { Ed25519Backend } from "./backend.js";

// The library's synchronous functions need their hash wired first.
hashes.sha512 = sha512;

/**
 * Plain TypeScript: browsers, and the reference that the other backends are tested against. About 1,000
 * verifications a second. The library's own `verify` is cofactored in both of its modes, so the equation is evaluated
 * here, on its points.
 */
export const noble: Ed25519Backend = {
  name: "noble",

  verify(signature, message, publicKey) {
    const encodedR = signature.subarray(0, 32);
    let a: Point;
    try {
      a = Point.fromBytes(publicKey);
    } catch {
      return false; // not on the curve
    }
    const s = scalar(signature.subarray(32));
    const k = scalar(sha512.create().update(encodedR).update(publicKey).update(message).digest()) % Point.CURVE().n;
    // Both multiplications may be given 0, which only their variable-time form allows; nothing here is secret.
    const sB = Point.BASE.multiply(s, false);
    const kA = a.multiply(k, false);
    return equalBytes(sB.subtract(kA).toBytes(), encodedR);
  },

  sign(message, seed) {
    return nobleSign(message, seed);
  },

  publicKey(seed) {
    return getPublicKey(seed);
  },
};

/** Little-endian bytes as an integer (RFC 8032 section 5.1.2). */
function scalar(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}
