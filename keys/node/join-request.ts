import { sha256, sha256Hex } from "#platform";
import { base32, utf8 } from "../bytes.js";
import { canonicalize, parseCanonicalObject } from "../canonical.js";
import { type Did, isDid } from "../did.js";
import { AntsError } from "../errors.js";
import { decodeMultikey, encodeMultikey } from "../multikey.js";
import type { Random } from "../ports.js";
import { LABEL } from "../tags.js";
import { x25519PublicKey } from "../x25519.js";
import { KDF_MIN, KDF_SALT_BYTES, passphraseKey } from "./kdf.js";

/**
 * What another device says that wants to join an agent: one line of canonical JSON,
 *   {"did","expires","format":"ants-join-request","key":"z6LS…","v":1}
 * with the agent that it means, and a key that is used once (docs/decisions/0018). Nothing in it is secret, and nothing
 * vouches for it: a person does, who carries its code from the one screen to the other.
 */
export interface JoinRequest {
  /** Without a newline. */
  readonly line: string;
  /** Hexadecimal SHA-256 of the line: what an answer names. */
  readonly hash: string;
  readonly did: Did;
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Milliseconds since the epoch by the clock of the device that asks. */
  readonly expiresMs: number;
}

const FORMAT = "ants-join-request";
const VERSION = 1;
const MAX_REQUEST_BYTES = 1_024;
/** Long enough to walk to another machine. */
export const JOIN_VALID_MS = 3_600_000;
const CODE_CHARACTERS = 12;

/** A new request, and the one-time secret that opens its answer. */
export function makeJoinRequest(
  did: Did,
  nowMs: number,
  random: Random,
): { readonly request: JoinRequest; readonly secret: Uint8Array } {
  const secret = random.bytes(32);
  const key = encodeMultikey(x25519PublicKey(secret), "x25519");
  const line = canonicalize({ did, expires: nowMs + JOIN_VALID_MS, format: FORMAT, key, v: VERSION });
  return { request: parseJoinRequest(line), secret };
}

/** Reads a request as it was pasted: blanks around it don't count. Throws AntsError "join-request". */
export function parseJoinRequest(text: string): JoinRequest {
  const line = text.trim();
  try {
    const { did, expires, format, key, v, ...rest } = parseCanonicalObject(utf8(line), { maxBytes: MAX_REQUEST_BYTES });
    const decoded = typeof key === "string" ? decodeMultikey(key) : undefined;
    if (format === FORMAT && v === VERSION && isDid(did) && typeof expires === "number" && decoded?.type === "x25519")
      if (Object.keys(rest).length === 0)
        return { line, hash: sha256Hex(utf8(line)), did, publicKey: decoded.publicKey, expiresMs: expires };
  } catch (error) {
    if (!(error instanceof AntsError)) throw error;
  }
  throw new AntsError("join-request", "expected the line that ants join printed on the new device, got something else");
}

/** The code of a request to join, for a person to carry: see {@link lineCode}. */
export function joinCode({ line }: JoinRequest): string {
  return lineCode(line, LABEL.joinCode);
}

/** Whether somebody typed this request's code, in any case and grouping. */
export function isJoinCode(typed: string, request: JoinRequest): boolean {
  return isSameCode(typed, joinCode(request));
}

/**
 * A code for a line that goes from one device to another: 60 bits as three groups of four characters (a–z, 2–7), by
 * Argon2id of the whole line. Whoever wants another line with the same code has to try 2^60 of them, each for 64 MiB
 * and a fifth of a second, within the hour in which it counts. `label` separates the uses.
 */
export function lineCode(line: string, label: string): string {
  const salt = sha256(utf8(label)).slice(0, KDF_SALT_BYTES);
  const stretched = passphraseKey(sha256(utf8(`${label}\n${line}`)), salt, KDF_MIN);
  return base32(stretched)
    .slice(0, CODE_CHARACTERS)
    .replace(/.{4}(?=.)/g, "$&-");
}

/** Whether what somebody typed is a code, in any case and grouping. */
export function isSameCode(typed: string, code: string): boolean {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z2-7]/g, "");
  return plain(typed) === plain(code);
}
