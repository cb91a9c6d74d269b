import path from "node:path";
import type { Disk } from "../../keys/ports.js";
import type { LogFiles } from "../log/log-files.js";

/** The layout of the database. Another number in a folder means: rebuild. */
const FORMAT = 2;
/** MDB_MAGIC of LMDB, little-endian, and how far into the file it is at most: after the first page's header. */
const MAGIC = Buffer.of(0xde, 0xc0, 0xef, 0xbe);
const MAGIC_WITHIN = 32;

/** Beside the database: what it is of, and whether what is in it can be believed. */
export interface IndexState {
  readonly stream: string;
  /**
   * The run of the operating system in which the database was last written to (Linux: /proc/sys/kernel/random/boot_id).
   * What a killed process had written is all there; what a crashed system had not yet brought to disk is not.
   */
  readonly bootId: string | undefined;
  /** How long the database's file was when it was brought to disk at a clean end; absent while it is written to. */
  readonly closedBytes?: number;
}

/** Why an index is built anew. */
export type RebuildReason =
  | "missing"
  | "other-format"
  | "other-stream"
  | "crash"
  | "changed"
  | "ahead-of-log"
  | "other-history"
  | "unreadable";

/** Why the database in this folder must not be opened; undefined when it may be. */
export async function whyRebuild(options: {
  readonly folder: string;
  readonly disk: Disk;
  readonly files: LogFiles;
  readonly stream: string;
  readonly bootId: string | undefined;
}): Promise<RebuildReason | undefined> {
  const { folder, disk, files, stream, bootId } = options;
  const state = await readIndexState(disk, folder);
  if (typeof state === "string") return state;
  if (state.stream !== stream) return "other-stream";
  const file = databasePath(folder);
  const stamp = await files.stamp(file);
  if (stamp === undefined) return "missing";
  if (!isDatabase(files.readPart(file, 0, MAGIC_WITHIN))) return "changed";
  if (state.closedBytes !== undefined) return state.closedBytes === stamp.bytes ? undefined : "changed";
  return bootId !== undefined && state.bootId === bootId ? undefined : "crash";
}

export function databasePath(folder: string): string {
  return path.join(folder, "data.mdb");
}

async function readIndexState(disk: Disk, folder: string): Promise<IndexState | RebuildReason> {
  const bytes = await disk.read(statePath(folder));
  if (bytes === undefined) return "missing";
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return "unreadable";
  }
  if (typeof value !== "object" || value === null) return "unreadable";
  const { format, stream, bootId, closedBytes } = value as Record<string, unknown>;
  if (format !== FORMAT) return "other-format";
  if (typeof stream !== "string") return "unreadable";
  return {
    stream,
    bootId: typeof bootId === "string" ? bootId : undefined,
    ...(typeof closedBytes === "number" ? { closedBytes } : {}),
  };
}

/** Durable when resolved: it must be on disk before the database is written to. */
export async function writeIndexState(disk: Disk, folder: string, state: IndexState): Promise<void> {
  await disk.replace(statePath(folder), Buffer.from(`${JSON.stringify({ format: FORMAT, ...state })}\n`));
}

/** LMDB ends the whole process when it is given another file, so this is asked first. */
function isDatabase(start: Uint8Array): boolean {
  return Buffer.from(start).includes(MAGIC);
}

function statePath(folder: string): string {
  return path.join(folder, "state.json");
}
