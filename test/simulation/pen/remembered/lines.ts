import type { ParsedOperation } from "../../../../keys/identity/operation.js";
import type { ParsedEntry } from "../../../../src/protocol/entry.js";

/**
 * What lines were read as. Reading one is a pure function of its bytes, and all the processes of a run read the same few
 * hundred lines again and again: each is read by the production code once a run. The files beside this one stand in for
 * the modules of their names in the bundle of `npm run sim`; lines that are refused are read anew each time.
 */
export const entries = new Map<string, ParsedEntry>();
export const operations = new Map<string, ParsedOperation>();

/** More than any run has. */
const MAX_LINES = 20_000;

/** A line as a key: byte for byte. */
export function keyOf(line: Uint8Array): string {
  return Buffer.from(line.buffer, line.byteOffset, line.length).toString("latin1");
}

/** Keeps what a line was read as. */
export function keep<T, Read extends T>(lines: Map<string, T>, key: string, read: Read): Read {
  if (lines.size >= MAX_LINES) lines.clear();
  lines.set(key, read);
  return read;
}

/** The next run begins. */
export function forgetLines(): void {
  entries.clear();
  operations.clear();
}
