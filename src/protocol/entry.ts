/** An entry: one of the three signed lines that a relay log holds. */
import { parseCanonicalObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { type ParsedOperation, parseOperation } from "../../keys/identity/operation.js";
import { ENTRY_TYPES } from "./entry-type.js";
import { eventOfValue, type ParsedEvent } from "./event.js";
import { type ParsedPromise, promiseOfValue } from "./promise.js";

/** An identity operation as an entry; its id is its hash. */
export interface ParsedIdentity {
  readonly type: "identity";
  readonly id: string;
  readonly did: Did;
  readonly operation: ParsedOperation;
  readonly line: Uint8Array;
}

export type ParsedEntry = ParsedEvent | ParsedIdentity | ParsedPromise;

/**
 * Reads one entry line (without its newline): canonical form, grammar, limits, hash. The signatures of identity
 * operations and promises are verified; an event's is not, since batches verify together (verifyBatch).
 * Throws the codes of the three parsers, and `entry-type` for any other line.
 */
export function parseEntry(line: Uint8Array): ParsedEntry {
  const value = parseCanonicalObject(line);
  if (value.type === "event") return eventOfValue(value, line);
  if (value.type === "promise") return promiseOfValue(value, line);
  if (value.type === "identity") return identityOfLine(line);
  throw new AntsError("entry-type", "an entry is an identity operation, a promise or an event", {
    details: { expected: [...ENTRY_TYPES] },
  });
}

function identityOfLine(line: Uint8Array): ParsedIdentity {
  const operation = parseOperation(line);
  return { type: "identity", id: operation.hash, did: operation.did, operation, line };
}
