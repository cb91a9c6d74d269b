import { sha256 } from "#platform";
import { base64url, fromBase64url, utf8, zero } from "../bytes.js";
import { canonicalize, type JsonObject, type JsonValue } from "../canonical.js";
import { AntsError } from "../errors.js";
import { phraseKeys } from "../phrase.js";
import type { Random } from "../ports.js";
import { LABEL } from "../tags.js";
import { AEAD_KEY_BYTES, AEAD_OVERHEAD_BYTES, aeadOpen, aeadSeal } from "./aead.js";
import { checkKdfCost, KDF_SALT_BYTES, type KdfChoice, type KdfCost, kdfCost, passphraseKey } from "./kdf.js";

/** A way into the vault to be made: each slot wraps the same data key. */
export type VaultSlotInput =
  /** `kdf` is "moderate" unless given. */
  | { readonly type: "passphrase"; readonly passphrase: Uint8Array | string; readonly kdf?: KdfChoice }
  /** the 32 bytes of entropy of the recovery phrase */
  | { readonly type: "phrase"; readonly entropy: Uint8Array }
  /** 32 to 4,096 bytes that nobody can guess */
  | { readonly type: "key-file"; readonly keyFile: Uint8Array };

export type VaultSlotType = VaultSlotInput["type"];

/** What opens a vault. */
export type VaultUnlock =
  | { readonly passphrase: Uint8Array | string }
  | { readonly phrase: Uint8Array }
  | { readonly keyFile: Uint8Array };

/** A slot as the file has it. */
export type VaultSlot =
  | { readonly type: "passphrase"; readonly kdf: KdfCost; readonly salt: Uint8Array; readonly wrapped: Uint8Array }
  | { readonly type: "phrase"; readonly wrapped: Uint8Array }
  | { readonly type: "key-file"; readonly salt: Uint8Array; readonly wrapped: Uint8Array };

/** A slot without the wrapped key: what its wrapping authenticates. */
interface SlotHead {
  readonly type: VaultSlotType;
  readonly kdf?: KdfCost;
  readonly salt?: Uint8Array;
}

/** The order of slots in a file; a vault has at most one of each type. */
export const SLOT_ORDER: readonly VaultSlotType[] = ["passphrase", "phrase", "key-file"];

const KDF_NAME = "argon2id13";
const KEY_FILE_SALT_BYTES = 32;
/** A key file is used as it is, without stretching: 32 random bytes are beyond guessing. */
const MIN_KEY_FILE_BYTES = 32;
const MAX_KEY_FILE_BYTES = 4_096;
const PHRASE_ENTROPY_BYTES = 32;
const WRAPPED_BYTES = AEAD_KEY_BYTES + AEAD_OVERHEAD_BYTES;
const MAX_PASSPHRASE_BYTES = 4_096;

/** Wraps the data key for one way in. Throws AntsError "passphrase-…", "vault-key-file" or "vault-kdf-bounds". */
export function makeSlot(input: VaultSlotInput, dataKey: Uint8Array, random: Random): VaultSlot {
  switch (input.type) {
    case "passphrase": {
      const kdf = kdfCost(input.kdf ?? "moderate");
      const salt = random.bytes(KDF_SALT_BYTES);
      const key = keyOfPassphrase(input.passphrase, salt, kdf);
      return { type: "passphrase", kdf, salt, wrapped: wrap(key, dataKey, { type: "passphrase", kdf, salt }, random) };
    }
    case "phrase":
      return { type: "phrase", wrapped: wrap(keyOfPhrase(input.entropy), dataKey, { type: "phrase" }, random) };
    case "key-file": {
      const salt = random.bytes(KEY_FILE_SALT_BYTES);
      const key = keyOfFile(input.keyFile, salt);
      return { type: "key-file", salt, wrapped: wrap(key, dataKey, { type: "key-file", salt }, random) };
    }
  }
}

/**
 * The data key. Throws AntsError "vault-no-slot" when the vault has no such way in, "vault-wrong-passphrase",
 * "vault-wrong-phrase" or "vault-wrong-key-file" when it does not open.
 */
export function openSlot(slots: readonly VaultSlot[], unlock: VaultUnlock): Uint8Array {
  if ("passphrase" in unlock) {
    const slot = slotOf(slots, "passphrase");
    const dataKey = unwrap(keyOfPassphrase(unlock.passphrase, slot.salt, slot.kdf), slot);
    if (dataKey !== undefined) return dataKey;
    throw new AntsError("vault-wrong-passphrase", "the passphrase does not open this vault", {
      hint: "try again; the recovery words open it too: ants vault passwd --phrase-file WORDS",
    });
  }
  if ("phrase" in unlock) {
    const slot = slotOf(slots, "phrase");
    const dataKey = unwrap(keyOfPhrase(unlock.phrase), slot);
    if (dataKey !== undefined) return dataKey;
    throw new AntsError("vault-wrong-phrase", "the recovery phrase is well formed but belongs to another vault", {
      hint: "use the 24 words that were shown when this agent was made",
    });
  }
  const slot = slotOf(slots, "key-file");
  const dataKey = unwrap(keyOfFile(unlock.keyFile, slot.salt), slot);
  if (dataKey !== undefined) return dataKey;
  throw new AntsError("vault-wrong-key-file", "the key file does not open this vault", {
    hint: "use the key file that was added to this vault",
  });
}

/** As JSON; `wrapped` is left out where the slot is to be authenticated. */
export function slotToJson({ type, kdf, salt, wrapped }: SlotHead & { readonly wrapped?: Uint8Array }): JsonObject {
  return {
    type,
    ...(kdf === undefined ? {} : { kdf: { name: KDF_NAME, opsLimit: kdf.opsLimit, memLimitBytes: kdf.memLimitBytes } }),
    ...(salt === undefined ? {} : { salt: base64url(salt) }),
    ...(wrapped === undefined ? {} : { wrapped: base64url(wrapped) }),
  };
}

/** The inverse. Throws AntsError "vault-format", "bytes-base64url" or "vault-kdf-bounds". */
export function slotFromJson(value: JsonValue): VaultSlot {
  const slot = object(value, "a slot");
  switch (slot.type) {
    case "passphrase": {
      fields(slot, "kdf", "salt", "type", "wrapped");
      const kdf = object(slot.kdf, "kdf");
      fields(kdf, "memLimitBytes", "name", "opsLimit");
      if (kdf.name !== KDF_NAME) throw format(`the key derivation ${KDF_NAME}, got ${JSON.stringify(kdf.name)}`);
      const cost = { opsLimit: kdf.opsLimit as number, memLimitBytes: kdf.memLimitBytes as number };
      checkKdfCost(cost);
      const salt = binary(slot.salt, KDF_SALT_BYTES);
      return { type: "passphrase", kdf: cost, salt, wrapped: binary(slot.wrapped, WRAPPED_BYTES) };
    }
    case "phrase":
      fields(slot, "type", "wrapped");
      return { type: "phrase", wrapped: binary(slot.wrapped, WRAPPED_BYTES) };
    case "key-file": {
      fields(slot, "salt", "type", "wrapped");
      const salt = binary(slot.salt, KEY_FILE_SALT_BYTES);
      return { type: "key-file", salt, wrapped: binary(slot.wrapped, WRAPPED_BYTES) };
    }
    default:
      throw format(`a slot of type ${SLOT_ORDER.join(", ")}, got ${JSON.stringify(slot.type)}`);
  }
}

/**
 * A passphrase as the bytes that are derived from: NFKC in UTF-8, so that another keyboard or system spells it the
 * same. A copy. Throws AntsError "passphrase-empty", "passphrase-too-long" or "passphrase-utf8".
 */
export function normalizePassphrase(passphrase: Uint8Array | string): Uint8Array {
  // Not slice(): a Buffer's shares memory, and the caller's passphrase would be overwritten below.
  const bytes = typeof passphrase === "string" ? utf8(passphrase) : new Uint8Array(passphrase);
  if (bytes.length === 0) {
    throw new AntsError("passphrase-empty", "expected a passphrase, got an empty one");
  }
  if (bytes.length > MAX_PASSPHRASE_BYTES) {
    throw new AntsError("passphrase-too-long", `expected at most ${MAX_PASSPHRASE_BYTES} bytes, got ${bytes.length}`);
  }
  // ASCII is NFKC already, and so never has to become a string, which nobody can overwrite.
  if (bytes.every((byte) => byte < 0x80)) return bytes;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new AntsError("passphrase-utf8", "expected the passphrase as UTF-8, got other bytes", {
      hint: "save the passphrase as UTF-8 text, or use a key file for binary secrets",
    });
  } finally {
    zero(bytes);
  }
  return utf8(text.normalize("NFKC"));
}

function keyOfPassphrase(passphrase: Uint8Array | string, salt: Uint8Array, cost: KdfCost): Uint8Array {
  const normalized = normalizePassphrase(passphrase);
  const key = passphraseKey(normalized, salt, cost);
  zero(normalized);
  return key;
}

function keyOfPhrase(entropy: Uint8Array): Uint8Array {
  if (entropy.length !== PHRASE_ENTROPY_BYTES) {
    throw new AntsError(
      "vault-wrong-phrase",
      `expected ${PHRASE_ENTROPY_BYTES} bytes of a phrase, got ${entropy.length}`,
    );
  }
  return phraseKeys(entropy).vaultKey;
}

function keyOfFile(keyFile: Uint8Array, salt: Uint8Array): Uint8Array {
  if (keyFile.length < MIN_KEY_FILE_BYTES || keyFile.length > MAX_KEY_FILE_BYTES) {
    throw new AntsError(
      "vault-key-file",
      `expected a key file of ${MIN_KEY_FILE_BYTES} to ${MAX_KEY_FILE_BYTES} random bytes, got ${keyFile.length} bytes`,
      { hint: "make one with: head -c 32 /dev/urandom > FILE; chmod 600 FILE" },
    );
  }
  return sha256(utf8(`${LABEL.vaultKeyFile}\n`), salt, keyFile);
}

function wrap(key: Uint8Array, dataKey: Uint8Array, head: SlotHead, random: Random): Uint8Array {
  const wrapped = aeadSeal(key, dataKey, associatedData(head), random);
  zero(key);
  return wrapped;
}

function unwrap(key: Uint8Array, slot: VaultSlot): Uint8Array | undefined {
  const { wrapped, ...head } = slot;
  const dataKey = aeadOpen(key, wrapped, associatedData(head));
  zero(key);
  return dataKey;
}

function associatedData(head: SlotHead): Uint8Array {
  return utf8(`${LABEL.vaultSlot}\n${canonicalize(slotToJson(head))}`);
}

function slotOf<T extends VaultSlotType>(slots: readonly VaultSlot[], type: T): Extract<VaultSlot, { type: T }> {
  const slot = slots.find((candidate) => candidate.type === type);
  if (slot !== undefined) return slot as Extract<VaultSlot, { type: T }>;
  const types = slots.map((candidate) => candidate.type);
  throw new AntsError("vault-no-slot", `this vault opens with ${types.join(" or ")}, not with a ${type}`, {
    hint: `open it with its ${types[0]}`,
    details: { types },
  });
}

function object(value: JsonValue | undefined, what: string): JsonObject {
  if (typeof value !== "object" || Array.isArray(value)) throw format(`${what} as an object, got something else`);
  return value;
}

/** Exactly these fields: what a reader ignores could mean something to another. */
function fields(value: JsonObject, ...names: readonly string[]): void {
  const found = Object.keys(value);
  if (found.length !== names.length || names.some((name, i) => name !== found[i])) {
    throw format(`the fields ${names.join(", ")}, got ${found.join(", ")}`);
  }
}

function binary(value: JsonValue | undefined, length: number): Uint8Array {
  if (typeof value !== "string") throw format(`${length} bytes as base64url, got something else`);
  return fromBase64url(value, length);
}

function format(expected: string): AntsError {
  return new AntsError("vault-format", `not a vault: expected ${expected}`);
}
