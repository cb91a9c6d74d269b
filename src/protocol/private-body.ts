/**
 * Private bodies: `{"enc": base64url(nonce ‖ ciphertext), "k": key id}`, XChaCha20-Poly1305 under the agent's state
 * key. The associated data binds a body to its author and place, so that none can be moved into another event.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { sha256 } from "#platform";
import { base64url, concat, fromBase64url, utf8 } from "../../keys/bytes.js";
import { canonicalBytes, type JsonObject, parseCanonicalObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import type { Random } from "../../keys/ports.js";
import { LABEL } from "../../keys/tags.js";

/** 192 random bits never repeat, so no counter has to survive anything. */
const NONCE_BYTES = 24;
const KEY_BYTES = 32;
/** Bytes of a key id: tells an agent's own few state keys apart, and nothing about them. */
const KEY_ID_BYTES = 8;

/** The event that a private body belongs to. */
export interface BodyPlace {
  readonly did: Did;
  readonly epoch: number;
  readonly seq: number;
  readonly kind: string;
  readonly to?: readonly string[];
}

export interface SealedBody extends JsonObject {
  enc: string;
  k: string;
}

/** The public id of a state key: the first 8 bytes of SHA-256(label ‖ key), base64url. */
export function stateKeyId(stateKey: Uint8Array): string {
  return base64url(sha256(utf8(LABEL.stateKeyId), stateKey).subarray(0, KEY_ID_BYTES));
}

/** Whether a body is a private one (of whoever): exactly the fields `enc` and `k`, both text. */
export function isSealedBody(body: JsonObject): body is SealedBody {
  return typeof body.enc === "string" && typeof body.k === "string" && Object.keys(body).length === 2;
}

/** Encrypts a body for its place. `stateKey` has 32 bytes; throws `state-key` for any other length. */
export function sealBody(plain: JsonObject, stateKey: Uint8Array, place: BodyPlace, random: Random): SealedBody {
  requireStateKey(stateKey);
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = xchacha20poly1305(stateKey, nonce, associatedData(place));
  return { enc: base64url(concat(nonce, cipher.encrypt(canonicalBytes(plain)))), k: stateKeyId(stateKey) };
}

/** The state keys of an agent, the present one first; a rotate leaves the earlier ones for reading. */
export type StateKeys = Uint8Array | readonly Uint8Array[];

/**
 * Decrypts a private body with whichever of the keys it names. Throws `body-sealed` when it is none, was sealed under another key (details.k names it),
 * belongs to another place, or was altered.
 */
export function openBody(sealed: JsonObject, stateKeys: StateKeys, place: BodyPlace): JsonObject {
  const keys = stateKeys instanceof Uint8Array ? [stateKeys] : stateKeys;
  for (const key of keys) requireStateKey(key);
  if (!isSealedBody(sealed)) throw unreadable("it has no enc and k");
  const stateKey = keys.find((key) => stateKeyId(key) === sealed.k);
  if (stateKey === undefined) throw unreadable("it was sealed under another key", { k: sealed.k });
  return parseCanonicalObject(decrypt(sealed.enc, stateKey, place));
}

/**
 * The body of an event, opened where it is a private one; undefined where it is forgotten. Throws `body-sealed` for a
 * private body that none of these keys opens.
 */
export function readableBody(
  event: BodyPlace & { readonly body?: JsonObject },
  stateKeys: StateKeys,
): JsonObject | undefined {
  const { body } = event;
  return body !== undefined && isSealedBody(body) ? openBody(body, stateKeys, event) : body;
}

function decrypt(enc: string, stateKey: Uint8Array, place: BodyPlace): Uint8Array {
  try {
    const bytes = fromBase64url(enc);
    const cipher = xchacha20poly1305(stateKey, bytes.subarray(0, NONCE_BYTES), associatedData(place));
    return cipher.decrypt(bytes.subarray(NONCE_BYTES));
  } catch (cause) {
    throw unreadable("it was altered, or belongs to another event", {}, cause);
  }
}

function associatedData({ did, epoch, seq, kind, to }: BodyPlace): Uint8Array {
  return canonicalBytes({ did, epoch, seq, kind, to: to ?? [] });
}

function requireStateKey(stateKey: Uint8Array): void {
  if (stateKey.length === KEY_BYTES) return;
  throw new AntsError("state-key", `a state key has ${KEY_BYTES} bytes, not ${stateKey.length}`);
}

function unreadable(why: string, details: Record<string, unknown> = {}, cause?: unknown): AntsError {
  return new AntsError("body-sealed", `the private body cannot be opened: ${why}`, {
    details,
    ...(cause === undefined ? {} : { cause }),
  });
}
