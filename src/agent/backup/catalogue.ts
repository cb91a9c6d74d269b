import { utf8 } from "../../../keys/bytes.js";
import { canonicalize, type JsonObject, parseCanonicalObject } from "../../../keys/canonical.js";
import type { Disk } from "../../../keys/ports.js";
import type { ChainHead } from "../../protocol/event.js";
import { type BackupTier, byTime, parseArchiveName } from "./archive-name.js";

/**
 * What this home remembers of its archives, `.ants/backups.ndjson`: a line for each thing that happened to one. Derived
 * knowledge: the archives themselves are at the targets, and are listed without it.
 */

/** An archive as this home remembers it. */
export interface KnownArchive {
  readonly name: string;
  readonly tier: BackupTier;
  readonly timeMs: number;
  readonly head?: ChainHead;
  /** By target. */
  readonly copies: ReadonlyMap<string, KnownCopy>;
}

export interface KnownCopy {
  /** Of the ciphertext; it changes when the archive is encrypted anew. */
  readonly size: number;
  readonly sha256: string;
  readonly recipients: readonly string[];
  /** When it was last read back and found right. */
  readonly verifiedMs?: number;
  /** `bytes`: it is what was stored. `whole`: it was opened, and every file in it is right. */
  readonly verified?: "bytes" | "whole";
  /** When it was last read back and found wrong. */
  readonly failedMs?: number;
  /** Since when its target does not list it any more, though it should. */
  readonly missingMs?: number;
}

/** What is noted. Times in milliseconds since 1970. */
export type CatalogueNote =
  | {
      readonly note: "stored";
      readonly name: string;
      readonly target: string;
      readonly size: number;
      readonly sha256: string;
      readonly recipients: readonly string[];
      readonly head?: ChainHead;
    }
  | {
      readonly note: "verified";
      readonly name: string;
      readonly target: string;
      readonly time: number;
      readonly level: "bytes" | "whole";
    }
  | {
      /** `listed`: it is there after all, after it was missing. */
      readonly note: "failed" | "missing" | "listed";
      readonly name: string;
      readonly target: string;
      readonly time: number;
    }
  | { readonly note: "removed"; readonly name: string; readonly target: string };

const MAX_NOTE_BYTES = 16 * 1024;
const NEWLINE = 0x0a;
const TIMED_NOTES: ReadonlySet<string> = new Set(["verified", "failed", "missing", "listed"]);

export class Catalogue {
  readonly #disk: Disk;
  readonly #path: string;

  /** `state`: the home's `.ants`. */
  constructor(disk: Disk, state: string) {
    this.#disk = disk;
    this.#path = `${state}/backups.ndjson`;
  }

  /** Oldest first. A line that says nothing sensible is passed over: a crash may have torn it. */
  async archives(): Promise<KnownArchive[]> {
    const known = new Map<string, KnownArchive & { copies: Map<string, KnownCopy> }>();
    const bytes = await this.#disk.read(this.#path);
    for (const note of bytes === undefined ? [] : notesOf(bytes)) {
      const parsed = parseArchiveName(note.name);
      if (parsed === undefined) continue;
      const archive = known.get(note.name) ?? { ...parsed, copies: new Map<string, KnownCopy>() };
      const copy = archive.copies.get(note.target);
      if (note.note === "removed") archive.copies.delete(note.target);
      else if (note.note === "stored") {
        const { size, sha256, recipients, head } = note;
        archive.copies.set(note.target, { size, sha256, recipients });
        known.set(note.name, { ...archive, ...(head === undefined ? {} : { head }) });
        continue;
      } else if (copy !== undefined && note.note === "verified") {
        const { failedMs: _, missingMs: __, ...rest } = copy;
        archive.copies.set(note.target, { ...rest, verifiedMs: note.time, verified: note.level });
      } else if (copy !== undefined && note.note === "failed") {
        archive.copies.set(note.target, { ...copy, failedMs: note.time });
      } else if (copy !== undefined && note.note === "missing") {
        archive.copies.set(note.target, { ...copy, missingMs: note.time });
      } else if (copy !== undefined && note.note === "listed") {
        const { missingMs: _, ...rest } = copy;
        archive.copies.set(note.target, rest);
      }
      if (archive.copies.size === 0) known.delete(note.name);
      else known.set(note.name, archive);
    }
    return [...known.values()].sort(byTime);
  }

  /**
   * Names that were read back from a target and found wrong, and never right since: those too that this home did not
   * store, of which it remembers nothing else.
   */
  async damagedAt(target: string): Promise<Set<string>> {
    const damaged = new Set<string>();
    const bytes = await this.#disk.read(this.#path);
    for (const note of bytes === undefined ? [] : notesOf(bytes)) {
      if (note.target !== target) continue;
      if (note.note === "failed") damaged.add(note.name);
      else if (note.note !== "missing" && note.note !== "listed") damaged.delete(note.name);
    }
    return damaged;
  }

  /** Notes one more thing, durably. Throws disk errors. */
  async note(note: CatalogueNote): Promise<void> {
    // A torn last line must not run into this one.
    await this.#disk.append(this.#path, utf8(`\n${canonicalize({ ...note } as unknown as JsonObject)}\n`));
  }
}

function notesOf(bytes: Uint8Array): CatalogueNote[] {
  const notes: CatalogueNote[] = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    const note = end > start ? noteOf(bytes.subarray(start, end)) : undefined;
    if (note !== undefined) notes.push(note);
    start = end + 1;
  }
  return notes;
}

function noteOf(line: Uint8Array): CatalogueNote | undefined {
  try {
    const note = parseCanonicalObject(line, { maxBytes: MAX_NOTE_BYTES });
    return isNote(note) ? (note as unknown as CatalogueNote) : undefined;
  } catch {
    return undefined;
  }
}

function isNote({ note, name, target, size, sha256, recipients, time }: JsonObject): boolean {
  if (typeof name !== "string" || typeof target !== "string") return false;
  if (note === "stored") return typeof size === "number" && typeof sha256 === "string" && Array.isArray(recipients);
  return note === "removed" || (TIMED_NOTES.has(String(note)) && typeof time === "number");
}
