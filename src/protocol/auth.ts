/**
 * An auth line proves to one relay, on one connection, who the other side is: it signs the challenge of that
 * connection's `hello` and the URL that the client dialled. It is never stored and is no entry.
 */
import { base64url, utf8 } from "../../keys/bytes.js";
import { type JsonObject, parseCanonicalObject } from "../../keys/canonical.js";
import { type Did, isDid } from "../../keys/did.js";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { isRelayUrl } from "../../keys/identity/relay-url.js";
import { encodeMultikey } from "../../keys/multikey.js";
import type { Random } from "../../keys/ports.js";
import { TAG } from "../../keys/tags.js";
import {
  BYTES32,
  fieldError,
  HEX16,
  isSignKey,
  isText,
  isTime,
  refuseUnknownFields,
  requireVersion1,
  SIGNATURE,
} from "./grammar.js";
import { requireSignature, signStatement } from "./statement.js";

/** Bytes of a challenge: unguessable, and never drawn twice. */
const CHALLENGE_BYTES = 32;

export interface AuthStatement {
  readonly type: "auth";
  readonly v: 1;
  readonly did: Did;
  /** The running instance, 16 hex digits. */
  readonly instance: string;
  /** The URL that the client dialled, in its one spelling, so that no relay can pass this line on to another. */
  readonly relay: string;
  /** The challenge of this connection's `hello`. */
  readonly challenge: string;
  readonly time: number;
  readonly key: string;
  readonly sig: string;
}

/** An auth line whose form, grammar and signature were checked; {@link requireAuth} checks whom it was meant for. */
export interface ParsedAuth {
  readonly type: "auth";
  readonly did: Did;
  readonly auth: AuthStatement;
  readonly line: Uint8Array;
}

export interface AuthInput {
  readonly did: Did;
  readonly instance: string;
  readonly relay: string;
  readonly challenge: string;
  readonly timeMs: number;
  /** The 32-byte seed of a live sign key. */
  readonly seed: Uint8Array;
}

/** A fresh challenge for one connection: 32 random bytes, base64url. */
export function createChallenge(random: Random): string {
  return base64url(random.bytes(CHALLENGE_BYTES));
}

/** Signs an auth line (no newline). Throws what {@link parseAuth} throws for a bad field. */
export function createAuth(input: AuthInput): string {
  const { did, instance, relay, challenge, timeMs, seed } = input;
  const key = encodeMultikey(publicKeyFromSeed(seed));
  const line = signStatement(
    TAG.auth,
    { type: "auth", v: 1, did, instance, relay, challenge, time: timeMs, key },
    seed,
  );
  parseAuth(utf8(line));
  return line;
}

/**
 * Reads one auth line: strict canonical form, grammar, signature.
 * Throws the reader's `json-*` codes, `auth-grammar` (details: field, expected), `bad-signature`,
 * `version-unsupported`.
 */
export function parseAuth(line: Uint8Array): ParsedAuth {
  const auth = checkAuth(parseCanonicalObject(line));
  requireSignature(TAG.auth, auth);
  return { type: "auth", did: auth.did, auth, line };
}

/**
 * Throws `auth-failed` unless the line answers this connection: its challenge, and one of the URLs under which this
 * relay is known. Whether the key is live for the DID is for the caller to check.
 */
export function requireAuth(parsed: ParsedAuth, expected: { challenge: string; relayUrls: Iterable<string> }): void {
  const { challenge, relay } = parsed.auth;
  if (challenge !== expected.challenge) {
    throw new AntsError("auth-failed", "the auth line answers another challenge than this connection's", {
      hint: "sign the challenge of the hello that came on this connection",
    });
  }
  const urls = [...expected.relayUrls];
  if (!urls.includes(relay)) {
    throw new AntsError("auth-failed", `the auth line is for ${relay}, and this relay is known as ${urls.join(", ")}`, {
      hint: "dial the relay by the URL that it states in hello",
      details: { relay, relayUrls: urls },
    });
  }
}

const FIELDS: ReadonlySet<string> = new Set("type v did instance relay challenge time key sig".split(" "));

function checkAuth(value: JsonObject): AuthStatement {
  const wrong = (field: string, expected: string) => fieldError("auth-grammar", field, expected, value[field]);
  if (value.type !== "auth") throw wrong("type", '"auth"');
  requireVersion1("the auth line", value.v);
  refuseUnknownFields("auth-grammar", value, FIELDS);
  if (typeof value.did !== "string" || !isDid(value.did)) throw wrong("did", "did:ants:<52 characters>");
  if (!isText(value.instance, HEX16)) throw wrong("instance", "16 hex digits");
  if (!isRelayUrl(value.relay)) throw wrong("relay", "a relay URL in its one spelling");
  if (!isText(value.challenge, BYTES32)) throw wrong("challenge", "base64url of 32 bytes");
  if (!isTime(value.time)) throw wrong("time", "milliseconds since 1970 that a Date can hold");
  if (!isSignKey(value.key)) throw wrong("key", "the Multikey of an Ed25519 key");
  if (!isText(value.sig, SIGNATURE)) throw wrong("sig", "86 characters of base64url");
  return value as unknown as AuthStatement;
}
