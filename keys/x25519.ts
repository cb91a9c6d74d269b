import { x25519 } from "@noble/curves/ed25519.js";
import { AntsError } from "./errors.js";

const KEY_BYTES = 32;

/**
 * The X25519 public key of a 32-byte secret (RFC 7748 section 5). Synchronous and without WebAssembly, so that a
 * recovery phrase means the same keys in a browser. Throws AntsError "x25519-secret" unless the secret is 32 bytes.
 */
export function x25519PublicKey(secret: Uint8Array): Uint8Array {
  requireSecret(secret);
  return x25519.getPublicKey(secret);
}

/**
 * What two key pairs share, 32 bytes (RFC 7748 section 6.1); undefined for a public key of small order, with which
 * everybody shares the same. Throws AntsError "x25519-secret".
 */
export function x25519Shared(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  requireSecret(secret);
  if (publicKey.length !== KEY_BYTES) return undefined;
  try {
    return x25519.getSharedSecret(secret, publicKey);
  } catch {
    return undefined;
  }
}

function requireSecret(secret: Uint8Array): void {
  if (secret.length === KEY_BYTES) return;
  throw new AntsError("x25519-secret", `expected a secret of 32 bytes, got ${secret.length}`);
}
