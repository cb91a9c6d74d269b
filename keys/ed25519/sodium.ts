import { createRequire } from "node:module";
import type { Ed25519Backend } from "./backend.js";

/** The part of sodium-native that is used here; the package brings no types. */
interface SodiumNative {
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void;
  crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void;
  sodium_memzero(secret: Uint8Array): void;
}

/**
 * libsodium as a native addon: about 25,000 verifications a second on one core. An optional dependency: undefined
 * where it is not installed, has no binary for this machine, or does not load.
 */
export function loadSodium(): Ed25519Backend | undefined {
  let sodium: SodiumNative;
  try {
    sodium = createRequire(import.meta.url)("sodium-native") as SodiumNative;
  } catch {
    return undefined;
  }
  return {
    name: "sodium",

    verify(signature, message, publicKey) {
      return sodium.crypto_sign_verify_detached(unshared(signature), unshared(message), unshared(publicKey));
    },

    sign(message, seed) {
      const publicKey = new Uint8Array(32);
      const secretKey = new Uint8Array(64);
      const signature = new Uint8Array(64);
      sodium.crypto_sign_seed_keypair(publicKey, secretKey, unshared(seed));
      sodium.crypto_sign_detached(signature, unshared(message), secretKey);
      sodium.sodium_memzero(secretKey);
      return signature;
    },

    publicKey(seed) {
      const publicKey = new Uint8Array(32);
      const secretKey = new Uint8Array(64);
      sodium.crypto_sign_seed_keypair(publicKey, secretKey, unshared(seed));
      sodium.sodium_memzero(secretKey);
      return publicKey;
    },
  };
}

/**
 * The addon (5.1.0) does nothing for memory that threads share: it neither throws nor verifies, it returns undefined.
 * Such bytes are copied; a copy also can't change under its hands.
 */
function unshared(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer ? new Uint8Array(bytes) : bytes;
}
