import type { JsonObject, JsonValue } from "../canonical.js";
import { AntsError } from "../errors.js";

/** One capability of the agent (an account, an API), and what opens it: the first credential is preferred. */
export interface Secret {
  /** 1 to 8, of different labels, in the order in which they are tried. */
  readonly credentials: readonly Credential[];
}

/** One way to use a capability: a token, a password, a key of one account. */
export interface Credential {
  /** As in {@link CREDENTIAL_LABEL}: "main", "backup" … */
  readonly label: string;
  /** 1 to 4, newest first; the first is in use, older ones are kept for as long as a rotation allows. */
  readonly versions: readonly SecretVersion[];
  /** The service did not take this version: it is passed over until there is a newer one. */
  readonly refused?: Refusal;
}

export interface SecretVersion {
  /** 1, 2, 3 …: never given twice to one label of one name, not even after it was removed. */
  readonly number: number;
  /**
   * 16 random hex digits, drawn with the version: they tell it from a version of the same number that another copy of
   * this vault made. Not derived from the value: this stands in the chain.
   */
  readonly id: string;
  /** When it was put in, by this host's clock; 0 where a vault of version 1 did not say. */
  readonly madeMs: number;
  /** From then on it is refused, by this host's clock. */
  readonly expiresMs?: number;
  /** Never to be used again; its value is erased, so it has no bytes. */
  readonly revoked?: true;
  /** The secret, 0 to 16,384 bytes of any kind. */
  readonly value: Uint8Array;
}

export interface Refusal {
  readonly version: number;
  readonly atMs: number;
  /** Whether the alarm stands in the chain; one that does not is still owed. */
  readonly recorded: boolean;
}

/** Names of secrets: they are listed by commands and become names of variables. */
export const SECRET_NAME = /^[a-z][a-z0-9._-]{0,63}$/;
export const CREDENTIAL_LABEL = /^[a-z][a-z0-9._-]{0,31}$/;
/** A secret is a token, a password or a key, not a document. */
export const MAX_SECRET_BYTES = 16_384;
export const MAX_SECRETS = 256;
/** More accounts for one capability are a pool, which is another thing. */
export const MAX_CREDENTIALS = 8;
/** The one in use, one that a rotation keeps for a while, and revoked ones that the chain does not know about yet. */
export const MAX_VERSIONS = 4;
/** Of all values together: with names and keys, in base64, it stays below what a vault file may have. */
export const MAX_SECRET_BYTES_IN_ALL = 4 * 1024 * 1024;

const VERSION_ID = /^[0-9a-f]{16}$/;

/** All secrets as JSON, values as their sizes. Throws AntsError "vault-content". */
export function secretsToJson(secrets: Readonly<Record<string, Secret>>): JsonObject {
  // Not by assignment: a name "__proto__" would vanish before it is refused.
  const plain: JsonObject = Object.fromEntries(
    sortedNames(secrets).map((name) => [name, secrets[name]!.credentials.map(credentialToJson)]),
  );
  // What is written is what could be read: one set of checks for both.
  secretsFromJson(plain, (size) => new Uint8Array(size));
  return plain;
}

/**
 * The inverse; `take(size)` gives each value's bytes, in the order of {@link secretValues}. Throws AntsError
 * "vault-content".
 */
export function secretsFromJson(
  plain: JsonValue | undefined,
  take: (size: number) => Uint8Array,
): Record<string, Secret> {
  const entries = Object.entries(object(plain, "the secrets"));
  if (entries.length > MAX_SECRETS) throw refused(`expected at most ${MAX_SECRETS} secrets, got ${entries.length}`);
  let left = MAX_SECRET_BYTES_IN_ALL;
  const bounded = (size: number): Uint8Array => {
    left -= size;
    if (left < 0) throw refused(`expected at most ${MAX_SECRET_BYTES_IN_ALL} bytes of secrets in all, got more`);
    return take(size);
  };
  return Object.fromEntries(
    entries.map(([name, credentials]) => {
      if (!SECRET_NAME.test(name)) throw refused(`expected the name of a secret to match ${SECRET_NAME}, got another`);
      const list = listOf(credentials, MAX_CREDENTIALS, `the credentials of ${name}`);
      const parsed = list.map((credential) => credentialFromJson(name, credential, bounded));
      const labels = parsed.map(({ label }) => label);
      if (new Set(labels).size !== labels.length) throw refused(`expected ${name} to have each label once, got two`);
      return [name, { credentials: parsed }];
    }),
  );
}

/** Every value, by name, credential and version, in the order of the format. */
export function secretValues(secrets: Readonly<Record<string, Secret>>): Uint8Array[] {
  return sortedNames(secrets).flatMap((name) =>
    secrets[name]!.credentials.flatMap(({ versions }) => versions.map(({ value }) => value)),
  );
}

/** The secrets of a vault of version 1, which kept one value a name. */
export function secretOfV1(value: Uint8Array): Secret {
  return { credentials: [{ label: "main", versions: [{ number: 1, id: "0".repeat(16), madeMs: 0, value }] }] };
}

function credentialToJson({ label, versions, refused: refusal }: Credential): JsonObject {
  return {
    label,
    ...(refusal === undefined
      ? {}
      : { refused: { atMs: refusal.atMs, recorded: refusal.recorded, version: refusal.version } }),
    versions: versions.map(({ number, id, madeMs, expiresMs, revoked, value }) => ({
      number,
      id,
      madeMs,
      ...(expiresMs === undefined ? {} : { expiresMs }),
      ...(revoked === undefined ? {} : { revoked }),
      size: value.length,
    })),
  };
}

function credentialFromJson(name: string, plain: JsonValue, take: (size: number) => Uint8Array): Credential {
  const { label, versions, refused: refusal, ...rest } = object(plain, `a credential of ${name}`);
  assertNothing(rest);
  if (typeof label !== "string" || !CREDENTIAL_LABEL.test(label)) {
    throw refused(`expected a label of ${name} to match ${CREDENTIAL_LABEL}, got another`);
  }
  const what = `${name} (${label})`;
  const parsed = listOf(versions, MAX_VERSIONS, `the versions of ${what}`).map((version) =>
    versionFromJson(what, version, take),
  );
  if (parsed.some(({ number }, i) => i > 0 && number >= parsed[i - 1]!.number)) {
    throw refused(`expected the versions of ${what} newest first, got another order`);
  }
  return { label, versions: parsed, ...(refusal === undefined ? {} : { refused: refusalFromJson(what, refusal) }) };
}

function versionFromJson(what: string, plain: JsonValue, take: (size: number) => Uint8Array): SecretVersion {
  const { number, id, madeMs, expiresMs, revoked, size, ...rest } = object(plain, `a version of ${what}`);
  assertNothing(rest);
  if (typeof id !== "string" || !VERSION_ID.test(id)) {
    throw refused(`expected the id of a version of ${what} as 16 hex digits, got something else`);
  }
  if (revoked !== undefined && (revoked !== true || size !== 0)) {
    throw refused(`expected a revoked version of ${what} without a value, got one`);
  }
  return {
    number: integer(number, 1, Number.MAX_SAFE_INTEGER, `a number of a version of ${what}`),
    id,
    madeMs: integer(madeMs, 0, Number.MAX_SAFE_INTEGER, `when a version of ${what} was made`),
    ...(expiresMs === undefined
      ? {}
      : { expiresMs: integer(expiresMs, 0, Number.MAX_SAFE_INTEGER, `when a version of ${what} expires`) }),
    ...(revoked === undefined ? {} : { revoked: true }),
    value: take(integer(size, 0, MAX_SECRET_BYTES, `the bytes of the secret ${what}`)),
  };
}

function refusalFromJson(what: string, plain: JsonValue): Refusal {
  const { version, atMs, recorded, ...rest } = object(plain, `the refusal of ${what}`);
  assertNothing(rest);
  if (typeof recorded !== "boolean") throw refused(`expected whether ${what} is recorded as refused, got no answer`);
  return {
    version: integer(version, 1, Number.MAX_SAFE_INTEGER, `the refused version of ${what}`),
    atMs: integer(atMs, 0, Number.MAX_SAFE_INTEGER, `when ${what} was refused`),
    recorded,
  };
}

/** By UTF-16 code units, the order of canonical JSON: names are ASCII. */
function sortedNames(secrets: Readonly<Record<string, Secret>>): string[] {
  return Object.keys(secrets).sort();
}

function object(value: JsonValue | undefined, what: string): JsonObject {
  if (typeof value === "object" && !Array.isArray(value)) return value;
  throw refused(`expected ${what} as an object, got something else`);
}

function listOf(value: JsonValue | undefined, most: number, what: string): JsonValue[] {
  if (Array.isArray(value) && value.length >= 1 && value.length <= most) return value;
  throw refused(`expected ${what} as a list of 1 to ${most}, got something else`);
}

function integer(value: JsonValue | undefined, least: number, most: number, what: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw refused(`expected ${what} as an integer from ${least} to ${most}, got something else`);
}

/** What a reader ignores would be lost with its next write. */
function assertNothing(rest: JsonObject): void {
  const unknown = Object.keys(rest);
  if (unknown.length > 0) throw refused(`expected no further fields, got ${unknown.join(", ")}`);
}

function refused(message: string): AntsError {
  return new AntsError("vault-content", `vault content: ${message}`);
}
