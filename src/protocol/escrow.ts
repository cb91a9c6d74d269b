/**
 * What a claim carries for its owner: the keys of private bodies and of sealed messages, sealed to the escrow key of the
 * recovery phrase. Every claim has it, so one relay with one claim and the phrase are enough to read everything again.
 * In the claim's body: `"escrow":{"k":<id of the state key>,"sealed":<base64url of sealTo's bytes>}`.
 */
import { base64url, concat, equalBytes, fromBase64url, zero } from "../../keys/bytes.js";
import { canonicalBytes, type JsonValue } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { isAntsError } from "../../keys/errors.js";
import { decodeMultikey } from "../../keys/multikey.js";
import type { Random } from "../../keys/ports.js";
import { openSealed, sealTo } from "../../keys/seal.js";
import { LABEL } from "../../keys/tags.js";
import { stateKeyId } from "./private-body.js";

/** The reading keys of one era of an agent. */
export interface ReadingKeys {
  /** Key of private bodies, 32 bytes. */
  readonly stateKey: Uint8Array;
  /** X25519 secret that messages are sealed to, 32 bytes. */
  readonly agreeSecret: Uint8Array;
}

/** As it stands in a claim. */
export interface Escrow {
  /** The public id of the present state key. */
  readonly k: string;
  readonly sealed: string;
  /** Satisfies JsonObject. */
  readonly [field: string]: string;
}

const KEY_BYTES = 32;
const ERA_BYTES = 2 * KEY_BYTES;
/** As many as a vault keeps, and the present one. */
const MAX_ERAS = 65;

/**
 * Seals the reading keys of the present era (first) and of all before it. `escrowKey`: the multikey that the identity
 * log names. Throws AntsError "seal-key", "multikey".
 */
export function sealEscrow(did: Did, eras: readonly ReadingKeys[], escrowKey: string, random: Random): Escrow {
  const k = stateKeyId(eras[0]!.stateKey);
  const plain = concat(...eras.flatMap(({ stateKey, agreeSecret }) => [stateKey, agreeSecret]));
  try {
    const sealed = sealTo(decodeMultikey(escrowKey).publicKey, plain, bindingOf(did, k), random);
    return { k, sealed: base64url(sealed) };
  } finally {
    zero(plain);
  }
}

/**
 * The reading keys in the body of a claim, the present era first; undefined where there are none that this secret (32
 * bytes) opens. A thief's claim may hold anything.
 */
export function openEscrow(did: Did, escrow: JsonValue | undefined, secret: Uint8Array): ReadingKeys[] | undefined {
  if (typeof escrow !== "object" || Array.isArray(escrow)) return undefined;
  const { k, sealed } = escrow;
  if (typeof k !== "string" || typeof sealed !== "string") return undefined;
  let plain: Uint8Array;
  try {
    plain = openSealed(secret, fromBase64url(sealed), bindingOf(did, k));
  } catch (error) {
    if (isAntsError(error)) return undefined;
    throw error;
  }
  const eras: ReadingKeys[] = [];
  for (let at = 0; at + ERA_BYTES <= plain.length && eras.length < MAX_ERAS; at += ERA_BYTES) {
    const stateKey = plain.slice(at, at + KEY_BYTES);
    eras.push({ stateKey, agreeSecret: plain.slice(at + KEY_BYTES, at + ERA_BYTES) });
  }
  zero(plain);
  return eras.length > 0 && stateKeyId(eras[0]!.stateKey) === k ? eras : undefined;
}

/** Adds eras that a list lacks; the order stays. */
export function uniteEras(eras: readonly ReadingKeys[], more: readonly ReadingKeys[]): ReadingKeys[] {
  const united = [...eras];
  for (const era of more) if (!united.some(({ stateKey }) => equalBytes(stateKey, era.stateKey))) united.push(era);
  return united;
}

function bindingOf(did: Did, k: string) {
  return { info: LABEL.escrow, aad: canonicalBytes({ did, k }) };
}
