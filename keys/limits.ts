/**
 * The limits of this floor. They are part of the format: a reader with other limits accepts another language.
 * Limits of the wire, which a relay may configure, are in src/protocol/limits.ts.
 */

/** Bytes of one line (an operation, an event, a promise) without its newline. A 64 KiB line still fits one socket read. */
export const MAX_LINE_BYTES = 65_536;

/** Arrays and objects inside each other, the outermost counted as 1. Keeps every recursive reader of a line shallow. */
export const MAX_DEPTH = 16;

/** Bytes of one identity operation. Every resolver fetches all of an agent's operations, so they stay small. */
export const MAX_OPERATION_BYTES = 8_192;

/** Arrays and objects inside each other that the writer follows before it takes a value for cyclic. */
export const MAX_WRITER_DEPTH = 1_000;

/** Decoded multikeys kept in memory (about 200 bytes each): the keys that a busy relay sees again and again. */
export const MULTIKEY_CACHE_ENTRIES = 4_096;

/** Imported node:crypto public keys kept in memory (about 1 KiB each, outside the heap). */
export const KEY_OBJECT_CACHE_ENTRIES = 4_096;

/** Updates on one branch between two rotates. They cost a stolen key's holder as much as anyone; rotates are free. */
export const MAX_UPDATES_AN_ERA = 1_000;
