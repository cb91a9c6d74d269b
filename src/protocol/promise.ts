/**
 * A promise line: an instance asks a relay to take nothing from an older epoch any more. What the relay grants is an
 * entry of its log (docs/protocol.md, The pen).
 */
import { utf8 } from "../../keys/bytes.js";
import { type JsonObject, parseCanonicalObject } from "../../keys/canonical.js";
import { type Did, isDid } from "../../keys/did.js";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { TAG } from "../../keys/tags.js";
import {
  fieldError,
  HASH,
  HEX16,
  isInteger,
  isSignKey,
  isText,
  isTime,
  refuseUnknownFields,
  requireVersion1,
  SIGNATURE,
} from "./grammar.js";
import { requireSignature, signStatement, statementHash } from "./statement.js";

export interface PromiseStatement {
  readonly type: "promise";
  readonly v: 1;
  readonly did: Did;
  /** The epoch that the instance wants to claim, from 1. */
  readonly epoch: number;
  /** The stream of the relay that is asked: a promise counts nowhere else. */
  readonly stream: string;
  /** The asking instance, 16 hex digits drawn at its start. */
  readonly instance: string;
  /** Milliseconds since 1970 by the author's clock; advisory. */
  readonly time: number;
  /** Asks even though another instance seems alive. */
  readonly takeover?: true;
  /** The instance that was this home's own earlier run. */
  readonly after?: string;
  /** The id of the event by which the holder handed over. */
  readonly handover?: string;
  readonly key: string;
  readonly sig: string;
}

/** A promise line whose form, grammar and signature were checked. */
export interface ParsedPromise {
  readonly type: "promise";
  /** The entry id: hex SHA-256 of what is signed. */
  readonly id: string;
  /** The same as `id`. */
  readonly hash: string;
  readonly did: Did;
  readonly promise: PromiseStatement;
  /** The line without its newline; not copied. */
  readonly line: Uint8Array;
}

export interface PromiseInput {
  readonly did: Did;
  readonly epoch: number;
  readonly stream: string;
  readonly instance: string;
  readonly timeMs: number;
  readonly takeover?: boolean;
  readonly after?: string;
  readonly handover?: string;
  /** The 32-byte seed of a live sign key. */
  readonly seed: Uint8Array;
}

/** Signs a promise and returns its line (no newline). Throws what {@link parsePromise} throws for a bad field. */
export function createPromise(input: PromiseInput): string {
  const { did, epoch, stream, instance, timeMs, takeover, after, handover, seed } = input;
  const statement = {
    type: "promise",
    v: 1,
    did,
    epoch,
    stream,
    instance,
    time: timeMs,
    ...(takeover === true ? { takeover } : {}),
    ...(after === undefined ? {} : { after }),
    ...(handover === undefined ? {} : { handover }),
    key: encodeMultikey(publicKeyFromSeed(seed)),
  };
  const line = signStatement(TAG.promise, statement, seed);
  parsePromise(utf8(line));
  return line;
}

/**
 * Reads one promise line: strict canonical form, grammar, signature.
 * Throws the reader's `json-*` codes, `promise-grammar` (details: field, expected), `bad-signature`,
 * `version-unsupported`.
 */
export function parsePromise(line: Uint8Array): ParsedPromise {
  return promiseOfValue(parseCanonicalObject(line), line);
}

/** As {@link parsePromise} for a line whose JSON was read already; `value` must be what `parseCanonical(line)` gave. */
export function promiseOfValue(value: JsonObject, line: Uint8Array): ParsedPromise {
  const promise = checkPromise(value);
  requireSignature(TAG.promise, promise);
  const hash = statementHash(TAG.promise, promise);
  return { type: "promise", id: hash, hash, did: promise.did, promise, line };
}

const FIELDS: ReadonlySet<string> = new Set(
  "type v did epoch stream instance time takeover after handover key sig".split(" "),
);

function checkPromise(value: JsonObject): PromiseStatement {
  const wrong = (field: string, expected: string) => fieldError("promise-grammar", field, expected, value[field]);
  if (value.type !== "promise") throw wrong("type", '"promise"');
  requireVersion1("the promise", value.v);
  refuseUnknownFields("promise-grammar", value, FIELDS);
  if (typeof value.did !== "string" || !isDid(value.did)) throw wrong("did", "did:ants:<52 characters>");
  if (!isInteger(value.epoch, 1)) throw wrong("epoch", "an integer from 1");
  if (!isText(value.stream, HEX16)) throw wrong("stream", "16 hex digits");
  if (!isText(value.instance, HEX16)) throw wrong("instance", "16 hex digits");
  if (!isTime(value.time)) throw wrong("time", "milliseconds since 1970 that a Date can hold");
  if (value.takeover !== undefined && value.takeover !== true) throw wrong("takeover", "true, or no field");
  if (value.after !== undefined && !isText(value.after, HEX16)) throw wrong("after", "16 hex digits, or no field");
  if (value.handover !== undefined && !isText(value.handover, HASH))
    throw wrong("handover", "an event id, or no field");
  if (!isSignKey(value.key)) throw wrong("key", "the Multikey of an Ed25519 key");
  if (!isText(value.sig, SIGNATURE)) throw wrong("sig", "86 characters of base64url");
  return value as unknown as PromiseStatement;
}
