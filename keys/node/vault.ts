import sodium from "libsodium-wrappers-sumo";
import { zero } from "../bytes.js";
import type { Did } from "../did.js";
import { AntsError } from "../errors.js";
import { type Random, systemRandom } from "../ports.js";
import { AEAD_KEY_BYTES, aeadOpen, aeadSeal } from "./aead.js";
import { decodeVaultContent, encodeVaultContent, secretArrays, type VaultContent } from "./vault-content.js";
import { formatVaultFile, headerBytes, parseVaultFile } from "./vault-format.js";
import {
  makeSlot,
  openSlot,
  SLOT_ORDER,
  type VaultSlot,
  type VaultSlotInput,
  type VaultSlotType,
  type VaultUnlock,
} from "./vault-slot.js";

// libsodium is WebAssembly and loads asynchronously; after this line all of the vault is synchronous.
await sodium.ready;

/**
 * The bytes of a new vault file: `content` under a fresh random data key, which each slot wraps. At least one slot, at
 * most one of each type. Takes as long as the passphrase slot's KDF. The caller's arrays are neither kept nor changed.
 * Throws AntsError "vault-content", "vault-slots", and what making a slot throws.
 */
export function sealVault(
  content: VaultContent,
  options: { readonly slots: readonly VaultSlotInput[]; readonly random?: Random },
): Uint8Array {
  const random = options.random ?? systemRandom;
  const types = options.slots.map((slot) => slot.type);
  if (types.length === 0 || new Set(types).size !== types.length) {
    throw new AntsError(
      "vault-slots",
      `expected one or more slots of different types, got ${types.join(", ") || "none"}`,
    );
  }
  const dataKey = random.bytes(AEAD_KEY_BYTES);
  try {
    const slots = inOrder(options.slots.map((slot) => makeSlot(slot, dataKey, random)));
    return sealed(content, slots, dataKey, random);
  } finally {
    zero(dataKey);
  }
}

/**
 * Opens the bytes of a vault file with one of its slots. Throws AntsError "vault-format", "vault-version",
 * "vault-damaged", "vault-kdf-bounds", "vault-no-slot", "vault-wrong-passphrase", "vault-wrong-phrase" or
 * "vault-wrong-key-file".
 */
export function openVault(
  bytes: Uint8Array,
  unlock: VaultUnlock,
  options: { readonly random?: Random } = {},
): OpenVault {
  const file = parseVaultFile(bytes);
  const dataKey = openSlot(file.slots, unlock);
  const plain = aeadOpen(dataKey, file.sealed, headerBytes(file.slots));
  if (plain === undefined) {
    zero(dataKey);
    throw new AntsError(
      "vault-damaged",
      "the vault was changed by somebody without its key: it does not authenticate",
      {
        hint: "restore the vault from a copy, and find out who can write to its folder",
      },
    );
  }
  return new OpenVault(decodeVaultContent(plain), file.slots, dataKey, options.random ?? systemRandom);
}

/** An opened vault: its content, and the data key to seal changed content or slots with. Close it when done. */
export class OpenVault {
  readonly #dataKey: Uint8Array;
  readonly #random: Random;
  /** Every secret that was ever part of the content, to be overwritten at the end. */
  readonly #secrets = new Set<Uint8Array>();
  #content: VaultContent;
  #slots: readonly VaultSlot[];
  #closed = false;

  /** Made by {@link openVault}; takes over all it is given. */
  constructor(content: VaultContent, slots: readonly VaultSlot[], dataKey: Uint8Array, random: Random) {
    this.#content = this.#keep(content);
    this.#slots = slots;
    this.#dataKey = dataKey;
    this.#random = random;
  }

  get did(): Did {
    return this.#content.did;
  }

  /** The secrets themselves, not copies: {@link close} overwrites them. Throws AntsError "vault-closed" after it. */
  get content(): VaultContent {
    this.#assertOpen();
    return this.#content;
  }

  get slotTypes(): readonly VaultSlotType[] {
    return this.#slots.map((slot) => slot.type);
  }

  /**
   * The file's bytes with this content (the present one unless given) under the same data key and slots. The vault
   * takes over the arrays of `content`.
   */
  reseal(content: VaultContent = this.#content): Uint8Array {
    this.#assertOpen();
    const bytes = sealed(content, this.#slots, this.#dataKey, this.#random);
    this.#content = this.#keep(content);
    return bytes;
  }

  /**
   * The file's bytes with this slot in the place of the one of its type, or beside the others. The data key stays: who
   * has an old copy of the file and its old passphrase can open the new file too.
   */
  withSlot(slot: VaultSlotInput): Uint8Array {
    this.#assertOpen();
    const made = makeSlot(slot, this.#dataKey, this.#random);
    this.#slots = inOrder([...this.#slots.filter((other) => other.type !== slot.type), made]);
    return this.reseal();
  }

  /** The file's bytes without the slot of this type. Throws AntsError "vault-slots" when no way in would be left. */
  withoutSlot(type: VaultSlotType): Uint8Array {
    this.#assertOpen();
    const left = this.#slots.filter((slot) => slot.type !== type);
    if (left.length === 0) {
      throw new AntsError("vault-slots", `the ${type} is the only way into this vault`, {
        hint: "add another one before you remove it",
      });
    }
    this.#slots = left;
    return this.reseal();
  }

  /**
   * Takes over slots and content from newer bytes of the same vault, so that a change of one process is not undone by
   * the next write of another. Throws AntsError "vault-replaced" when they were not sealed under this data key.
   */
  refresh(bytes: Uint8Array): void {
    this.#assertOpen();
    const file = parseVaultFile(bytes);
    const plain = aeadOpen(this.#dataKey, file.sealed, headerBytes(file.slots));
    if (plain === undefined) {
      throw new AntsError("vault-replaced", "the vault file was replaced by another vault while this one was open", {
        hint: "stop the processes that use it, and see which of the files is the right one",
      });
    }
    this.#slots = file.slots;
    this.#content = this.#keep(decodeVaultContent(plain));
  }

  /** Overwrites the data key and all secrets; twice is harmless. What the engine copied meanwhile is out of reach. */
  close(): void {
    this.#closed = true;
    zero(this.#dataKey, ...this.#secrets);
    this.#secrets.clear();
  }

  #keep(content: VaultContent): VaultContent {
    for (const secret of secretArrays(content)) this.#secrets.add(secret);
    return content;
  }

  #assertOpen(): void {
    if (this.#closed) throw new AntsError("vault-closed", "the vault is closed: its secrets are gone from memory");
  }
}

function sealed(content: VaultContent, slots: readonly VaultSlot[], dataKey: Uint8Array, random: Random): Uint8Array {
  const plain = encodeVaultContent(content);
  try {
    return formatVaultFile({ slots, sealed: aeadSeal(dataKey, plain, headerBytes(slots), random) });
  } finally {
    zero(plain);
  }
}

function inOrder(slots: readonly VaultSlot[]): VaultSlot[] {
  return [...slots].sort((a, b) => SLOT_ORDER.indexOf(a.type) - SLOT_ORDER.indexOf(b.type));
}
