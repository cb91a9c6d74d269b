import path from "node:path";
import type { Disk } from "../../keys/ports.js";

/** The layout of the database. Another number in a folder means: rebuild. */
const FORMAT = 1;

/** Beside the database: what it is of, and whether what is in it can be believed. */
export interface IndexState {
  readonly stream: string;
  /**
   * The run of the operating system in which the database was last written to (Linux: /proc/sys/kernel/random/boot_id).
   * What a killed process had written is all there; what a crashed system had not yet brought to disk is not.
   */
  readonly bootId: string | undefined;
  /** The database was brought to disk and not written to since. */
  readonly clean: boolean;
}

/** Why an index is built anew. */
export type RebuildReason =
  | "missing"
  | "other-format"
  | "other-stream"
  | "crash"
  | "ahead-of-log"
  | "other-history"
  | "unreadable";

export async function readIndexState(disk: Disk, folder: string): Promise<IndexState | RebuildReason> {
  const bytes = await disk.read(statePath(folder));
  if (bytes === undefined) return "missing";
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return "unreadable";
  }
  if (typeof value !== "object" || value === null) return "unreadable";
  const { format, stream, bootId, clean } = value as Record<string, unknown>;
  if (format !== FORMAT) return "other-format";
  if (typeof stream !== "string" || typeof clean !== "boolean") return "unreadable";
  return { stream, bootId: typeof bootId === "string" ? bootId : undefined, clean };
}

/** Durable when resolved: it must be on disk before the database is written to. */
export async function writeIndexState(disk: Disk, folder: string, state: IndexState): Promise<void> {
  await disk.replace(statePath(folder), Buffer.from(`${JSON.stringify({ format: FORMAT, ...state })}\n`));
}

function statePath(folder: string): string {
  return path.join(folder, "state.json");
}
