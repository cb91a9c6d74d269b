import { sha256Hex } from "#platform";
import { base64url, fromBase64url, utf8 } from "../bytes.js";
import { canonicalize, type JsonObject, parseCanonicalObject } from "../canonical.js";
import { AntsError, isAntsError } from "../errors.js";
import { LABEL } from "../tags.js";
import { SLOT_ORDER, slotFromJson, slotToJson, type VaultSlot } from "./vault-slot.js";

/**
 * The text of a vault file: one line of canonical JSON and a newline,
 *   {"content":"<base64url>","format":"ants-vault","sha256":"<hex>","slots":[…],"v":1}
 * header = {format, slots, v}, authenticated as associated data of `content`; sha256 = SHA-256 of the canonical JSON
 * of everything but itself, without a key: it tells a damaged file from a wrong passphrase, and protects nothing.
 */
export interface VaultFile {
  readonly slots: readonly VaultSlot[];
  /** nonce ‖ ciphertext ‖ tag under the data key */
  readonly sealed: Uint8Array;
}

const FORMAT = "ants-vault";
const VERSION = 1;
/** Far above what secrets need, far below what reading a wrong file by mistake would cost. */
export const MAX_VAULT_BYTES = 8 * 1024 * 1024;
const NEWLINE = 0x0a;

/** What the content is bound to: the slots as they stand in the file. */
export function headerBytes(slots: readonly VaultSlot[]): Uint8Array {
  return utf8(`${LABEL.vaultHeader}\n${canonicalize(header(slots))}`);
}

export function formatVaultFile({ slots, sealed }: VaultFile): Uint8Array {
  const body: JsonObject = { ...header(slots), content: base64url(sealed) };
  return utf8(`${canonicalize({ ...body, sha256: checksum(body) })}\n`);
}

/**
 * Throws AntsError "vault-format" (not a vault), "vault-version" (of a newer program), "vault-damaged" (bytes changed
 * since it was written) or "vault-kdf-bounds". Says nothing about who wrote it: only opening does.
 */
export function parseVaultFile(bytes: Uint8Array): VaultFile {
  try {
    return parse(bytes);
  } catch (error) {
    if (isAntsError(error) && error.code.startsWith("vault-")) throw error;
    throw format("one line of canonical JSON", error);
  }
}

function parse(bytes: Uint8Array): VaultFile {
  if (bytes.length > MAX_VAULT_BYTES) throw format(`at most ${MAX_VAULT_BYTES} bytes, got ${bytes.length}`);
  if (bytes.at(-1) !== NEWLINE) throw format(`a line that ends with a newline, got ${bytes.length} bytes without`);
  const file = parseCanonicalObject(bytes.subarray(0, -1), { maxBytes: MAX_VAULT_BYTES });
  if (file.format !== FORMAT) throw format(`"format":"${FORMAT}"`);
  const { sha256, ...body } = file;
  if (sha256 !== checksum(body)) {
    throw new AntsError("vault-damaged", "the vault was changed since it was written: its checksum does not match", {
      hint: "restore the vault from a copy",
    });
  }
  if (file.v !== VERSION) {
    throw new AntsError("vault-version", `expected a vault of version ${VERSION}, got ${JSON.stringify(file.v)}`, {
      hint: "it was written by a newer ants: update this one",
    });
  }
  const { content, slots, ...rest } = body;
  if (Object.keys(rest).join() !== "format,v") throw format("no fields but content, format, sha256, slots and v");
  if (!Array.isArray(slots) || slots.length === 0) throw format("a list of slots");
  if (typeof content !== "string") throw format("content as base64url");
  const parsed = slots.map(slotFromJson);
  const places = parsed.map((slot) => SLOT_ORDER.indexOf(slot.type));
  if (places.some((place, i) => i > 0 && place <= places[i - 1]!)) {
    throw format(`at most one slot of each type, in the order ${SLOT_ORDER.join(", ")}`);
  }
  return { slots: parsed, sealed: fromBase64url(content) };
}

function header(slots: readonly VaultSlot[]): JsonObject {
  return { format: FORMAT, slots: slots.map(slotToJson), v: VERSION };
}

function checksum(body: JsonObject): string {
  return sha256Hex(utf8(canonicalize(body)));
}

function format(expected: string, cause?: unknown): AntsError {
  return new AntsError("vault-format", `not a vault: expected ${expected}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: "check the path; if it was a vault, restore it from a copy or use the recovery phrase",
  });
}
