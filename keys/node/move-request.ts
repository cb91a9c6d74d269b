import { sha256Hex } from "#platform";
import { hex, utf8 } from "../bytes.js";
import { canonicalize, parseCanonicalObject } from "../canonical.js";
import type { Did } from "../did.js";
import { AntsError } from "../errors.js";
import { decodeMultikey, encodeMultikey } from "../multikey.js";
import type { Random } from "../ports.js";
import { LABEL } from "../tags.js";
import { x25519PublicKey } from "../x25519.js";
import { isSameCode, type JoinRequest, lineCode } from "./join-request.js";

/**
 * What a host says that an agent is to move to: one line of canonical JSON,
 *   {"expires","format":"ants-move-request","instance","key","v":1}
 * with a key that is used once, and the instance that will claim the pen there (docs/decisions/0032). Nothing in it is
 * secret, and nothing vouches for it: a person does, who carries its code from the one screen to the other.
 */
export interface MoveRequest {
  /** Without a newline. */
  readonly line: string;
  /** Hexadecimal SHA-256 of the line. */
  readonly hash: string;
  /** 16 hexadecimal digits, drawn for one start. */
  readonly instance: string;
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Milliseconds since the epoch, by the clock of the new host: until when the old one takes it. */
  readonly expiresMs: number;
}

const FORMAT = "ants-move-request";
const VERSION = 1;
const MAX_REQUEST_BYTES = 1_024;
/** A day: hosts are not always in one room. */
export const MOVE_VALID_MS = 24 * 3_600_000;
const INSTANCE_BYTES = 8;
const INSTANCE = /^[0-9a-f]{16}$/;

/** A new request, and the one-time secret that opens what is sealed to it. */
export function makeMoveRequest(
  nowMs: number,
  random: Random,
): { readonly request: MoveRequest; readonly secret: Uint8Array } {
  const secret = random.bytes(32);
  const key = encodeMultikey(x25519PublicKey(secret), "x25519");
  const instance = hex(random.bytes(INSTANCE_BYTES));
  const line = canonicalize({ expires: nowMs + MOVE_VALID_MS, format: FORMAT, instance, key, v: VERSION });
  return { request: parseMoveRequest(line), secret };
}

/** Reads a request as it was pasted: blanks around it don't count. Throws AntsError "move-request". */
export function parseMoveRequest(text: string): MoveRequest {
  const line = text.trim();
  try {
    const parsed = parseCanonicalObject(utf8(line), { maxBytes: MAX_REQUEST_BYTES });
    const { expires, format, instance, key, v, ...rest } = parsed;
    const decoded = typeof key === "string" ? decodeMultikey(key) : undefined;
    const isKnown = format === FORMAT && v === VERSION && Object.keys(rest).length === 0;
    if (isKnown && typeof expires === "number" && typeof instance === "string" && INSTANCE.test(instance))
      if (decoded?.type === "x25519")
        return { line, hash: sha256Hex(utf8(line)), instance, publicKey: decoded.publicKey, expiresMs: expires };
  } catch (error) {
    if (!(error instanceof AntsError)) throw error;
  }
  throw new AntsError(
    "move-request",
    "expected the line that ants migrate in --start printed on the new host, got something else",
    { hint: "paste the whole line, or name its file with --request" },
  );
}

/** The code of a request, as `lineCode` makes it. */
export function moveCode({ line }: MoveRequest): string {
  return lineCode(line, LABEL.moveCode);
}

/** Whether somebody typed this request's code, in any case and grouping. */
export function isMoveCode(typed: string, request: MoveRequest): boolean {
  return isSameCode(typed, moveCode(request));
}

/** The request as the agent's keys are sealed to it: as to another device that joins, for this agent. */
export function sealingRequest({ line, hash, publicKey, expiresMs }: MoveRequest, did: Did): JoinRequest {
  return { line, hash, did, publicKey, expiresMs };
}
