import type { JsonObject, JsonValue } from "../canonical.js";
import { isDid } from "../did.js";
import { AntsError } from "../errors.js";
import { decodeMultikey, type KeyType } from "../multikey.js";
import { isHandle } from "./handle.js";
import { isRelayUrl } from "./relay-url.js";
import type { IdentityOperation } from "./shape.js";

/** Heads that one update may settle. More branches than that are a stolen key's work: only a rotate helps. */
export const MAX_OVER = 16;

const HASH = /^[0-9a-f]{64}$/;
const STREAM = /^[0-9a-f]{16}$/;
const SIGNATURE = /^[A-Za-z0-9_-]{86}$/;
const SERVICE_NAME = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
/** The characters of RFC 3986, after a scheme. */
const ENDPOINT = /^[a-z][a-z0-9+.-]{0,31}:[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=%-]{1,1000}$/;

const CONTENT_FIELDS = ["keys", "recovery", "escrow", "relays", "faults", "handles", "services"];
const GENESIS_FIELDS = ["type", "v", "op", "n", ...CONTENT_FIELDS, "time", "sigs"];
const SUCCESSOR_FIELDS = [...GENESIS_FIELDS, "did", "prev"];
const CLOSING_FIELDS = [...SUCCESSOR_FIELDS, "reveal"];

/** The fields of each kind: all that must be there, and all that may. */
const FIELDS: Readonly<Record<string, { required: readonly string[]; optional: readonly string[] }>> = {
  genesis: { required: GENESIS_FIELDS, optional: [] },
  update: { required: SUCCESSOR_FIELDS, optional: ["over"] },
  rotate: { required: CLOSING_FIELDS, optional: ["anchor"] },
  deactivate: { required: CLOSING_FIELDS, optional: ["anchor"] },
};

/**
 * The grammar of one operation: exactly the fields of its kind, each well formed, lists without duplicates, `sigs`
 * sorted by key. Returns the same object, typed. Hashes, signatures and authority are judged elsewhere.
 * Throws AntsError "identity-grammar", whose details name the `field`.
 */
export function readOperation(value: JsonObject): IdentityOperation {
  const kind = value.op;
  const fields = typeof kind === "string" && Object.hasOwn(FIELDS, kind) ? FIELDS[kind]! : undefined;
  if (fields === undefined) throw malformed("op", "genesis, update, rotate or deactivate", kind);
  checkFields("operation", value, fields.required, fields.optional);
  check(value.type === "identity", "type", '"identity"', value.type);
  check(value.v === 1, "v", "1", value.v);
  checkInteger("n", value.n, kind === "genesis" ? 0 : 1);
  check(kind !== "genesis" || value.n === 0, "n", "0 in a genesis", value.n);
  checkInteger("time", value.time, 0);
  checkContent(value, kind === "deactivate");
  if (kind !== "genesis") {
    check(isDid(value.did), "did", "a did:ants", value.did);
    checkHash("prev", value.prev);
  }
  if (value.reveal !== undefined) checkList("reveal", value.reveal, 1, (item, at) => checkKey(at, item, "ed25519"));
  if (value.anchor !== undefined) checkAnchor(value.anchor);
  if (value.over !== undefined) checkOver(value.over, value.prev);
  checkSignatures(value.sigs);
  return value as unknown as IdentityOperation;
}

/** A deactivate leaves no key behind: both lists are empty and the threshold is 0. Everywhere else they have members. */
function checkContent(value: JsonObject, ends: boolean): void {
  const keys = checkFields("keys", value.keys, ["sign", "agree"]);
  const sign = checkList("keys.sign", keys.sign, ends ? 0 : 1, (item, at) => checkKey(at, item, "ed25519"));
  check(!ends || sign.length === 0, "keys.sign", "[] in a deactivate", sign);
  checkKey("keys.agree", keys.agree, "x25519");

  const recovery = checkFields("recovery", value.recovery, ["commit", "threshold"]);
  const commit = checkList("recovery.commit", recovery.commit, ends ? 0 : 1, (item, at) => checkHash(at, item));
  check(!ends || commit.length === 0, "recovery.commit", "[] in a deactivate", commit);
  checkInteger("recovery.threshold", recovery.threshold, ends ? 0 : 1, commit.length);
  checkKey("escrow", value.escrow, "x25519");

  checkRelays(value.relays, value.faults);
  checkList("handles", value.handles, 0, (item, at) => {
    check(isHandle(item), at, "name@host or a domain name, in lower case", item);
    return item as string;
  });
  checkList("services", value.services, 0, (item, at) => {
    const service = checkFields(at, item, ["id", "type", "endpoint"]);
    for (const name of ["id", "type"])
      checkText(`${at}.${name}`, service[name], SERVICE_NAME, "a letter and up to 63 of A–Z a–z 0–9 . _ -");
    checkText(`${at}.endpoint`, service.endpoint, ENDPOINT, "a URI");
    return service.id as string;
  });
}

function checkRelays(value: JsonValue | undefined, faults: JsonValue | undefined): void {
  const streams = new Set<string>();
  const relays = checkList("relays", value, 0, (item, at) => {
    const relay = checkFields(at, item, ["url", "stream"]);
    check(
      isRelayUrl(relay.url),
      `${at}.url`,
      "the URL of a relay in its one spelling, like wss://relay.example",
      relay.url,
    );
    checkText(`${at}.stream`, relay.stream, STREAM, "16 hexadecimal digits");
    // One relay under two addresses would count twice in a quorum.
    check(!streams.has(relay.stream as string), `${at}.stream`, "a stream that is not in the list yet", relay.stream);
    streams.add(relay.stream as string);
    return relay.url as string;
  });
  checkInteger("faults", faults, 0);
  const liars = faults as number;
  check(
    liars === 0 || relays.length >= 3 * liars + 1,
    "faults",
    "at least 3 relays and 1 more for each that may lie",
    faults,
  );
}

function checkAnchor(value: JsonValue): void {
  const anchor = checkFields("anchor", value, ["epoch", "seq", "id"]);
  checkInteger("anchor.epoch", anchor.epoch, 1);
  checkInteger("anchor.seq", anchor.seq, 0);
  checkHash("anchor.id", anchor.id);
}

function checkOver(value: JsonValue, prev: JsonValue | undefined): void {
  const heads = checkList("over", value, 1, (item, at) => checkHash(at, item));
  check(heads.length <= MAX_OVER, "over", `at most ${MAX_OVER} heads`, heads.length);
  check(!heads.includes(prev as string), "over", "heads of other branches, not the parent", prev);
}

function checkSignatures(value: JsonValue | undefined): void {
  let previous = "";
  checkList("sigs", value, 1, (item, at) => {
    const entry = checkFields(at, item, ["key", "sig"]);
    const key = checkKey(`${at}.key`, entry.key, "ed25519");
    checkText(`${at}.sig`, entry.sig, SIGNATURE, "86 base64url digits");
    check(key > previous, "sigs", "sorted by key", key);
    previous = key;
    return key;
  });
}

/** An object with all `required` fields and no others than those and the `optional` ones. */
function checkFields(
  field: string,
  value: JsonValue | undefined,
  required: readonly string[],
  optional: readonly string[] = [],
): JsonObject {
  if (typeof value !== "object" || Array.isArray(value)) throw malformed(field, "an object", value);
  for (const name of required) check(Object.hasOwn(value, name), `${field}.${name}`, "it to be there", "nothing");
  for (const name of Object.keys(value)) {
    check(required.includes(name) || optional.includes(name), `${field}.${name}`, "no such field here", value[name]);
  }
  return value;
}

/** A list of at least `minLength`; `read` checks an item and returns what must differ between items. Returns those. */
function checkList(
  field: string,
  value: JsonValue | undefined,
  minLength: number,
  read: (item: JsonValue, at: string) => string,
): string[] {
  if (!Array.isArray(value)) throw malformed(field, "a list", value);
  check(value.length >= minLength, field, `a list of at least ${minLength}`, value);
  const names = new Set<string>();
  for (const [i, item] of value.entries()) {
    const name = read(item, `${field}[${i}]`);
    check(!names.has(name), `${field}[${i}]`, "no duplicate", name);
    names.add(name);
  }
  return [...names];
}

function checkInteger(
  field: string,
  value: JsonValue | undefined,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): void {
  const fits = typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most;
  check(fits, field, `an integer from ${least} to ${most}`, value);
}

function checkText(field: string, value: JsonValue | undefined, pattern: RegExp, expected: string): void {
  check(typeof value === "string" && pattern.test(value), field, expected, value);
}

function checkHash(field: string, value: JsonValue | undefined): string {
  checkText(field, value, HASH, "64 hexadecimal digits");
  return value as string;
}

function checkKey(field: string, value: JsonValue | undefined, type: KeyType): string {
  let found: KeyType | undefined;
  try {
    found = typeof value === "string" ? decodeMultikey(value).type : undefined;
  } catch {
    found = undefined;
  }
  check(found === type, field, `the Multikey of an ${type} key`, value);
  return value as string;
}

function check(holds: boolean, field: string, expected: string, got: unknown): void {
  if (!holds) throw malformed(field, expected, got);
}

function malformed(field: string, expected: string, got: unknown): AntsError {
  const shown = JSON.stringify(got)?.slice(0, 80) ?? "nothing";
  return new AntsError("identity-grammar", `${field}: expected ${expected}, got ${shown}`, { details: { field } });
}
