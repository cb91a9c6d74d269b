import { Point } from "@noble/ed25519";
import { AntsError } from "./errors.js";

const SECRET_BYTES = 32;
const FIELD_BITS = 255n;
/** The field of Curve25519: 2^255 − 19. */
const P = 2n ** FIELD_BITS - 19n;

/**
 * The X25519 public key of a 32-byte secret (RFC 7748 section 5, with the base point): the scalar is clamped, multiplied
 * with the base point of the birationally equivalent Edwards curve, and mapped by u = (1 + y) / (1 − y) (section 4.1).
 * Synchronous and without WebAssembly, so that a recovery phrase means the same keys in a browser. Throws AntsError
 * "x25519-secret" unless the secret is 32 bytes.
 */
export function x25519PublicKey(secret: Uint8Array): Uint8Array {
  if (secret.length !== SECRET_BYTES) {
    throw new AntsError("x25519-secret", `expected a secret of 32 bytes, got ${secret.length}`);
  }
  // The base point has the order n, so multiples may be reduced; a clamped scalar is never a multiple of n.
  const { y } = Point.BASE.multiply(clampedScalar(secret) % Point.CURVE().n).toAffine();
  return littleEndian(modulo((1n + y) * inverse(modulo(1n - y))));
}

function clampedScalar(secret: Uint8Array): bigint {
  const bytes = secret.slice();
  bytes[0]! &= 248;
  bytes[31] = (bytes[31]! & 127) | 64;
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  bytes.fill(0);
  return value;
}

function modulo(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

/** By Fermat: value^(p − 2). */
function inverse(value: bigint): bigint {
  let result = 1n;
  for (let power = value, exponent = P - 2n; exponent > 0n; exponent >>= 1n, power = modulo(power * power)) {
    if (exponent & 1n) result = modulo(result * power);
  }
  return result;
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}
