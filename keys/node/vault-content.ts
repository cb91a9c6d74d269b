import { concat, utf8, zero } from "../bytes.js";
import { canonicalize, type JsonObject, type JsonValue, parseCanonicalObject } from "../canonical.js";
import { assertDid, type Did } from "../did.js";
import { AntsError } from "../errors.js";
import { MAX_OPERATION_BYTES } from "../limits.js";
import { decodeMultikey } from "../multikey.js";
import {
  MAX_SECRET_BYTES,
  type Secret,
  secretOfV1,
  secretsFromJson,
  secretsToJson,
  secretValues,
} from "./vault-secrets.js";

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
  /** What former keys still open, newest first, at most 64: messages and private bodies outlive the keys of their era. */
  readonly earlier: readonly EarlierKeys[];
  /** A rotation under way: its keys are on disk before anybody hears of them. */
  readonly next?: NextKeys;
  /**
   * The public half of the phrase's backup key, an X25519 Multikey: whom backups are encrypted to. No secret; it stands
   * here because nobody can change it here. Absent in vaults from before there were backups.
   */
  readonly backup?: string;
  /** What the agent uses elsewhere (tokens, passwords), by name as in SECRET_NAME. */
  readonly secrets: Readonly<Record<string, Secret>>;
}

export interface HighWater {
  readonly epoch: number;
  readonly seq: number;
  /** event id, 64 lower-case hex */
  readonly id: string;
}

/** Keys that only read: 32 bytes each. A sign key is never kept beyond its era. */
export interface EarlierKeys {
  readonly agreeSecret: Uint8Array;
  readonly stateKey: Uint8Array;
}

export interface NextKeys {
  /** 32 bytes each, as in the content. */
  readonly signSeed: Uint8Array;
  readonly agreeSecret: Uint8Array;
  readonly stateKey: Uint8Array;
  /** The canonical line of the operation that makes these keys live; public; at most 8 KiB in UTF-8. */
  readonly operation: string;
}

/** A content without a backup recipient is of the version before, so that an older ants reads what it can. */
const VERSION = 3;
const VERSION_WITHOUT_BACKUP = 2;
const SECRET_KEY_BYTES = 32;
/** Rotations are rare; the 65th oldest era can be read from a backup. */
export const MAX_EARLIER_KEYS = 64;
/** The line before the bytes: 256 names with 8 credentials of 4 versions each fit. */
const MAX_HEAD_BYTES = 1_536 * 1024;

/**
 * The plain text of a vault: one canonical JSON line
 *   {"backup"?,"did","earlier": count,"highWater"?,"next"?:{"operation"},"secrets":{name: [credential with sizes]},"v"}
 * and, after its newline, sign seed, agree secret, state key; agree secret and state key of each earlier era; sign seed,
 * agree secret and state key of `next`; the values of the secrets by name, credential and version. `v` is 3 with a
 * `backup` and 2 without. Throws AntsError "vault-content" for what does not fit the format.
 */
export function encodeVaultContent(content: VaultContent): Uint8Array {
  const { did, highWater, earlier, next, backup, secrets } = content;
  assertDid(did);
  const keys = keyArrays(content);
  if (keys.some((key) => key.length !== SECRET_KEY_BYTES)) {
    throw refused(`expected keys of ${SECRET_KEY_BYTES} bytes, got ${keys.map((key) => key.length).join(", ")}`);
  }
  const head: JsonObject = {
    ...(backup === undefined ? {} : { backup: checkBackup(backup) }),
    did,
    earlier: checkEarlier(earlier.length),
    ...(highWater === undefined ? {} : { highWater: plainHighWater(highWater) }),
    ...(next === undefined ? {} : { next: { operation: checkOperation(next.operation) } }),
    secrets: secretsToJson(secrets),
    v: backup === undefined ? VERSION_WITHOUT_BACKUP : VERSION,
  };
  return concat(utf8(`${canonicalize(head)}\n`), ...keys, ...secretValues(secrets));
}

/**
 * The inverse, also of version 1, which had one value a name and no keys but the present ones. The arrays are copies.
 * Overwrites `plain`. Throws AntsError "vault-content".
 */
export function decodeVaultContent(plain: Uint8Array): VaultContent {
  const copies: Uint8Array[] = [];
  try {
    const end = plain.indexOf(0x0a);
    if (end < 0) throw refused("expected a line of JSON first, got none");
    const head = parseCanonicalObject(plain.subarray(0, end), { maxBytes: MAX_HEAD_BYTES });
    let at = end + 1;
    const take = (size: number): Uint8Array => {
      at += size;
      const copy = new Uint8Array(plain.subarray(at - size, at));
      copies.push(copy);
      return copy;
    };
    const content = head.v === 1 ? decodeV1(head, take) : decodeLater(head, take);
    if (at !== plain.length) throw refused(`expected ${at} bytes, got ${plain.length}`);
    return content;
  } catch (error) {
    zero(...copies);
    throw error;
  } finally {
    zero(plain);
  }
}

/** Every array of a content that holds a secret. */
export function secretArrays(content: VaultContent): Uint8Array[] {
  return [...keyArrays(content), ...secretValues(content.secrets)];
}

/** In the order of the format. */
function keyArrays({ signSeed, agreeSecret, stateKey, earlier, next }: VaultContent): Uint8Array[] {
  return [
    ...[signSeed, agreeSecret, stateKey],
    ...earlier.flatMap((keys) => [keys.agreeSecret, keys.stateKey]),
    ...(next === undefined ? [] : [next.signSeed, next.agreeSecret, next.stateKey]),
  ];
}

type Take = (size: number) => Uint8Array;

/** Versions 2 and 3: the latter has a backup recipient. */
function decodeLater(head: JsonObject, take: Take): VaultContent {
  if (head.v !== VERSION && head.v !== VERSION_WITHOUT_BACKUP) {
    throw new AntsError(
      "vault-content",
      `vault content: expected version 1 to ${VERSION}, got ${JSON.stringify(head.v)}`,
      { hint: "it was written by a newer ants: update this one" },
    );
  }
  const { backup, did, earlier, highWater, next, secrets, v, ...rest } = head;
  if ((backup === undefined) !== (v === VERSION_WITHOUT_BACKUP)) {
    throw refused(`expected a backup recipient in version ${VERSION} and in no other, got version ${String(v)}`);
  }
  const unknown = Object.keys(rest);
  if (unknown.length > 0) throw refused(`expected no further fields, got ${unknown.join(", ")}`);
  const present = presentKeys(did, highWater, take);
  const older: EarlierKeys[] = [];
  for (let left = checkEarlier(earlier); left > 0; left--) older.push({ agreeSecret: key(take), stateKey: key(take) });
  return {
    ...present,
    earlier: older,
    ...(next === undefined ? {} : { next: decodeNext(next, take) }),
    ...(backup === undefined ? {} : { backup: checkBackup(backup) }),
    secrets: secretsFromJson(secrets, take),
  };
}

function decodeNext(next: JsonValue, take: Take): NextKeys {
  if (typeof next !== "object" || Array.isArray(next) || Object.keys(next).join() !== "operation") {
    throw refused("expected next to be {operation}, got something else");
  }
  const operation = checkOperation(next.operation);
  return { signSeed: key(take), agreeSecret: key(take), stateKey: key(take), operation };
}

/** {"did","highWater"?,"secrets":{name: size},"v":1}, the three keys, the values in the order of their names. */
function decodeV1({ did, highWater, secrets }: JsonObject, take: Take): VaultContent {
  const present = presentKeys(did, highWater, take);
  if (typeof secrets !== "object" || Array.isArray(secrets))
    throw refused("expected the sizes of the secrets, got none");
  const entries = Object.entries(secrets).map(([name, size]) => {
    if (typeof size !== "number" || size < 0 || size > MAX_SECRET_BYTES) {
      throw refused(`expected a secret of at most ${MAX_SECRET_BYTES} bytes, got another`);
    }
    return [name, secretOfV1(take(size))] as const;
  });
  const old = Object.fromEntries(entries);
  secretsToJson(old);
  return { ...present, earlier: [], secrets: old };
}

type PresentKeys = Pick<VaultContent, "did" | "signSeed" | "agreeSecret" | "stateKey" | "highWater">;

function presentKeys(did: JsonValue | undefined, highWater: JsonValue | undefined, take: Take): PresentKeys {
  if (typeof did !== "string") throw refused("expected a DID, got something else");
  assertDid(did);
  return {
    did,
    signSeed: key(take),
    agreeSecret: key(take),
    stateKey: key(take),
    ...(highWater === undefined ? {} : { highWater: parseHighWater(highWater) }),
  };
}

function key(take: Take): Uint8Array {
  const bytes = take(SECRET_KEY_BYTES);
  if (bytes.length !== SECRET_KEY_BYTES) throw refused("expected the bytes of all keys, got less");
  return bytes;
}

function checkEarlier(count: JsonValue | undefined): number {
  if (typeof count === "number" && count >= 0 && count <= MAX_EARLIER_KEYS) return count;
  throw refused(`expected the keys of at most ${MAX_EARLIER_KEYS} earlier eras, got ${JSON.stringify(count)}`);
}

function checkBackup(recipient: JsonValue): string {
  if (typeof recipient === "string" && isAgreementMultikey(recipient)) return recipient;
  throw refused("expected the backup recipient to be an X25519 Multikey, got something else");
}

function isAgreementMultikey(text: string): boolean {
  try {
    return decodeMultikey(text).type === "x25519";
  } catch {
    return false;
  }
}

function checkOperation(operation: JsonValue | undefined): string {
  if (typeof operation === "string" && operation !== "" && utf8(operation).length <= MAX_OPERATION_BYTES)
    return operation;
  throw refused(`expected the line of an operation of at most ${MAX_OPERATION_BYTES} bytes, got something else`);
}

/** Throws AntsError "vault-content" for anything but {epoch, seq, id}. */
export function parseHighWater(value: unknown): HighWater {
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
