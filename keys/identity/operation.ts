import { sha256Hex } from "#platform";
import { concat, fromBase64url, utf8 } from "../bytes.js";
import { canonicalBytes, parseCanonicalObject } from "../canonical.js";
import { type Did, didOfGenesis } from "../did.js";
import { verifyStrict } from "../ed25519/index.js";
import { AntsError, isAntsError } from "../errors.js";
import { MAX_OPERATION_BYTES } from "../limits.js";
import { decodeMultikey } from "../multikey.js";
import { TAG_BYTES } from "../tags.js";
import { commitmentOf } from "./commitment.js";
import { readOperation } from "./grammar.js";
import type { IdentityOperation } from "./shape.js";

/** An operation that stands on its own: canonical, well formed, and every signature in it verifies. */
export interface ParsedOperation {
  readonly op: IdentityOperation;
  /** SHA-256 of the tag and the operation without `sigs`, in hexadecimal; also the entry id. */
  readonly hash: string;
  /** The agent; a genesis founds it. */
  readonly did: Did;
  /** The exact bytes, without a newline. A copy: the caller's buffer may be reused. */
  readonly line: Uint8Array;
  /** The keys (Multikey) that signed, sorted. */
  readonly signers: readonly string[];
}

/**
 * Reads one line of an identity log, without its newline. What it accepts is true of the operation alone; whether its
 * parent entitles those who signed it is judged when it joins an OperationSet.
 *
 * Throws AntsError: a "json-…" code (not canonical, or over 8 KiB: "json-too-long"), "identity-grammar",
 * "identity-signers" (other keys signed than its kind demands), "identity-key-reuse" (a recovery key of this operation
 * that is also a sign key, or is committed again), "identity-signature".
 */
export function parseOperation(line: Uint8Array): ParsedOperation {
  const op = readOperation(parseCanonicalObject(line, { maxBytes: MAX_OPERATION_BYTES }));
  const signers = op.sigs.map(({ key }) => key);
  checkSigners(op, signers);
  checkRecoveryKeys(op);
  const bytes = signedBytes(op);
  for (const { key, sig } of op.sigs) {
    if (!verifyStrict(decodeSignature(sig), bytes, decodeMultikey(key).publicKey)) {
      throw new AntsError("identity-signature", `the signature of ${key} does not verify`, { details: { key } });
    }
  }
  const hash = sha256Hex(bytes);
  return { op, hash, did: op.op === "genesis" ? didOfGenesis(hash) : op.did, line: line.slice(), signers };
}

/** The hash of an operation: its entry id, and what its children name as `prev`. Signatures are left out. */
export function operationHash(op: Omit<IdentityOperation, "sigs">): string {
  return sha256Hex(signedBytes(op));
}

/** What every signer of an operation signs: the tag and the canonical operation without `sigs`. */
export function signedBytes(op: Omit<IdentityOperation, "sigs">): Uint8Array {
  const { sigs: _, ...statement } = op as IdentityOperation;
  return concat(TAG_BYTES.identity, canonicalBytes(statement));
}

/**
 * Who signs what: every sign key of a genesis (proof of possession); any sign keys of an update; the revealed keys and
 * every new sign key of a rotate; the revealed keys of a deactivate. Nobody else.
 */
function checkSigners(op: IdentityOperation, signers: readonly string[]): void {
  const entitled = new Set([...op.keys.sign, ...(op.reveal ?? [])]);
  const stranger = signers.find((key) => !entitled.has(key));
  if (stranger !== undefined) {
    throw new AntsError("identity-signers", `expected signatures of the keys of this ${op.op}, got one of ${stranger}`);
  }
  const missing = op.op === "update" ? undefined : [...entitled].find((key) => !signers.includes(key));
  if (missing !== undefined) {
    throw new AntsError("identity-signers", `expected a signature of ${missing} under this ${op.op}, got none`);
  }
}

/** The two powers never meet in one key, and a key that was shown is not a secret to commit to. */
function checkRecoveryKeys(op: IdentityOperation): void {
  const both = op.reveal?.find((key) => op.keys.sign.includes(key));
  const spoilt = [...op.keys.sign, ...(op.reveal ?? [])].find((key) =>
    op.recovery.commit.includes(commitmentOf(key, op.keys.sign)),
  );
  const key = both ?? spoilt;
  if (key === undefined) return;
  throw new AntsError("identity-key-reuse", `expected recovery keys that are nothing else, got ${key} in two roles`, {
    details: { key },
  });
}

function decodeSignature(sig: string): Uint8Array {
  try {
    return fromBase64url(sig, 64);
  } catch (cause) {
    throw new AntsError("identity-grammar", "sigs: expected 64 bytes as base64url, got stray bits", {
      cause,
      details: { field: "sigs" },
    });
  }
}

/** An operation in any of its shapes; undefined for lines that are none, so that a log with rubbish in it can be read. */
export function parsedOrNothing(operation: ParsedOperation | Uint8Array | string): ParsedOperation | undefined {
  try {
    if (typeof operation === "string") return parseOperation(utf8(operation));
    return operation instanceof Uint8Array ? parseOperation(operation) : operation;
  } catch (error) {
    if (isAntsError(error)) return undefined;
    throw error;
  }
}
