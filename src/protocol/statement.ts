/** What promise and auth lines share: one signature over tag ‖ JCS(statement without `sig`), by the key it names. */
import { sha256Hex } from "#platform";
import { base64url, concat, fromBase64url, utf8 } from "../../keys/bytes.js";
import { canonicalize } from "../../keys/canonical.js";
import { sign, verifyStrict } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { decodeMultikey } from "../../keys/multikey.js";

/** tag ‖ JCS(statement without `sig`): what is signed, and what is hashed. */
export function statementBytes(tag: string, statement: object): Uint8Array {
  const { sig: _, ...unsigned } = statement as { sig?: string };
  return concat(utf8(tag), utf8(canonicalize(unsigned)));
}

/** Signs a statement (which names its key already) and returns its canonical line. */
export function signStatement(tag: string, statement: object, seed: Uint8Array): string {
  return canonicalize({ ...statement, sig: base64url(sign(statementBytes(tag, statement), seed)) });
}

/** The hash of a statement: hex SHA-256 of the bytes that are signed. */
export function statementHash(tag: string, statement: object): string {
  return sha256Hex(statementBytes(tag, statement));
}

/** Throws `bad-signature` unless the statement's `sig` is its `key`'s; the grammar of both was checked before. */
export function requireSignature(tag: string, statement: { key: string; sig: string; type: string }): void {
  const { publicKey } = decodeMultikey(statement.key);
  if (verifyStrict(fromBase64url(statement.sig, 64), statementBytes(tag, statement), publicKey)) return;
  throw badSignature(statement.type);
}

/** The error for a line whose signature doesn't verify under the key that it names. */
export function badSignature(type: string): AntsError {
  return new AntsError("bad-signature", `the ${type}'s signature does not verify under the key that it names`);
}
