import type { JsonObject, JsonValue } from "../../../keys/canonical.js";
import { type Did, isDid } from "../../../keys/did.js";
import { AntsError } from "../../../keys/errors.js";
import { readSignedLine, signedLine } from "../../../keys/signed-line.js";
import { TAG_BYTES } from "../../../keys/tags.js";
import type { ChainHead } from "../../protocol/event.js";
import { type BackupTier, parseArchiveName } from "./archive-name.js";

/** The first member of every archive. */
export const MANIFEST_NAME = "manifest.json";
/** What the members of the home are called: `home/<path>`. */
export const HOME_PREFIX = "home/";
/** The second member, next to the manifest: who may sign for this DID is read before anything else is believed. */
export const IDENTITY_PATH = ".ants/identity.ndjson";
/** Two hundred bytes a file: a home of 300,000 files. */
export const MAX_MANIFEST_BYTES = 64 * 2 ** 20;
/** 1,000 updates an era of 8 KiB each, and several eras. */
export const MAX_IDENTITY_BYTES = 64 * 2 ** 20;
export const MAX_PATH_BYTES = 4096;

export interface ManifestFile {
  /** Relative to the home, with "/" between its parts. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Of the bytes in the archive, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Permission bits. */
  readonly mode: number;
}

export interface ManifestFolder {
  readonly path: string;
  readonly mode: number;
}

/** A symbolic link that stays within the home. */
export interface ManifestLink {
  readonly path: string;
  readonly target: string;
}

/** What the home has and the archive has not. */
export interface Excluded {
  readonly path: string;
  readonly why: string;
}

/** What an archive says of itself; signed with the agent's key under the tag `ants/backup/1`. */
export interface BackupManifest {
  readonly did: Did;
  /** `move`: made to be taken to another host, by `ants migrate out`. */
  readonly tier: BackupTier | "move";
  /** Milliseconds since 1970, by the host's clock. */
  readonly timeMs: number;
  /** Of the chain in the archive; absent where it has no event. */
  readonly head?: ChainHead;
  /** The hash of the newest identity operation in the archive. */
  readonly identity: string;
  /** What the agent's instances are called, for people. */
  readonly label: string;
  /** In the order in which they are in the archive: the identity log, then by path. */
  readonly files: readonly ManifestFile[];
  /** Every folder of the home but the home itself, each after the one that it is in. */
  readonly folders: readonly ManifestFolder[];
  readonly links: readonly ManifestLink[];
  /** `age1…`: who can open it, if it was not encrypted anew since (ants backup rewrap). */
  readonly recipients: readonly string[];
  readonly excluded: readonly Excluded[];
}

/** A manifest that was read. Whether `key` may sign for `did` is in the identity log beside it. */
export interface ReadManifest {
  readonly manifest: BackupManifest;
  /** Multikey. */
  readonly key: string;
}

/** The line of a manifest, with its newline. `signSeed`: 32 bytes. */
export function encodeManifest(manifest: BackupManifest, signSeed: Uint8Array): Uint8Array {
  const { timeMs, head, files, folders, links, excluded, recipients, ...rest } = manifest;
  const statement: JsonObject = {
    ...rest,
    type: "backup",
    v: 1,
    time: timeMs,
    ...(head === undefined ? {} : { head: { epoch: head.epoch, seq: head.seq, id: head.id } }),
    files: files.map(({ path, size, sha256, mode }) => ({ path, size, sha256, mode })),
    folders: folders.map(({ path, mode }) => ({ path, mode })),
    links: links.map(({ path, target }) => ({ path, target })),
    excluded: excluded.map(({ path, why }) => ({ path, why })),
    recipients: [...recipients],
  };
  return signedLine(TAG_BYTES.backup, statement, signSeed);
}

/** Throws AntsError "backup-damaged" for anything but a manifest that is signed by the key that it names. */
export function parseManifest(bytes: Uint8Array): ReadManifest {
  const line = readSignedLine(TAG_BYTES.backup, bytes, MAX_MANIFEST_BYTES);
  if (line === undefined) throw damaged("its manifest is no signed line of canonical JSON");
  if (!line.isSigned) throw damaged("the signature of its manifest does not verify");
  const { statement, key } = line;
  if (statement.type !== "backup") throw damaged(`its manifest is of the type ${JSON.stringify(statement.type)}`);
  if (statement.v !== 1) {
    throw new AntsError("backup-version", `expected an archive of version 1, got ${JSON.stringify(statement.v)}`, {
      hint: "it was written by a newer ants: update this one; age and tar open it as well",
    });
  }
  const manifest: BackupManifest = {
    did: is(statement.did, isDid, "did"),
    tier: is(statement.tier, isTier, "tier"),
    timeMs: is(statement.time, isCount, "time"),
    ...(statement.head === undefined ? {} : { head: is(statement.head, isHead, "head") }),
    identity: is(statement.identity, isHash, "identity"),
    label: is(statement.label, isString, "label"),
    files: is(statement.files, listOf(isFile), "files"),
    folders: is(statement.folders, listOf(isFolder), "folders"),
    links: is(statement.links, listOf(isLink), "links"),
    recipients: is(statement.recipients, listOf(isString), "recipients"),
    excluded: is(statement.excluded, listOf(isExcluded), "excluded"),
  };
  requireDistinctPaths(manifest);
  return { manifest, key };
}

/**
 * A path that may be unpacked: relative, without ".", ".." and empty parts, without a zero byte or a backslash at whose
 * sight programs disagree about what is a part.
 */
export function isSafePath(path: unknown): path is string {
  if (typeof path !== "string" || path === "" || path.length > MAX_PATH_BYTES || path.includes("\0")) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/**
 * A link's target that leads nowhere outside the home: first upwards by "..", but not above the home, then downwards
 * only. A ".." after a name is refused, since the name may be a link itself, and then leads up from somewhere else.
 */
export function staysInside(path: string, target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0") || target.length > MAX_PATH_BYTES) return false;
  let depth = path.split("/").length - 1;
  let hasName = false;
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") hasName = true;
    else if (hasName || depth === 0) return false;
    else depth -= 1;
  }
  return true;
}

/** AntsError "backup-damaged": this archive is not what its maker wrote. */
export function damaged(why: string, cause?: unknown): AntsError {
  return new AntsError("backup-damaged", `this archive is damaged: ${why}`, {
    hint: "take another one: ants backup list; then find out what happened to this one's storage",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * An archive's name is outside its encryption, so whoever keeps it can give it another one's: what was made a year ago
 * would be the newest. Throws "backup-damaged" where name and manifest differ; other names say nothing.
 */
export function requireNamed(name: string, { tier, timeMs }: Pick<BackupManifest, "tier" | "timeMs">): void {
  const named = parseArchiveName(name);
  if (named === undefined) return;
  if (tier !== named.tier) throw damaged(`it is a ${tier} one by its manifest, whatever its name says`);
  if (Math.floor(timeMs / 1000) * 1000 !== named.timeMs)
    throw damaged(`by its manifest it was made at ${new Date(timeMs).toISOString()}, whatever its name says`);
}

function requireDistinctPaths({ files, folders, links }: BackupManifest): void {
  const seen = new Set<string>();
  for (const { path } of [...files, ...folders, ...links]) {
    if (seen.has(path)) throw damaged(`its manifest names ${path} twice`);
    seen.add(path);
  }
  // Nothing may lie within a file or a link: the latter could lead what is unpacked after it elsewhere.
  const closed = new Set([...files, ...links].map(({ path }) => path));
  for (const path of seen) {
    for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/", cut - 1)) {
      const parent = path.slice(0, cut);
      if (closed.has(parent)) throw damaged(`its manifest has ${path} within ${parent}, which is no folder`);
    }
  }
}

function is<T>(value: JsonValue | undefined, guard: (value: never) => boolean, field: string): T {
  if (value !== undefined && guard(value as never)) return value as T;
  throw damaged(`its manifest has no usable ${field}`);
}

function listOf(guard: (value: JsonValue) => boolean) {
  return (value: JsonValue): boolean => Array.isArray(value) && value.every(guard);
}

function isString(value: JsonValue): value is string {
  return typeof value === "string";
}

function isCount(value: JsonValue): value is number {
  return typeof value === "number" && value >= 0;
}

function isMode(value: JsonValue): boolean {
  return isCount(value) && value <= 0o777;
}

function isHash(value: JsonValue): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

function isTier(value: JsonValue): boolean {
  return value === "hot" || value === "cold" || value === "move";
}

function isHead(value: JsonValue): boolean {
  const fields = fieldsOf(value, "epoch,id,seq");
  return fields !== undefined && isCount(fields.epoch!) && isCount(fields.seq!) && isHash(fields.id!);
}

function isFile(value: JsonValue): boolean {
  const fields = fieldsOf(value, "mode,path,sha256,size");
  return (
    fields !== undefined &&
    isSafePath(fields.path) &&
    isCount(fields.size!) &&
    isHash(fields.sha256!) &&
    isMode(fields.mode!)
  );
}

function isFolder(value: JsonValue): boolean {
  const fields = fieldsOf(value, "mode,path");
  return fields !== undefined && isSafePath(fields.path) && isMode(fields.mode!);
}

function isLink(value: JsonValue): boolean {
  const fields = fieldsOf(value, "path,target");
  return (
    fields !== undefined &&
    isSafePath(fields.path) &&
    isString(fields.target!) &&
    staysInside(fields.path, fields.target)
  );
}

function isExcluded(value: JsonValue): boolean {
  const fields = fieldsOf(value, "path,why");
  return fields !== undefined && isString(fields.path!) && isString(fields.why!);
}

/** The fields of an object that has exactly these, sorted. */
function fieldsOf(value: JsonValue, names: string): JsonObject | undefined {
  if (typeof value !== "object" || Array.isArray(value)) return undefined;
  return Object.keys(value).sort().join() === names ? value : undefined;
}
