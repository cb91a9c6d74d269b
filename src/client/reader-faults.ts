/** What a reader of a relay does about an error, by its code. */

/** The relay's log is not the one that the cursor is of: the caller must decide how to go on. */
export const CURSOR_CODES: ReadonlySet<string> = new Set([
  "stream-changed",
  "cursor-ahead",
  "cursor-pruned",
  "cursor-mismatch",
  "cursor-syntax",
  "relay-key-changed",
]);
/** The relay shows what cannot be true: nothing more is believed for a while. */
export const FAULT_CODES: ReadonlySet<string> = new Set([
  "relay-altered",
  "relay-omitted",
  "relay-protocol",
  "relay-rewrote",
  "note-syntax",
  "note-signature",
  "checkpoint-syntax",
  "checkpoint-mismatch",
  // Nor is it read by somebody that it doesn't know; it may come to know.
  "auth-failed",
]);
