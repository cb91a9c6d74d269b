/**
 * Sealed messages: `{"box": base64url(nonce ‖ ciphertext), "for": {did: base64url(wrapped content key)}}`. One random
 * content key encrypts the body (XChaCha20-Poly1305) and is sealed to the `agree` key of each recipient and of the author
 * (keys/seal.ts). Box and wraps are bound to the author and the event's place, every wrap to its reader as well, so that
 * nothing of it opens anywhere else (docs/protocol.md, Sealed messages).
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { base64url, concat, fromBase64url, zero } from "../../keys/bytes.js";
import { canonicalBytes, type JsonObject, type JsonValue, parseCanonicalObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import type { Random } from "../../keys/ports.js";
import { openSealed, sealTo } from "../../keys/seal.js";
import { LABEL } from "../../keys/tags.js";
import { MAX_MESSAGE_BYTES, MAX_RECIPIENTS } from "./limits.js";
import type { BodyPlace } from "./private-body.js";

const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/**
 * Zeros before the text. The cipher alone lets an author who tries find one box that opens to two texts under two content
 * keys, one for each of two readers; not to two that begin with these.
 */
const COMMITMENT_BYTES = 32;
/** Short messages are all of one length. */
const MIN_PADDED_BYTES = 256;
/** Ends the text; zeros follow (ISO/IEC 7816-4). */
const END_OF_TEXT = 0x80;

/** Somebody who can open a message: DID, and the X25519 public key that its identity names as `agree`. */
export interface MessageReader {
  readonly did: Did;
  /** 32 bytes. */
  readonly agree: Uint8Array;
}

/** Where a message belongs: an event with recipients. */
export type MessagePlace = BodyPlace & { readonly to: readonly string[] };

export interface SealedMessage extends JsonObject {
  box: string;
  for: { [did: string]: string };
}

/** Whether a body is a sealed message, as far as its form tells: exactly the fields `box` and `for`, all of it text. */
export function isSealedMessage(body: JsonObject): body is SealedMessage {
  if (typeof body.box !== "string" || !isObject(body.for) || Object.keys(body).length !== 2) return false;
  return Object.values(body.for).every((wrap) => typeof wrap === "string");
}

/**
 * Seals a body for its place. `readers` are the recipients that `place.to` names and the author, each once: the author
 * has to read what it sent, also after a recovery.
 *
 * Throws `message-recipients` when they are not, or the author is its own recipient; `message-too-long` above 40,000
 * bytes of canonical JSON; `seal-key` for an agree key that is none.
 */
export function sealMessage(
  plain: JsonObject,
  readers: readonly MessageReader[],
  place: MessagePlace,
  random: Random,
): SealedMessage {
  requireReaders(readers, place);
  const text = canonicalBytes(plain);
  if (text.length > MAX_MESSAGE_BYTES) {
    throw new AntsError("message-too-long", `a message has at most ${MAX_MESSAGE_BYTES} bytes, not ${text.length}`, {
      hint: "send it in parts, or keep the bulk elsewhere and send its hash and where it is",
      details: { limit: MAX_MESSAGE_BYTES, bytes: text.length },
    });
  }
  // What has no place in a line would be found out by the recipients only.
  parseCanonicalObject(text);
  const contentKey = random.bytes(KEY_BYTES);
  const nonce = random.bytes(NONCE_BYTES);
  const box = xchacha20poly1305(contentKey, nonce, associatedData(place)).encrypt(padded(text));
  const wraps = readers.map(({ did, agree }) => {
    const wrapped = sealTo(agree, contentKey, { info: LABEL.messageKey, aad: associatedData(place, did) }, random);
    return [did, base64url(wrapped)] as const;
  });
  zero(contentKey);
  return { box: base64url(concat(nonce, box)), for: Object.fromEntries(wraps) };
}

/**
 * Opens a message as one of its readers. `agreeSecrets`: the reader's X25519 secrets, 32 bytes each, the present one
 * first and then those of earlier eras.
 *
 * Throws `message-sealed` when it is none, is not for this reader, was sealed to a key that is not among these, belongs
 * to another event, author, kind or recipients, or was altered.
 */
export function openMessage(
  body: JsonObject,
  reader: { readonly did: string; readonly agreeSecrets: readonly Uint8Array[] },
  place: MessagePlace,
): JsonObject {
  if (!isSealedMessage(body)) throw unreadable("it has no box and no keys");
  const named = Object.keys(body.for);
  const expected = new Set<string>([...place.to, place.did]);
  // Whoever reads it can trust the event to say who else does.
  if (named.length !== expected.size || !named.every((did) => expected.has(did))) {
    throw unreadable("its keys are not those of its recipients and its author");
  }
  if (!expected.has(reader.did)) throw unreadable(`it is not for ${reader.did}`);
  const wrapped = bytesOf(body.for[reader.did]!);
  const box = bytesOf(body.box);
  if (box.length < NONCE_BYTES + COMMITMENT_BYTES + TAG_BYTES) throw unreadable("its box is too short");
  const contentKey = unwrap(wrapped, reader, place);
  try {
    const cipher = xchacha20poly1305(contentKey, box.subarray(0, NONCE_BYTES), associatedData(place));
    return parseCanonicalObject(unpadded(cipher.decrypt(box.subarray(NONCE_BYTES))));
  } catch (cause) {
    throw unreadable("it was altered, or belongs to another event", cause);
  } finally {
    zero(contentKey);
  }
}

/** The key of any era that opens it; a message that was under way during a rotate is sealed to the one before. */
function unwrap(
  wrapped: Uint8Array,
  { did, agreeSecrets }: { readonly did: string; readonly agreeSecrets: readonly Uint8Array[] },
  place: MessagePlace,
): Uint8Array {
  const binding = { info: LABEL.messageKey, aad: associatedData(place, did) };
  let cause: unknown;
  for (const secret of agreeSecrets) {
    try {
      const key = openSealed(secret, wrapped, binding);
      if (key.length === KEY_BYTES) return key;
    } catch (error) {
      cause = error;
    }
  }
  throw unreadable("it was sealed to a key that is not here, belongs to another event, or was altered", cause);
}

function requireReaders(readers: readonly MessageReader[], { did, to }: MessagePlace): void {
  const wrong = (why: string) =>
    new AntsError("message-recipients", `a message has 1 to ${MAX_RECIPIENTS} different recipients: ${why}`, {
      details: { recipients: to },
    });
  if (to.includes(did)) throw wrong("its author is not one of them (what is for oneself alone is a private event)");
  if (to.length === 0 || to.length > MAX_RECIPIENTS) throw wrong(`got ${to.length}`);
  if (new Set(to).size < to.length) throw wrong("one is named twice");
  const named = readers.map((reader) => reader.did);
  const expected = [...to, did];
  if (named.length !== expected.length || !expected.every((one) => named.includes(one as Did))) {
    throw wrong("the keys that it is sealed to are not those of the recipients and the author");
  }
}

/** The event, and for a wrap its reader as well. */
function associatedData({ did, epoch, seq, kind, to }: MessagePlace, reader?: string): Uint8Array {
  return canonicalBytes({ did, epoch, seq, kind, to, ...(reader === undefined ? {} : { for: reader }) });
}

/** Commitment, text and padding, of a length that says little about the text's. */
function padded(text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(paddedLength(COMMITMENT_BYTES + text.length + 1));
  bytes.set(text, COMMITMENT_BYTES);
  bytes[COMMITMENT_BYTES + text.length] = END_OF_TEXT;
  return bytes;
}

function unpadded(bytes: Uint8Array): Uint8Array {
  if (bytes.subarray(0, COMMITMENT_BYTES).some((byte) => byte !== 0)) throw unreadable("its author forged its key");
  let end = bytes.length - 1;
  while (end >= COMMITMENT_BYTES && bytes[end] === 0) end -= 1;
  if (end < COMMITMENT_BYTES || bytes[end] !== END_OF_TEXT) throw unreadable("its padding is damaged");
  return bytes.subarray(COMMITMENT_BYTES, end);
}

/**
 * Padmé (PURBs, PoPETs 2019): the lengths that are left have as many significant bits as the length of their own length,
 * so that a length of n tells O(log log n) bits and padding adds at most 12 %.
 */
function paddedLength(length: number): number {
  if (length <= MIN_PADDED_BYTES) return MIN_PADDED_BYTES;
  const exponent = Math.floor(Math.log2(length));
  const significant = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** (exponent - significant);
  return Math.ceil(length / step) * step;
}

function bytesOf(text: string): Uint8Array {
  try {
    return fromBase64url(text);
  } catch (cause) {
    throw unreadable("it is not base64url", cause);
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(why: string, cause?: unknown): AntsError {
  return new AntsError("message-sealed", `the message cannot be opened: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
  });
}
