import { bech32 } from "@scure/base";
import { AntsError } from "./errors.js";

/**
 * X25519 keys in the spelling of age (https://age-encryption.org/v1, section "The X25519 recipient type"): Bech32 of the
 * 32 bytes, without Bech32's limit of 90 characters. What is encrypted to such a recipient opens with the `age` command.
 */

const RECIPIENT_PREFIX = "age";
const SECRET_PREFIX = "age-secret-key-";
const KEY_BYTES = 32;

/** `age1…` of a public key of 32 bytes. Throws AntsError "age-key" for another length. */
export function ageRecipient(publicKey: Uint8Array): string {
  return bech32.encodeFromBytes(RECIPIENT_PREFIX, required(publicKey));
}

/**
 * `AGE-SECRET-KEY-1…` of a secret of 32 bytes: what `age --decrypt --identity` reads. A string cannot be overwritten:
 * only for whoever has to hand it on. Throws AntsError "age-key".
 */
export function ageSecretKey(secret: Uint8Array): string {
  return bech32.encodeFromBytes(SECRET_PREFIX, required(secret)).toUpperCase();
}

/** The 32 bytes behind `age1…`. Throws AntsError "age-key" for anything else, age's other kinds of recipient included. */
export function parseAgeRecipient(text: string): Uint8Array {
  try {
    const { prefix, bytes } = bech32.decodeToBytes(text);
    if (prefix === RECIPIENT_PREFIX && text === text.toLowerCase()) return required(bytes);
  } catch (cause) {
    throw new AntsError("age-key", "expected an X25519 recipient of age, age1 and 58 characters", { cause });
  }
  throw new AntsError("age-key", "expected an X25519 recipient of age, age1 and 58 characters");
}

function required(key: Uint8Array): Uint8Array {
  if (key.length === KEY_BYTES) return key;
  throw new AntsError("age-key", `expected a key of ${KEY_BYTES} bytes, got ${key.length}`);
}
