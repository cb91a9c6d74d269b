import { base64url, concat, fromBase64url, utf8, zero } from "../bytes.js";
import { canonicalize, parseCanonicalObject } from "../canonical.js";
import { type Did, isDid } from "../did.js";
import { AntsError } from "../errors.js";
import { type Random, systemRandom } from "../ports.js";
import { openSealed, sealTo } from "../seal.js";
import { readSignedLine, signedLine } from "../signed-line.js";
import { LABEL, TAG_BYTES } from "../tags.js";
import type { JoinRequest } from "./join-request.js";
import { type OpenVault, openVault } from "./vault.js";
import { MAX_VAULT_BYTES } from "./vault-format.js";

/**
 * The answer to a request to join, a signed line (signed-line.ts):
 *   {"did","expires","format":"ants-join-answer","key","request":"<its hash>","sealed","sig","v":1}
 * `sealed` is HPKE to the request's key, bound to request and DID. Within it: a line {"label","v":1,"vault": size}, a
 * token of 43 characters, a vault file that opens with it (and with the recovery words), and the lines of the identity.
 */
export interface JoinAnswer {
  readonly did: Did;
  /** Multikey that signed; live in `identity`, as whoever opens it has to check. */
  readonly key: string;
  /** Hash of the request that it answers. */
  readonly request: string;
  readonly expiresMs: number;
  readonly sealed: Uint8Array;
}

/** What a device that joins gets. */
export interface JoinedAgent {
  /** Closed by whoever opened the answer. */
  readonly vault: OpenVault;
  readonly label: string;
  /** Canonical lines of identity operations, each with its newline. */
  readonly identity: Uint8Array;
}

const FORMAT = "ants-join-answer";
const VERSION = 1;
const TOKEN_BYTES = 32;
const TOKEN_CHARACTERS = 43;
/** A thousand updates of 8 KiB and a full vault: more is no answer. */
const MAX_ANSWER_BYTES = 2 * MAX_VAULT_BYTES + 16 * 1024 * 1024;

/**
 * Seals an opened vault, the identity's lines and the label to the device that asks. Changes what is opened, not the
 * file: close it after. The signature is by the sign key in the vault.
 */
export function makeJoinAnswer(
  request: JoinRequest,
  vault: OpenVault,
  { label, identity }: Omit<JoinedAgent, "vault">,
  random: Random = systemRandom,
): Uint8Array {
  const token = utf8(base64url(random.bytes(TOKEN_BYTES)));
  const file = vault.withSlot({ type: "passphrase", passphrase: token, kdf: "interactive" });
  const head = utf8(`${canonicalize({ label, v: VERSION, vault: file.length })}\n`);
  const plain = concat(head, token, file, identity);
  try {
    const sealed = sealTo(request.publicKey, plain, binding(request), random);
    const { did, hash, expiresMs: expires } = request;
    const statement = { did, expires, format: FORMAT, request: hash, sealed: base64url(sealed), v: VERSION };
    return signedLine(TAG_BYTES.join, statement, vault.content.signSeed);
  } finally {
    zero(plain, token);
  }
}

/** Reads an answer and checks its signature. Throws AntsError "join-answer". */
export function parseJoinAnswer(text: string): JoinAnswer {
  const line = readSignedLine(TAG_BYTES.join, utf8(text.trim()), MAX_ANSWER_BYTES);
  if (line === undefined) throw refused("expected the line that ants vault share printed, got something else");
  const { did, expires, format, request, sealed, v } = line.statement;
  const known = format === FORMAT && v === VERSION && isDid(did) && typeof expires === "number";
  if (!known || typeof request !== "string" || typeof sealed !== "string")
    throw refused("expected an answer of this version, got something else");
  if (!line.isSigned) throw refused("the answer was altered: its signature does not match");
  return { did, key: line.key, request, expiresMs: expires, sealed: fromBase64url(sealed) };
}

/**
 * Opens an answer with the one-time secret of its request. Throws AntsError "join-answer" (it answers another request,
 * or holds something else), "sealed-open".
 */
export function openJoinAnswer(answer: JoinAnswer, request: JoinRequest, secret: Uint8Array): JoinedAgent {
  if (answer.request !== request.hash || answer.did !== request.did)
    throw refused("it answers another request than the one that waits here");
  const plain = openSealed(secret, answer.sealed, binding(request));
  try {
    const end = plain.indexOf(0x0a);
    const { label, v, vault } = parseCanonicalObject(plain.subarray(0, Math.max(end, 0)));
    if (v !== VERSION || typeof label !== "string" || typeof vault !== "number")
      throw refused("what was sealed is of another version");
    const token = plain.slice(end + 1, end + 1 + TOKEN_CHARACTERS);
    const at = end + 1 + TOKEN_CHARACTERS;
    const opened = openVault(plain.slice(at, at + vault), { passphrase: token });
    zero(token);
    return { vault: opened, label, identity: plain.slice(at + vault) };
  } finally {
    zero(plain);
  }
}

function binding({ did, hash }: JoinRequest) {
  return { info: LABEL.joinSeal, aad: utf8(`${did}\n${hash}`) };
}

function refused(why: string): AntsError {
  return new AntsError("join-answer", why);
}
