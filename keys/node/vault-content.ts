import { concat, utf8, zero } from "../bytes.js";
import { canonicalize, type JsonObject, type JsonValue, parseCanonicalObject } from "../canonical.js";
import { assertDid, type Did } from "../did.js";
import { AntsError } from "../errors.js";

/** What a vault keeps secret. All arrays are plain bytes, so that they can be overwritten: no secret is ever a string. */
export interface VaultContent {
  readonly did: Did;
  /** Ed25519 seed of the sign key, 32 bytes. */
  readonly signSeed: Uint8Array;
  /** X25519 secret of the agree key, 32 bytes. */
  readonly agreeSecret: Uint8Array;
  /** Key of private bodies, 32 bytes. */
  readonly stateKey: Uint8Array;
  /** The last event this agent is known to have written: a home that knows less is an old copy. */
  readonly highWater?: HighWater;
  /** Named secrets of the agent's owner (tokens, passwords); names as in {@link SECRET_NAME}. */
  readonly secrets: Readonly<Record<string, Uint8Array>>;
}

export interface HighWater {
  readonly epoch: number;
  readonly seq: number;
  /** event id, 64 lower-case hex */
  readonly id: string;
}

const SECRET_KEY_BYTES = 32;
/** Names of secrets: they are listed by commands and become names of variables. */
export const SECRET_NAME = /^[a-z][a-z0-9._-]{0,63}$/;
/** A secret is a token, a password or a key, not a document. */
export const MAX_SECRET_BYTES = 16_384;
export const MAX_SECRETS = 256;

/**
 * The plain text of a vault: one canonical JSON line {"did","highWater"?,"secrets":{name: size},"v":1} and, after its
 * newline, sign seed, agree secret, state key and the secrets in the order of their names. Throws AntsError
 * "vault-content" for what does not fit the format.
 */
export function encodeVaultContent(content: VaultContent): Uint8Array {
  assertDid(content.did);
  const keys = [content.signSeed, content.agreeSecret, content.stateKey];
  if (keys.some((key) => key.length !== SECRET_KEY_BYTES)) {
    throw refused(`expected signSeed, agreeSecret and stateKey of 32 bytes, got ${keys.map((key) => key.length)}`);
  }
  const names = Object.keys(content.secrets).sort();
  const sizes = checkSecrets(names.map((name) => [name, content.secrets[name]!.length]));
  const head: JsonObject = {
    did: content.did,
    ...(content.highWater === undefined ? {} : { highWater: plainHighWater(content.highWater) }),
    secrets: Object.fromEntries(sizes),
    v: 1,
  };
  return concat(utf8(`${canonicalize(head)}\n`), ...keys, ...names.map((name) => content.secrets[name]!));
}

/** The inverse; the arrays are copies. Overwrites `plain`. Throws AntsError "vault-content". */
export function decodeVaultContent(plain: Uint8Array): VaultContent {
  try {
    const end = plain.indexOf(0x0a);
    if (end < 0) throw refused("expected a line of JSON first, got none");
    const head = parseCanonicalObject(plain.subarray(0, end));
    if (head.v !== 1) throw refused(`expected content of version 1, got ${JSON.stringify(head.v)}`);
    const { did, highWater, secrets } = head;
    if (typeof did !== "string" || typeof secrets !== "object" || Array.isArray(secrets)) {
      throw refused("expected a DID and the sizes of the secrets, got something else");
    }
    assertDid(did);
    const sizes = checkSecrets(Object.entries(secrets));
    let at = end + 1;
    const take = (size: number): Uint8Array => {
      at += size;
      return new Uint8Array(plain.subarray(at - size, at));
    };
    const content: VaultContent = {
      did,
      signSeed: take(SECRET_KEY_BYTES),
      agreeSecret: take(SECRET_KEY_BYTES),
      stateKey: take(SECRET_KEY_BYTES),
      ...(highWater === undefined ? {} : { highWater: parseHighWater(highWater) }),
      secrets: Object.fromEntries(sizes.map(([name, size]) => [name, take(size)])),
    };
    if (at !== plain.length) throw refused(`expected ${at} bytes, got ${plain.length}`);
    return content;
  } finally {
    zero(plain);
  }
}

/** Every array of a content that holds a secret. */
export function secretArrays(content: VaultContent): Uint8Array[] {
  return [content.signSeed, content.agreeSecret, content.stateKey, ...Object.values(content.secrets)];
}

/** Names and sizes as they came, checked. */
function checkSecrets(sizes: readonly (readonly [string, JsonValue])[]): [string, number][] {
  if (sizes.length > MAX_SECRETS) throw refused(`expected at most ${MAX_SECRETS} secrets, got ${sizes.length}`);
  return sizes.map(([name, size]) => {
    if (!SECRET_NAME.test(name)) throw refused(`expected the name of a secret to match ${SECRET_NAME}, got another`);
    if (typeof size !== "number" || size < 0 || size > MAX_SECRET_BYTES) {
      throw refused(`expected the secret ${name} to have at most ${MAX_SECRET_BYTES} bytes, got ${size}`);
    }
    return [name, size];
  });
}

function parseHighWater(value: unknown): HighWater {
  const mark = value as Partial<HighWater>;
  const ok =
    typeof value === "object" &&
    value !== null &&
    Object.keys(value).length === 3 &&
    Number.isSafeInteger(mark.epoch) &&
    mark.epoch! >= 1 &&
    Number.isSafeInteger(mark.seq) &&
    mark.seq! >= 0 &&
    typeof mark.id === "string" &&
    /^[0-9a-f]{64}$/.test(mark.id);
  if (!ok) throw refused("expected highWater to be {epoch, seq, id}, got something else");
  return mark as HighWater;
}

function plainHighWater(mark: HighWater): JsonObject {
  const { epoch, seq, id } = parseHighWater({ epoch: mark.epoch, seq: mark.seq, id: mark.id });
  return { epoch, seq, id };
}

function refused(message: string): AntsError {
  return new AntsError("vault-content", `vault content: ${message}`);
}
