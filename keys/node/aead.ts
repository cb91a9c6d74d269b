import sodium from "libsodium-wrappers-sumo";
import { concat } from "../bytes.js";
import type { Random } from "../ports.js";
import { wipeSodiumHeap } from "./sodium-heap.js";

await sodium.ready;

/** XChaCha20-Poly1305 key. */
export const AEAD_KEY_BYTES = 32;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
/** What sealing adds to a text. */
export const AEAD_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES;

/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): random nonce ‖ ciphertext ‖ tag. 24 random bytes never repeat in
 * practice, so a key may seal as often as it likes.
 */
export function aeadSeal(key: Uint8Array, plain: Uint8Array, associated: Uint8Array, random: Random): Uint8Array {
  const nonce = random.bytes(NONCE_BYTES);
  const sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, associated, null, nonce, key);
  wipeSodiumHeap(key, plain);
  return concat(nonce, sealed);
}

/** The text, or undefined when key, associated data or any bit of `sealed` differs. */
export function aeadOpen(key: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | undefined {
  if (sealed.length < AEAD_OVERHEAD_BYTES) return undefined;
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const ciphertext = sealed.subarray(NONCE_BYTES);
  try {
    const plain = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, ciphertext, associated, nonce, key);
    wipeSodiumHeap(key, plain);
    return plain;
  } catch {
    wipeSodiumHeap(key);
    return undefined;
  }
}
