/**
 * The one table of every error code of the project: what it means, the way out, whether the same attempt may succeed
 * later, and the exit code of a program that ends with it. docs/errors.md is generated from it
 * (`node scripts/errors-doc.mjs`). Sorted by code.
 */
import { isAntsError } from "../../keys/errors.js";

/** Exit codes of the programs. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  partlyDone: 3,
  refusedForSafety: 4,
  noVault: 10,
  wrongPassphrase: 11,
  lockedByAnother: 12,
  unreachable: 69,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface ErrorRow {
  readonly meaning: string;
  readonly wayOut: string;
  /** True when the very same attempt may succeed later, with nothing changed by the caller. */
  readonly retryable: boolean;
  readonly exit: ExitCode;
}

/** An error that the same attempt meets again. */
function fatal(meaning: string, wayOut: string, exit: ExitCode = EXIT.failed): ErrorRow {
  return { meaning, wayOut, retryable: false, exit };
}

/** An error that may have passed when the same attempt is made later. */
function passing(meaning: string, wayOut: string, exit: ExitCode = EXIT.failed): ErrorRow {
  return { meaning, wayOut, retryable: true, exit };
}

const SIGN_AGAIN = "Create the statement anew; lines are never repaired.";
const CANONICAL = "Write RFC 8785 canonical JSON, as docs/protocol.md says under Bytes.";
const BUG_OR_DAMAGE = "Compare the line with its source; if this package made it, report a bug.";

export const ERRORS = {
  "auth-failed": fatal(
    "The auth line is for another connection or another relay, or its key is not live for the DID.",
    "Sign the challenge of this connection's hello and the URL that was dialled, with a live key.",
    EXIT.refusedForSafety,
  ),
  "auth-grammar": fatal("A field of an auth line breaks the grammar.", SIGN_AGAIN),
  "auth-required": fatal(
    "What was asked for is served only to an authenticated agent.",
    "Send an auth line first; see docs/protocol.md, Authentication.",
    EXIT.refusedForSafety,
  ),
  "bad-filter": fatal(
    "A filter names an unknown field or a value that cannot occur.",
    "Correct the filter.",
    EXIT.usage,
  ),
  "bad-frame": fatal("A frame is not an envelope line followed by entry lines.", "Correct the sender."),
  "bad-message": fatal("A message lacks a field or has one of the wrong form.", "Correct the sender."),
  "bad-signature": fatal(
    "A signature does not verify under the key that its line names.",
    "Fetch the line from another relay; a relay that served it is broken or lies.",
  ),
  "batch-size": fatal("A batch has 1 to 256 events.", "Split the publication into several batches."),
  "bytes-base32": fatal("Text is not lower-case base32 without padding.", BUG_OR_DAMAGE),
  "bytes-base58": fatal("Text is not base58.", BUG_OR_DAMAGE),
  "bytes-base64url": fatal("Text is not strict base64url of the right length.", BUG_OR_DAMAGE),
  "bytes-hex": fatal("Text is not lower-case hexadecimal of the right length.", BUG_OR_DAMAGE),
  "checkpoint-mismatch": fatal(
    "A signed tree head belongs to another log than the one that was expected.",
    "Keep both as evidence; ask the relay's operator.",
    EXIT.refusedForSafety,
  ),
  "checkpoint-syntax": fatal("Text is not a C2SP tlog-checkpoint.", "Fetch it again, from another relay if need be."),
  "cursor-ahead": fatal(
    "The cursor is beyond the relay's log: the relay lost entries that it had served.",
    "Keep your last tree head, it is evidence; read from another relay.",
    EXIT.refusedForSafety,
  ),
  "cursor-mismatch": fatal(
    "The relay's log has another history at the cursor's position: it was rewritten.",
    "Keep your last tree head, it is evidence; read from another relay.",
    EXIT.refusedForSafety,
  ),
  "cursor-pruned": fatal(
    "Entries after the cursor are no longer kept; details.oldest is the first position that is.",
    "Read them from another relay, or continue with allowGap.",
  ),
  "cursor-syntax": fatal(
    "Text is not a cursor.",
    "Use a cursor exactly as a relay gave it, or start, or head.",
    EXIT.usage,
  ),
  "did-key": fatal("Text is not the did:key of an Ed25519 key.", "Check the text for a typing error.", EXIT.usage),
  "did-syntax": fatal("Text is not a did:ants DID.", "Check the text for a typing error.", EXIT.usage),
  "entry-type": fatal("A line is no identity operation, promise or event.", "Send entry lines only."),
  "event-grammar": fatal("A field of an event breaks the grammar; details.field names it.", SIGN_AGAIN),
  "event-id": fatal("An event's id is not the hash of its content: a byte was changed.", BUG_OR_DAMAGE),
  "event-too-long": fatal(
    "An event's line would be longer than 64 KiB.",
    "Split the body, or keep the bulk elsewhere and publish its hash.",
  ),
  fenced: fatal(
    "A newer epoch was promised to another instance: this one no longer holds the pen.",
    "Stop all effects; what was not committed stays as a local side branch. Claim anew to continue here.",
    EXIT.refusedForSafety,
  ),
  "follow-limit": fatal(
    "The connection has as many follows as the relay allows.",
    "Unfollow one, or follow with a wider filter.",
  ),
  fork: fatal(
    "Another event stands at the same place of the chain: two writers used one epoch.",
    "Stop all effects; the pair is kept as proof. If the other writer isn't yours, rotate the key.",
    EXIT.refusedForSafety,
  ),
  gap: fatal("The event before is not known to the relay.", "Send the chain from the last event that both have."),
  held: passing(
    "Another instance holds the pen and was seen within the last 60 s; details say which.",
    "Stop it, hand over, wait until it is silent, or take over.",
    EXIT.lockedByAnother,
  ),
  "identity-needed": passing(
    "The relay lacks the identity operation that makes this key live.",
    "Send the agent's identity log first, then the same frame again.",
  ),
  internal: fatal(
    "Something happened that this version does not expect.",
    "Report it, with what you did and the output.",
  ),
  interrupted: passing("The command was stopped by Ctrl-C or a signal.", "Run it again.", EXIT.interrupted),
  "json-bom": fatal("A line begins with a byte order mark.", CANONICAL),
  "key-not-live": fatal(
    "The key may not sign for this DID: never listed, retired, void by an anchor, or the DID is deactivated.",
    "Look at the identity log; sign with a live key.",
    EXIT.refusedForSafety,
  ),
  "not-hosted": fatal(
    "The relay doesn't host this agent, and the entry is addressed to none that it hosts.",
    "Publish to the relays that the recipients' identity logs name.",
  ),
  "note-key": fatal("Text is not a C2SP verifier key.", "Check the text for a copying error.", EXIT.usage),
  "note-signature": fatal(
    "A signed note has no valid signature by the expected key.",
    "Fetch it again; if it stays so, the relay has another key or lies.",
    EXIT.refusedForSafety,
  ),
  "note-syntax": fatal("Text is not a C2SP signed note.", "Fetch it again, from another relay if need be."),
  "promise-grammar": fatal("A field of a promise breaks the grammar; details.field names it.", SIGN_AGAIN),
  "rate-limited": passing("More was sent than the relay's rate allows.", "Wait retryAfterMs and send again."),
  rival: fatal(
    "Another operation of equal power was here first; both are kept as evidence.",
    "Read the identity log; only its owner's recovery phrase settles this.",
    EXIT.refusedForSafety,
  ),
  "shutting-down": passing("The relay is stopping.", "Connect again in a moment.", EXIT.unreachable),
  "storage-failed": passing(
    "The relay could not write to its disk; it takes nothing more until it is restarted, and readers go on.",
    "Publish to the other relays; the operator frees space or replaces the disk and restarts.",
  ),
  "stream-changed": fatal(
    "The relay's log is another incarnation than the cursor's.",
    "Read the new stream from its start; name it in the identity log if it is one of your own relays.",
  ),
  superseded: fatal(
    "The event stands on a side branch: a later claim went on from another place.",
    "Stop all effects; claim anew, on the head that the refusal names.",
    EXIT.refusedForSafety,
  ),
  "too-large": fatal("More was sent at once than the limit in details.", "Send less at once."),
  "unknown-message": fatal(
    "A message has a type that this side doesn't know.",
    "Correct the sender, or update this side.",
  ),
  usage: fatal("The command line asks for something that cannot be.", "Run the command with --help.", EXIT.usage),
  "version-unsupported": fatal(
    "No common protocol version; details.spoken lists those of this side.",
    "Update the older side.",
    EXIT.usage,
  ),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** The row of a code, or undefined for a code that this version doesn't know (a newer relay's, for example). */
export function errorRow(code: string): ErrorRow | undefined {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : undefined;
}

/** Whether the same attempt may succeed later; false for a code that this version doesn't know. */
export function isRetryable(code: string): boolean {
  return errorRow(code)?.retryable ?? false;
}

/** The exit code of a program that ends with `error`: the table's, or 1 for whatever else was thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  return (isAntsError(error) ? errorRow(error.code)?.exit : undefined) ?? EXIT.failed;
}
