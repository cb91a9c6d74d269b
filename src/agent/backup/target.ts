import { AntsError } from "../../../keys/errors.js";
import type { Clock, Random } from "../../../keys/ports.js";
import type { ArchiveName } from "./archive-name.js";
import { openFolder } from "./folder-target.js";
import { openS3, type S3Place } from "./s3-target.js";
import { openSsh, type SshPlace } from "./ssh-target.js";

/** An archive at a target. */
export interface StoredArchive extends ArchiveName {
  /** Bytes. */
  readonly size: number;
}

/** The bytes of an archive on their way to a target; `bytes` can be called again for another try. */
export interface Upload {
  readonly size: number;
  /** Of the bytes, 64 hexadecimal digits. */
  readonly sha256: string;
  bytes(): AsyncIterable<Uint8Array>;
}

/**
 * A place where archives are kept. An archive appears there whole or not at all, and none is ever overwritten. Errors:
 * "backup-target", "backup-target-denied", "backup-target-full", "backup-target-missing", "backup-target-unreachable", or the signal's reason.
 */
export interface BackupTarget {
  /** As it was named; no credentials are in it. */
  readonly url: string;
  /** Oldest first. What is no archive by its name is passed over. Throws "backup-target-missing" where there is no such folder. */
  list(): Promise<StoredArchive[]>;
  /** Throws "backup-exists" where there is something of this name. */
  put(name: string, upload: Upload): Promise<void>;
  /** Throws "backup-missing" where there is none, before the first bytes or with them. */
  get(name: string): Promise<AsyncIterable<Uint8Array>>;
  /** No error where there is none. */
  remove(name: string): Promise<void>;
  /** Removes what uploads that were cut off left, once they are older than a day; says how many. */
  sweep(): Promise<number>;
}

/** What an s3 target signs its requests with. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface TargetOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Asked for once an s3 target needs them. Throws AntsError where there are none. */
  readonly s3Credentials?: () => Promise<S3Credentials> | S3Credentials;
  /** The command that reaches other hosts, with its own options. `ssh` unless given. */
  readonly ssh?: readonly string[];
}

/**
 * A target by its address: a folder's absolute path or file:///path, ssh://user@host[:port]/path,
 * s3://bucket/prefix?endpoint=https://…&region=…. Throws AntsError "backup-target-url".
 */
export function openTarget(address: string, options: TargetOptions): BackupTarget {
  if (address.startsWith("/")) return openFolder(address, address, options);
  const url = parse(address);
  if (url.password !== "") throw refused(address, "a password does not belong into an address");
  switch (url.protocol) {
    case "file:":
      if (url.host !== "") throw refused(address, "a file URL has three slashes: file:///folder");
      return openFolder(address, pathOf(url, address), options);
    case "ssh:":
      return openSsh(address, sshPlace(url, address), options);
    case "s3:":
      return openS3(address, s3Place(url, address), options);
    default:
      throw refused(address, `"${url.protocol}" is no kind of target`);
  }
}

/** The folder behind an address, where it is one of this host's. */
export function folderOf(address: string): string | undefined {
  if (address.startsWith("/")) return address;
  return address.startsWith("file:") ? pathOf(parse(address), address) : undefined;
}

function parse(address: string): URL {
  try {
    return new URL(address);
  } catch (cause) {
    throw refused(address, "it is neither an absolute path nor a URL", cause);
  }
}

/** What begins with "-" would be an option of ssh, whoever wrote it. */
function sshPlace(url: URL, address: string): SshPlace {
  const { hostname, port, username } = url;
  if (!/^[\w[][\w.:%\]-]*$/.test(hostname)) throw refused(address, "it names no host");
  if (username !== "" && !/^\w[\w.-]*$/.test(username)) throw refused(address, "its user is no user's name");
  const path = pathOf(url, address);
  if (path.replaceAll("/", "") === "") throw refused(address, "it names no folder");
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    // ssh://host/~/backups is of the user's own folder, as other tools write it.
    folder: path.startsWith("/~/") ? path.slice(3) : path,
    ...(username === "" ? {} : { user: username }),
    ...(port === "" ? {} : { port: Number(port) }),
  };
}

function s3Place(url: URL, address: string): S3Place {
  const region = url.searchParams.get("region") ?? "us-east-1";
  const endpoint = parse(url.searchParams.get("endpoint") ?? `https://s3.${region}.amazonaws.com`);
  const unknown = [...url.searchParams.keys()].filter((name) => name !== "region" && name !== "endpoint");
  if (unknown.length > 0) throw refused(address, `"${unknown[0]}" is none of its settings (endpoint, region)`);
  if (!/^[a-z0-9][a-z0-9.-]{1,62}$/.test(url.hostname)) throw refused(address, "it names no bucket");
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(endpoint.hostname);
  if (endpoint.protocol !== "https:" && !(endpoint.protocol === "http:" && isLoopback))
    throw refused(address, "its endpoint must be https (http on this host only)");
  if (endpoint.username !== "" || endpoint.password !== "" || url.username !== "")
    throw refused(address, "credentials do not belong into an address");
  // Only its host would be used: a bucket of the same name may be somebody else's there.
  if (endpoint.pathname !== "/" || endpoint.search !== "" || endpoint.hash !== "")
    throw refused(address, "its endpoint has more than a host and a port");
  const prefix = pathOf(url, address).replace(/^\/+|\/+$/g, "");
  // On the way these lead to another prefix, or another bucket.
  if (prefix.split("/").some((part) => part === "." || part === ".."))
    throw refused(address, "its prefix has a part of dots");
  return { endpoint: endpoint.origin, region, bucket: url.hostname, prefix: prefix === "" ? "" : `${prefix}/` };
}

function pathOf(url: URL, address: string): string {
  let path: string;
  try {
    path = decodeURIComponent(url.pathname);
  } catch (cause) {
    throw refused(address, "its path is not well escaped", cause);
  }
  if (path.includes("\0")) throw refused(address, "its path has a zero byte");
  return path;
}

function refused(address: string, why: string, cause?: unknown): AntsError {
  // What stands before an "@" may be a password, with slashes in it, and a setting may be one.
  const shown = address.replace(/\/\/.*@/s, "//…@").replace(/\?.*$/s, "?…");
  return new AntsError("backup-target-url", `${shown} cannot be a target of backups: ${why}`, {
    hint: "a folder, file:///folder, ssh://user@host/folder or s3://bucket/prefix?endpoint=https://…&region=…",
    ...(cause === undefined ? {} : { cause }),
  });
}
