import { base58btc, concat, fromBase58btc } from "./bytes.js";
import { AntsError } from "./errors.js";
import { MULTIKEY_CACHE_ENTRIES } from "./limits.js";

/** `ed25519` signs, `x25519` receives sealed messages. */
export type KeyType = "ed25519" | "x25519";

/** A decoded Multikey. `publicKey` is 32 bytes and belongs to the caller. */
export interface DecodedMultikey {
  type: KeyType;
  publicKey: Uint8Array;
}

/** Multicodec prefixes as varints (https://github.com/multiformats/multicodec: ed25519-pub 0xed, x25519-pub 0xec). */
const PREFIX: Record<KeyType, Uint8Array> = {
  ed25519: Uint8Array.of(0xed, 0x01),
  x25519: Uint8Array.of(0xec, 0x01),
};
const KEY_BYTES = 32;
/** "z" and 34 bytes in base58: their first byte is 0xec or 0xed, which fixes the number of digits. */
const MULTIKEY_CHARACTERS = 48;
const DID_KEY_PREFIX = "did:key:";

const decoded = new Map<string, DecodedMultikey>();

/**
 * `z` + base58btc(0xed01 or 0xec01 ‖ 32 bytes): "z6Mk…" for Ed25519, "z6LS…" for X25519 (W3C Controlled Identifiers,
 * section Multikey). Throws AntsError "multikey" unless the key is 32 bytes.
 */
export function encodeMultikey(publicKey: Uint8Array, type: KeyType = "ed25519"): string {
  const prefix = PREFIX[type];
  if (prefix === undefined) throw new AntsError("multikey", `expected ed25519 or x25519, got ${String(type)}`);
  if (publicKey.length !== KEY_BYTES) {
    throw new AntsError("multikey", `expected a public key of 32 bytes, got ${publicKey.length}`);
  }
  return `z${base58btc(concat(prefix, publicKey))}`;
}

/**
 * Reads what {@link encodeMultikey} writes and nothing else: exactly 34 bytes under base58, one of the two prefixes.
 * Says nothing about whether the bytes are a usable point; verification does. Throws AntsError "multikey".
 */
export function decodeMultikey(text: string): DecodedMultikey {
  let known = decoded.get(text);
  if (known === undefined) {
    known = decodeAnew(text);
    if (decoded.size >= MULTIKEY_CACHE_ENTRIES) decoded.delete(decoded.keys().next().value!);
    decoded.set(text, known);
  }
  return { type: known.type, publicKey: known.publicKey.slice() };
}

function decodeAnew(text: string): DecodedMultikey {
  if (typeof text !== "string" || text.length !== MULTIKEY_CHARACTERS || text[0] !== "z") {
    throw new AntsError("multikey", `expected "z" and 47 base58 digits, got ${describe(text)}`);
  }
  let bytes: Uint8Array;
  try {
    bytes = fromBase58btc(text.slice(1));
  } catch (cause) {
    throw new AntsError("multikey", `expected base58 digits after "z", got ${describe(text)}`, { cause });
  }
  const type = typeOf(bytes);
  if (bytes.length !== KEY_BYTES + 2 || type === undefined) {
    throw new AntsError("multikey", `expected an Ed25519 or X25519 public key, got ${describe(text)}`);
  }
  return { type, publicKey: bytes.slice(2) };
}

function typeOf(bytes: Uint8Array): KeyType | undefined {
  if (bytes[1] !== 0x01) return undefined;
  return bytes[0] === 0xed ? "ed25519" : bytes[0] === 0xec ? "x25519" : undefined;
}

function describe(text: unknown): string {
  return typeof text === "string" ? JSON.stringify(text.slice(0, 60)) : `a value of type ${typeof text}`;
}

/** The did:key of an Ed25519 public key of 32 bytes. Throws AntsError "multikey" for any other length. */
export function didKey(publicKey: Uint8Array): string {
  return DID_KEY_PREFIX + encodeMultikey(publicKey);
}

/** The public key of an Ed25519 did:key. Throws AntsError "did-key" for anything else, X25519 and other curves included. */
export function parseDidKey(text: string): { publicKey: Uint8Array } {
  if (typeof text !== "string" || !text.startsWith(DID_KEY_PREFIX)) {
    throw new AntsError("did-key", `expected did:key:z6Mk…, got ${describe(text)}`);
  }
  try {
    const { type, publicKey } = decodeMultikey(text.slice(DID_KEY_PREFIX.length));
    if (type === "ed25519") return { publicKey };
  } catch (cause) {
    throw new AntsError("did-key", `expected the did:key of an Ed25519 key, got ${describe(text)}`, { cause });
  }
  throw new AntsError("did-key", `expected the did:key of an Ed25519 key, got one of X25519: ${describe(text)}`);
}
