/**
 * An event: one signed line of an agent's chain. The line is RFC 8785 canonical JSON and goes over the wire, into
 * logs and into backups unchanged (docs/protocol.md, Events).
 */
import { sha256Hex, sha256TextHex } from "#platform";
import { base64url, fromBase64url, fromHex, utf8 } from "../../keys/bytes.js";
import { canonicalize, type JsonObject, type JsonValue, parseCanonicalObject } from "../../keys/canonical.js";
import { type Did, isDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { TAG } from "../../keys/tags.js";
import {
  BYTES16,
  BYTES32,
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
import { MAX_BATCH_EVENTS, MAX_LABEL_LENGTH, MAX_RECIPIENTS, MAX_TAGS, SALT_BYTES } from "./limits.js";

/** The kind of the event that opens an epoch. */
export const CLAIM_KIND = "ants.claim";
/** `ants.*` kinds are the protocol's own; all others are the agent's. */
export const KIND = /^[a-z][a-z0-9.-]{0,63}$/;
/** A label to filter by: printable ASCII that needs no escape anywhere, and no comma, so that lists stay simple. */
export const TAG_LABEL = /^[A-Za-z0-9._:/@+=#-]{1,64}$/;
const LABEL_CONTROL = /[\u0000-\u001f\u007f]/;

/** The head of an agent's chain. */
export interface ChainHead {
  readonly epoch: number;
  readonly seq: number;
  readonly id: string;
}

/** The fields that the id covers, besides the body. */
export interface EventHeader {
  readonly type: "event";
  readonly v: 1;
  readonly did: Did;
  /** The turn of holding the pen in which this was written, from 1. */
  readonly epoch: number;
  /** The place in the chain, from 0. */
  readonly seq: number;
  /** The id of the event before; absent exactly at seq 0. */
  readonly prev?: string;
  /** Milliseconds since 1970 by the author's clock; advisory. */
  readonly time: number;
  readonly kind: string;
  /** DIDs that may read this; absent means public. 1 to 16, no duplicates. */
  readonly to?: readonly string[];
  /** 1 to 16 labels, no duplicates. */
  readonly tags?: readonly string[];
  /** The Multikey of the Ed25519 key that signed. */
  readonly key: string;
}

/** Where an event stands in the Merkle tree of its publish batch. */
export interface BatchProof {
  readonly index: number;
  /** Events of the batch, 2 to 256; a batch of one has no proof. */
  readonly size: number;
  /** Sibling hashes from leaf to root, base64url of 32 bytes each. */
  readonly path: readonly string[];
}

/** An event as it stands in its line; exactly one of `body` and `bodyHash` is there. */
export interface Event extends EventHeader {
  readonly id: string;
  readonly body?: JsonObject;
  /** Stands for a body that was forgotten: SHA-256(salt ‖ JCS(body)) in hex. */
  readonly bodyHash?: string;
  /** 16 random bytes, base64url: protects a guessable body after it was forgotten. */
  readonly salt?: string;
  readonly sig: string;
  readonly proof?: BatchProof;
}

/** A line whose form, grammar and id were checked. Its signature is a matter of its own: see batch.ts. */
export interface ParsedEvent {
  readonly type: "event";
  /** The entry id: 64 hex digits. */
  readonly id: string;
  /** The same id as 32 bytes. */
  readonly idBytes: Uint8Array;
  readonly did: Did;
  readonly event: Event;
  /** The line without its newline; not copied. */
  readonly line: Uint8Array;
  /** The body was forgotten. */
  readonly pruned: boolean;
  readonly isClaim: boolean;
}

/**
 * Reads one line (without its newline): strict canonical form, grammar, and that `id` is the hash of what it says.
 * Throws the reader's `json-*` codes, `event-grammar` (details: field, expected), `event-id`, `version-unsupported`.
 */
export function parseEvent(line: Uint8Array): ParsedEvent {
  return eventOfValue(parseCanonicalObject(line), line);
}

/** As {@link parseEvent} for a line whose JSON was read already; `value` must be what `parseCanonical(line)` gave. */
export function eventOfValue(value: JsonObject, line: Uint8Array): ParsedEvent {
  const event = checkEvent(value);
  const header = headerText(event);
  const pruned = event.body === undefined;
  const id = sha256TextHex(`${TAG.event}${header}\n${event.bodyHash ?? bodyHashOfLine(event, header, line)}`);
  const isClaim = event.kind === CLAIM_KIND;
  if (id !== event.id) {
    throw new AntsError("event-id", `the event's content has another id than the line says (${event.id})`, {
      details: { id: event.id },
    });
  }
  return { type: "event", id, idBytes: fromHex(id), did: event.did, event, line, pruned, isClaim };
}

/** Hex SHA-256(salt ‖ JCS(body)); `salt` is 16 bytes or absent. */
export function bodyHash(body: JsonObject, salt?: Uint8Array): string {
  const text = canonicalize(body);
  return salt === undefined ? sha256TextHex(text) : sha256Hex(salt, utf8(text));
}

/** The id of an event: hex SHA-256("ants/event/1\n" ‖ JCS(header) ‖ "\n" ‖ bodyHash). */
export function eventId(header: EventHeader, bodyHash: string): string {
  return sha256TextHex(`${TAG.event}${headerText(header)}\n${bodyHash}`);
}

/**
 * The same event with its body forgotten: `bodyHash` instead of `body` and `salt`; id and signature stay valid.
 * Throws what {@link parseEvent} throws, and `event-grammar` for a claim, whose body others need.
 */
export function pruneEvent(line: Uint8Array | string): string {
  const { event, pruned } = parseEvent(typeof line === "string" ? utf8(line) : line);
  if (pruned) return canonicalize(event);
  const { body, salt, ...rest } = event;
  const hash = bodyHash(body as JsonObject, salt === undefined ? undefined : fromBase64url(salt, SALT_BYTES));
  const line2 = canonicalize({ ...rest, bodyHash: hash });
  parseEvent(utf8(line2));
  return line2;
}

const FIELDS: ReadonlySet<string> = new Set(
  "body bodyHash did epoch id key kind prev proof salt seq sig tags time to type v".split(" "),
);

/** Checks the grammar of every field; the value itself is returned, typed. */
function checkEvent(value: JsonObject): Event {
  const wrong = (field: string, expected: string) => fieldError("event-grammar", field, expected, value[field]);
  if (value.type !== "event") throw wrong("type", '"event"');
  requireVersion1("the event", value.v);
  refuseUnknownFields("event-grammar", value, FIELDS);
  if (typeof value.did !== "string" || !isDid(value.did)) throw wrong("did", "did:ants:<52 characters>");
  if (!isInteger(value.epoch, 1)) throw wrong("epoch", "an integer from 1");
  if (!isInteger(value.seq, 0)) throw wrong("seq", "an integer from 0");
  if (value.seq === 0) {
    if (value.prev !== undefined) throw wrong("prev", "nothing at seq 0");
  } else if (!isText(value.prev, HASH)) throw wrong("prev", "the id of the event before (64 hex digits)");
  if (!isTime(value.time)) throw wrong("time", "milliseconds since 1970 that a Date can hold");
  if (!isText(value.kind, KIND)) throw wrong("kind", "[a-z][a-z0-9.-]{0,63}");
  if (value.to !== undefined && !isList(value.to, MAX_RECIPIENTS, isDidValue)) {
    throw wrong("to", `1 to ${MAX_RECIPIENTS} different DIDs, or no field`);
  }
  if (value.tags !== undefined && !isList(value.tags, MAX_TAGS, isTagValue)) {
    throw wrong("tags", `1 to ${MAX_TAGS} different tags of [A-Za-z0-9._:/@+=#-]{1,64}, or no field`);
  }
  if (!isSignKey(value.key)) throw wrong("key", "the Multikey of an Ed25519 key");
  if (!isText(value.id, HASH)) throw wrong("id", "64 hex digits");
  if (!isText(value.sig, SIGNATURE)) throw wrong("sig", "86 characters of base64url");
  if (value.body === undefined) {
    if (!isText(value.bodyHash, HASH)) throw wrong("bodyHash", "64 hex digits, or a body");
    if (value.salt !== undefined) throw wrong("salt", "nothing beside bodyHash");
  } else {
    if (!isObject(value.body)) throw wrong("body", "an object");
    if (value.bodyHash !== undefined) throw wrong("bodyHash", "nothing beside body");
    if (value.salt !== undefined && !isText(value.salt, BYTES16)) throw wrong("salt", "base64url of 16 bytes");
  }
  if (value.proof !== undefined) checkProof(value.proof);
  if (value.kind === CLAIM_KIND) checkClaim(value);
  return value as unknown as Event;
}

/** A claim is public and keeps its body: whoever judges a chain reads instance and identity from it. */
function checkClaim(value: JsonObject): void {
  const wrong = (field: string, expected: string, got: unknown) =>
    fieldError("event-grammar", field, `${expected} in a claim`, got);
  if (value.to !== undefined) throw wrong("to", "nothing", value.to);
  const body = value.body;
  if (!isObject(body)) throw wrong("body", "a body", value.bodyHash);
  if (!isText(body.instance, HEX16)) throw wrong("body.instance", "16 hex digits", body.instance);
  if (!isText(body.identity, HASH)) throw wrong("body.identity", "an operation's hash", body.identity);
  const label = body.label;
  if (typeof label !== "string" || label.length > MAX_LABEL_LENGTH || LABEL_CONTROL.test(label)) {
    throw wrong("body.label", `at most ${MAX_LABEL_LENGTH} characters of one line`, label);
  }
}

function checkProof(proof: JsonValue): void {
  const wrong = (field: string, expected: string, got: unknown) =>
    fieldError("event-grammar", `proof${field}`, expected, got);
  if (!isObject(proof)) throw wrong("", "an object", proof);
  const { index, size, path } = proof;
  if (!isInteger(size, 2) || size > MAX_BATCH_EVENTS) throw wrong(".size", `2 to ${MAX_BATCH_EVENTS}`, size);
  if (!isInteger(index, 0) || index >= size) throw wrong(".index", `0 to ${size - 1}`, index);
  const hashes = batchPathLength(index, size);
  if (!Array.isArray(path) || path.length !== hashes) throw wrong(".path", `${hashes} hashes`, path);
  for (const hash of path) if (!isText(hash, BYTES32)) throw wrong(".path", "base64url of 32 bytes each", hash);
  for (const name in proof) {
    if (name !== "index" && name !== "size" && name !== "path") throw wrong(`.${name}`, "no such field", proof[name]);
  }
}

/** How many hashes lead from leaf `index` to the root of `size` leaves (RFC 6962: last nodes without a sibling rise). */
function batchPathLength(index: number, size: number): number {
  let hashes = 0;
  for (let last = size - 1; last > 0; index >>= 1, last >>= 1) if ((index & 1) === 1 || index < last) hashes += 1;
  return hashes;
}

/**
 * JCS(header), written directly: no field of a header ever needs an escape (the grammar sees to that), and the key
 * order is fixed. Measured ten times as fast as the general serialiser.
 */
function headerText(h: EventHeader): string {
  const prev = h.prev === undefined ? "" : `,"prev":"${h.prev}"`;
  const tags = h.tags === undefined ? "" : `,"tags":["${h.tags.join('","')}"]`;
  const to = h.to === undefined ? "" : `,"to":["${h.to.join('","')}"]`;
  return `{"did":"${h.did}","epoch":${h.epoch},"key":"${h.key}","kind":"${h.kind}"${prev},"seq":${h.seq}${tags},"time":${h.time}${to},"type":"event","v":1}`;
}

/** base64url of 32 bytes. */
const HASH_CHARACTERS = 43;
const BODY_START = '{"body":'.length;

/**
 * The body's hash from the line itself. `body` sorts first, so its canonical text is what stands between the start
 * and the rest; and the rest's length follows from the header's, since all of it is ASCII.
 */
function bodyHashOfLine(event: Event, header: string, line: Uint8Array): string {
  let rest = header.length + ',"id":""'.length + event.id.length + ',"sig":""'.length + event.sig.length;
  if (event.salt !== undefined) rest += ',"salt":""'.length + event.salt.length;
  if (event.proof !== undefined) rest += ',"proof":'.length + proofLength(event.proof);
  const body = line.subarray(BODY_START, line.length - rest);
  return event.salt === undefined ? sha256Hex(body) : sha256Hex(fromBase64url(event.salt, SALT_BYTES), body);
}

/** Characters of a proof's canonical text. */
function proofLength({ index, size, path }: BatchProof): number {
  const hashes = path.length * '"",'.length + path.length * HASH_CHARACTERS - 1;
  return '{"index":,"path":[],"size":}'.length + String(index).length + String(size).length + hashes;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isDidValue(value: JsonValue): boolean {
  return typeof value === "string" && isDid(value);
}

function isTagValue(value: JsonValue): boolean {
  return isText(value, TAG_LABEL);
}

function isList(value: JsonValue, max: number, isItem: (item: JsonValue) => boolean): boolean {
  if (!Array.isArray(value) || value.length === 0 || value.length > max) return false;
  for (let i = 0; i < value.length; i++) if (!isItem(value[i]!) || value.indexOf(value[i]!) !== i) return false;
  return true;
}

/** A salt as it stands in a line. */
export function encodeSalt(salt: Uint8Array): string {
  return base64url(salt);
}
