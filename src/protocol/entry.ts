/** An entry: one of the three signed lines that a relay log holds. */
import { parseCanonical } from "../../keys/canonical.js";
import { AntsError } from "../../keys/errors.js";
import { type ParsedOperation, parseOperation } from "../../keys/identity/operation.js";
import { eventOfValue, type ParsedEvent } from "./event.js";
import { MAX_LINE_BYTES } from "./limits.js";
import { type ParsedPromise, promiseOfValue } from "./promise.js";

/** An identity operation as an entry; its id is its hash. */
export interface ParsedIdentity {
  readonly type: "identity";
  readonly id: string;
  readonly did: string;
  readonly operation: ParsedOperation;
  readonly line: Uint8Array;
}

export type ParsedEntry = ParsedEvent | ParsedIdentity | ParsedPromise;
export type EntryType = ParsedEntry["type"];

/** The types of entries, in the order of the documentation. */
export const ENTRY_TYPES: readonly EntryType[] = ["identity", "promise", "event"];

/**
 * Reads one entry line (without its newline): canonical form, grammar, limits, hash. The signatures of identity
 * operations and promises are verified; an event's is not, since batches verify together (verifyBatch).
 * Throws the codes of the three parsers, and `entry-type` for any other line.
 */
export function parseEntry(line: Uint8Array): ParsedEntry {
  const value = parseCanonical(line, { maxBytes: MAX_LINE_BYTES });
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    if (value.type === "event") return eventOfValue(value, line);
    if (value.type === "promise") return promiseOfValue(value, line);
    if (value.type === "identity") return identityOfLine(line);
  }
  throw new AntsError("entry-type", "an entry is an identity operation, a promise or an event", {
    details: { expected: [...ENTRY_TYPES] },
  });
}

function identityOfLine(line: Uint8Array): ParsedIdentity {
  const operation = parseOperation(line);
  return { type: "identity", id: operation.hash, did: operation.did, operation, line };
}
