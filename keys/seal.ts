/**
 * Sealing to somebody's X25519 key: HPKE (RFC 9180) in base mode, one message a key, with DHKEM(X25519, HKDF-SHA256),
 * HKDF-SHA256 and ChaCha20-Poly1305. Written out here, on primitives of a library, because the libraries of HPKE are
 * asynchronous, and what is sealed into an event must be sealed in the turn that knows its place in the chain.
 *
 * Says nothing of who sealed it: whoever needs to know looks at the signature of the event around it.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, utf8, zero } from "./bytes.js";
import { AntsError } from "./errors.js";
import { type Random, systemRandom } from "./ports.js";
import { x25519PublicKey, x25519Shared } from "./x25519.js";

/** What a sealed text is bound to: it opens with the same only. */
export interface SealBinding {
  /** What it is for: a label of keys/tags.ts. */
  readonly info: string;
  /** Where it belongs. Empty unless given. */
  readonly aad?: Uint8Array;
}

/** Bytes that sealing adds: the encapsulated key and the tag. */
export const SEAL_OVERHEAD_BYTES = 48;

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const NOTHING = new Uint8Array();
/** RFC 9180 section 4.1 and 5.1: which KEM; which KEM, KDF and AEAD. */
const KEM_SUITE = concat(utf8("KEM"), Uint8Array.of(0x00, 0x20));
const SUITE = concat(utf8("HPKE"), Uint8Array.of(0x00, 0x20, 0x00, 0x01, 0x00, 0x03));
const VERSION = utf8("HPKE-v1");
const MODE_BASE = 0x00;

/**
 * Seals bytes to the owner of an X25519 public key (32 bytes): encapsulated key ‖ ciphertext ‖ tag. Throws AntsError
 * "seal-key" for a public key with which no secret can be shared.
 */
export function sealTo(
  publicKey: Uint8Array,
  plain: Uint8Array,
  binding: SealBinding,
  random: Random = systemRandom,
): Uint8Array {
  const ephemeral = random.bytes(KEY_BYTES);
  const shared = x25519Shared(ephemeral, publicKey);
  if (shared === undefined) throw new AntsError("seal-key", "expected an X25519 public key of 32 bytes and full order");
  const encapsulated = x25519PublicKey(ephemeral);
  const { key, nonce } = schedule(shared, encapsulated, publicKey, binding);
  const sealed = concat(encapsulated, chacha20poly1305(key, nonce, binding.aad).encrypt(plain));
  zero(ephemeral, shared, key);
  return sealed;
}

/**
 * Opens what {@link sealTo} made, with the 32-byte X25519 secret. Throws AntsError "sealed-open" when it was sealed to
 * another key, bound to something else, or altered.
 */
export function openSealed(secret: Uint8Array, sealed: Uint8Array, binding: SealBinding): Uint8Array {
  const encapsulated = sealed.slice(0, KEY_BYTES);
  const shared = x25519Shared(secret, encapsulated);
  if (shared === undefined || sealed.length < SEAL_OVERHEAD_BYTES) throw unopened();
  const { key, nonce } = schedule(shared, encapsulated, x25519PublicKey(secret), binding);
  try {
    return chacha20poly1305(key, nonce, binding.aad).decrypt(sealed.subarray(KEY_BYTES));
  } catch {
    throw unopened();
  } finally {
    zero(shared, key);
  }
}

/** RFC 9180 sections 4.1 (ExtractAndExpand) and 5.1 (KeySchedule): no psk, sequence number 0. */
function schedule(shared: Uint8Array, encapsulated: Uint8Array, publicKey: Uint8Array, { info }: SealBinding) {
  const agreed = labeledExtract(KEM_SUITE, NOTHING, "eae_prk", shared);
  const secret = labeledExpand(KEM_SUITE, agreed, "shared_secret", concat(encapsulated, publicKey), KEY_BYTES);
  const context = concat(
    Uint8Array.of(MODE_BASE),
    labeledExtract(SUITE, NOTHING, "psk_id_hash", NOTHING),
    labeledExtract(SUITE, NOTHING, "info_hash", utf8(info)),
  );
  const scheduled = labeledExtract(SUITE, secret, "secret", NOTHING);
  const key = labeledExpand(SUITE, scheduled, "key", context, KEY_BYTES);
  const nonce = labeledExpand(SUITE, scheduled, "base_nonce", context, NONCE_BYTES);
  zero(agreed, secret, scheduled);
  return { key, nonce };
}

function labeledExtract(suite: Uint8Array, salt: Uint8Array, label: string, input: Uint8Array): Uint8Array {
  return extract(sha256, concat(VERSION, suite, utf8(label), input), salt);
}

function labeledExpand(
  suite: Uint8Array,
  secret: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const size = Uint8Array.of(length >> 8, length & 0xff);
  return expand(sha256, secret, concat(size, VERSION, suite, utf8(label), info), length);
}

function unopened(): AntsError {
  return new AntsError("sealed-open", "it was sealed to another key, belongs elsewhere, or was altered");
}
