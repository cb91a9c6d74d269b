import sodium from "libsodium-wrappers-sumo";
import { AntsError } from "../errors.js";
import { wipeSodiumHeap } from "./sodium-heap.js";

await sodium.ready;

/** What Argon2id costs whoever tries a passphrase: passes over this much memory. */
export interface KdfCost {
  readonly opsLimit: number;
  readonly memLimitBytes: number;
}

/** A named cost of libsodium, or one of one's own within the bounds. */
export type KdfChoice = "interactive" | "moderate" | KdfCost;

const MIB = 1024 * 1024;
/** libsodium's INTERACTIVE, about 0.2 s here: less would give a stolen file away to guessing, so no less is accepted. */
export const KDF_MIN: KdfCost = { opsLimit: 2, memLimitBytes: 64 * MIB };
/** libsodium's MODERATE, about 0.8 s here: the default of a new vault. */
export const KDF_MODERATE: KdfCost = { opsLimit: 3, memLimitBytes: 256 * MIB };
/**
 * The memory of libsodium's SENSITIVE with twice its passes, about 8 s here. A file that asks for more would stop the
 * process (or its machine) before its passphrase could be found wrong.
 */
export const KDF_MAX: KdfCost = { opsLimit: 8, memLimitBytes: 1024 * MIB };

/** Bytes of salt that Argon2id takes in libsodium. */
export const KDF_SALT_BYTES = 16;
const KDF_KEY_BYTES = 32;
/** Argon2 counts its memory in KiB; a remainder would be dropped silently. */
const KDF_MEMORY_UNIT_BYTES = 1024;

/** A choice as numbers. Throws AntsError "vault-kdf-bounds". */
export function kdfCost(choice: KdfChoice): KdfCost {
  if (choice === "interactive") return KDF_MIN;
  if (choice === "moderate") return KDF_MODERATE;
  checkKdfCost(choice);
  return { opsLimit: choice.opsLimit, memLimitBytes: choice.memLimitBytes };
}

/** Throws AntsError "vault-kdf-bounds" unless the cost lies between {@link KDF_MIN} and {@link KDF_MAX}. */
export function checkKdfCost(cost: KdfCost): void {
  const ok =
    isWithin(cost.opsLimit, KDF_MIN.opsLimit, KDF_MAX.opsLimit) &&
    isWithin(cost.memLimitBytes, KDF_MIN.memLimitBytes, KDF_MAX.memLimitBytes) &&
    cost.memLimitBytes % KDF_MEMORY_UNIT_BYTES === 0;
  if (ok) return;
  throw new AntsError(
    "vault-kdf-bounds",
    `expected ${KDF_MIN.opsLimit} to ${KDF_MAX.opsLimit} passes over ${KDF_MIN.memLimitBytes} to ` +
      `${KDF_MAX.memLimitBytes} bytes (whole KiB) for the passphrase, got ${cost.opsLimit} over ${cost.memLimitBytes}`,
    {
      hint: "a vault made by ants never asks for this: restore the vault from a copy",
      details: { opsLimit: cost.opsLimit, memLimitBytes: cost.memLimitBytes, min: KDF_MIN, max: KDF_MAX },
    },
  );
}

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}

/**
 * Argon2id (RFC 9106, one lane) of a normalised passphrase: 32 bytes. Blocks for as long as the cost says. Throws
 * AntsError "vault-kdf-bounds", or "vault-kdf-memory" when the memory cannot be had.
 */
export function passphraseKey(passphrase: Uint8Array, salt: Uint8Array, cost: KdfCost): Uint8Array {
  checkKdfCost(cost);
  let key: Uint8Array;
  try {
    key = sodium.crypto_pwhash(
      KDF_KEY_BYTES,
      passphrase,
      salt,
      cost.opsLimit,
      cost.memLimitBytes,
      sodium.crypto_pwhash_ALG_ARGON2ID13,
    );
  } catch (cause) {
    throw new AntsError("vault-kdf-memory", `could not use ${cost.memLimitBytes / MIB} MiB for the passphrase`, {
      cause,
      hint: `give the process ${cost.memLimitBytes / MIB} MiB more memory; open the vault once elsewhere to lower its cost`,
      details: { memLimitBytes: cost.memLimitBytes },
    });
  }
  wipeSodiumHeap(key, passphrase);
  return key;
}
