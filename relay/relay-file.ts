import path from "node:path";
import { base64url, fromBase64url, hex } from "../keys/bytes.js";
import { publicKeyFromSeed } from "../keys/ed25519/index.js";
import { AntsError } from "../keys/errors.js";
import { encodeMultikey } from "../keys/multikey.js";
import type { Clock, Disk, Random } from "../keys/ports.js";
import { isStream } from "../src/protocol/cursor.js";

/** The layout of the data folder. */
const FORMAT = 1;
const SEED_BYTES = 32;
const STREAM_BYTES = 8;

/** Who a relay is: what its heads are signed with, and which incarnation of its log it serves. */
export interface RelayIdentity {
  /** 16 hex digits. */
  readonly stream: string;
  /** Streams that this log was before, oldest first. */
  readonly formerStreams: readonly string[];
  /** 32-byte Ed25519 seed of the relay's own key. Never leaves the folder. */
  readonly seed: Uint8Array;
  /** Multikey of its public half. */
  readonly key: string;
  /** Wall clock at the folder's creation, milliseconds since 1970. */
  readonly createdMs: number;
}

/** The file in a data folder that holds the identity; mode 0600. */
export function relayFilePath(folder: string): string {
  return path.join(folder, "relay.json");
}

/** The identity in a data folder; undefined when there is none. Throws "relay-file-damaged", "relay-file-version". */
export async function readRelayFile(disk: Disk, folder: string): Promise<RelayIdentity | undefined> {
  const file = relayFilePath(folder);
  const bytes = await disk.read(file);
  if (bytes === undefined) return undefined;
  const value = parse(file, bytes);
  if (value.v !== FORMAT) {
    throw new AntsError("relay-file-version", `${file} is of format ${String(value.v)}, this relay reads ${FORMAT}`, {
      hint: "run the version of this package that wrote it, or a newer one",
    });
  }
  const { stream, formerStreams = [], seed, createdMs } = value;
  if (!isStream(stream) || !Array.isArray(formerStreams) || !formerStreams.every(isStream)) throw damaged(file);
  if (typeof seed !== "string" || !Number.isSafeInteger(createdMs)) throw damaged(file);
  return identityOf(stream, formerStreams, seedOf(file, seed), createdMs as number);
}

/** A new identity, on disk when resolved. */
export async function createRelayFile(
  disk: Disk,
  folder: string,
  { random, clock }: { readonly random: Random; readonly clock: Clock },
): Promise<RelayIdentity> {
  const identity = identityOf(newStream(random), [], random.bytes(SEED_BYTES), clock.nowMs());
  await write(disk, folder, identity);
  return identity;
}

/** The same relay (same key) with a new stream: what it served before is another history. On disk when resolved. */
export async function startNewStream(
  disk: Disk,
  folder: string,
  { stream, formerStreams, seed, createdMs }: RelayIdentity,
  random: Random,
): Promise<RelayIdentity> {
  const identity = identityOf(newStream(random), [...formerStreams, stream], seed, createdMs);
  await write(disk, folder, identity);
  return identity;
}

function write(disk: Disk, folder: string, identity: RelayIdentity): Promise<void> {
  const { stream, formerStreams, seed, createdMs } = identity;
  const value = { v: FORMAT, stream, formerStreams, seed: base64url(seed), createdMs };
  return disk.replace(relayFilePath(folder), Buffer.from(`${JSON.stringify(value)}\n`), { mode: 0o600 });
}

function identityOf(
  stream: string,
  formerStreams: readonly string[],
  seed: Uint8Array,
  createdMs: number,
): RelayIdentity {
  return { stream, formerStreams, seed, key: encodeMultikey(publicKeyFromSeed(seed)), createdMs };
}

function newStream(random: Random): string {
  return hex(random.bytes(STREAM_BYTES));
}

function parse(file: string, bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below, as any other content that makes no sense; the text itself holds a key and is not shown.
  }
  throw damaged(file);
}

function seedOf(file: string, text: string): Uint8Array {
  try {
    return fromBase64url(text, SEED_BYTES);
  } catch {
    throw damaged(file);
  }
}

function damaged(file: string): AntsError {
  return new AntsError("relay-file-damaged", `${file} cannot be read: it holds the relay's key and stream`, {
    hint: "restore it from a copy of the data folder: without it nobody can tell that this is the same relay",
  });
}
