import { type ErrorRow, EXIT, fatal } from "./row.js";

const SIGN_AGAIN = "Create the statement anew; lines are never repaired.";
const CANONICAL = "Write RFC 8785 canonical JSON, as docs/protocol.md says under Bytes.";
const BUG_OR_DAMAGE = "Compare the line with its source; if this package made it, report a bug.";

/** Lines, bytes, keys, signatures, proofs: whatever has a form. */
export const STATEMENT_ERRORS = {
  "auth-grammar": fatal("A field of an auth line breaks the grammar.", SIGN_AGAIN),
  "backend-unknown": fatal(
    "An Ed25519 backend was named that does not exist or does not load here.",
    "Use one of ed25519Backends(), or none.",
  ),
  "bad-signature": fatal(
    "A signature does not verify under the key that its line names.",
    "Fetch the line from another relay; a relay that served it is broken or lies.",
  ),
  "batch-size": fatal("A batch has 1 to 256 events.", "Split the publication into several batches."),
  "body-sealed": fatal(
    "A private body cannot be opened: another key, another event, or altered.",
    "Open it with the state key that details.k names; an altered event is refused by its id before this.",
  ),
  "bytes-base32": fatal("Text is not lower-case base32 without padding.", BUG_OR_DAMAGE),
  "bytes-base58": fatal("Text is not base58.", BUG_OR_DAMAGE),
  "bytes-base64url": fatal("Text is not strict base64url of the right length.", BUG_OR_DAMAGE),
  "bytes-hex": fatal("Text is not lower-case hexadecimal of the right length.", BUG_OR_DAMAGE),
  "chain-order": fatal(
    "An event does not continue the agent's chain.",
    "Report it: events are numbered by this package.",
  ),
  "checkpoint-mismatch": fatal(
    "A signed tree head belongs to another log than the one that was expected.",
    "Keep both as evidence; ask the relay's operator.",
    EXIT.refusedForSafety,
  ),
  "checkpoint-syntax": fatal("Text is not a C2SP tlog-checkpoint.", "Fetch it again, from another relay if need be."),
  "cursor-syntax": fatal(
    "Text is not a cursor.",
    "Use a cursor exactly as a relay gave it, or start, or head.",
    EXIT.usage,
  ),
  "entry-type": fatal("A line is no identity operation, promise or event.", "Send entry lines only."),
  "epoch-order": fatal(
    "An entry's epoch is above the stated one, below its predecessor's, or more than 2^20 above it.",
    "Claim a new epoch, and state the epoch in which the pen is held.",
  ),
  "event-grammar": fatal("A field of an event breaks the grammar; details.field names it.", SIGN_AGAIN),
  "event-id": fatal("An event's id is not the hash of its content: a byte was changed.", BUG_OR_DAMAGE),
  "event-too-long": fatal(
    "An event's line would be longer than 64 KiB.",
    "Split the body, or keep the bulk elsewhere and publish its hash.",
    EXIT.usage,
  ),
  "json-bom": fatal("A line begins with a byte order mark.", CANONICAL),
  "json-depth": fatal("A line is nested deeper than 16 levels.", "Flatten the body.", EXIT.usage),
  "json-duplicate-key": fatal("An object of a line has the same key twice.", CANONICAL),
  "json-escape": fatal("Text of a line has an escape other than the canonical one.", CANONICAL),
  "json-float": fatal(
    "A line holds a number with a fraction.",
    "Scale it to an integer, or write it as text.",
    EXIT.usage,
  ),
  "json-key-order": fatal("An object's keys are not in canonical order.", CANONICAL),
  "json-negative-zero": fatal("A line holds -0.", CANONICAL, EXIT.usage),
  "json-not-object": fatal("A line is JSON, but no object.", CANONICAL),
  "json-null": fatal("A line holds null.", "Leave the field out.", EXIT.usage),
  "json-number": fatal("A number is not spelled canonically.", CANONICAL),
  "json-number-overflow": fatal("A number is beyond every double.", "Write it as text.", EXIT.usage),
  "json-number-range": fatal("An integer is beyond 2^53 - 1.", "Write it as text.", EXIT.usage),
  "json-proto": fatal("An object of a line has the key __proto__.", "Choose another name.", EXIT.usage),
  "json-surrogate": fatal("Text holds half of a surrogate pair.", "Correct the text before it is written.", EXIT.usage),
  "json-syntax": fatal("A line is not JSON.", CANONICAL),
  "json-too-long": fatal(
    "A line is longer than its limit; details say which.",
    "Split the body, or keep the bulk elsewhere and publish its hash.",
    EXIT.usage,
  ),
  "json-trailing": fatal("Something follows the end of a line.", CANONICAL),
  "json-unsupported": fatal(
    "A value has no place in JSON: undefined, NaN, a function, a cycle …",
    "Pass plain data only.",
  ),
  "json-utf8": fatal("Bytes are not UTF-8.", CANONICAL, EXIT.usage),
  "json-whitespace": fatal("A line has white space between its tokens.", CANONICAL),
  "merkle-frontier": fatal("A stored frontier does not fit its size.", "Read again from the last signed tree head."),
  "merkle-range": fatal(
    "A tree was asked about a leaf or a size that it does not have.",
    "Ask for what the tree head covers.",
  ),
  "merkle-tile": fatal("Text is not the path of a tile.", "Use the paths of C2SP tlog-tiles."),
  multikey: fatal(
    "Text is not the Multikey of a key of the expected type.",
    "Check the text for a typing error.",
    EXIT.usage,
  ),
  "no-state-key": fatal(
    "A private event was asked for and there is no state key to encrypt it with.",
    "Open the vault, which holds it.",
    EXIT.noVault,
  ),
  "note-key": fatal("Text is not a C2SP verifier key.", "Check the text for a copying error.", EXIT.usage),
  "note-signature": fatal(
    "A signed note has no valid signature by the expected key.",
    "Fetch it again; if it stays so, the relay has another key or lies.",
    EXIT.refusedForSafety,
  ),
  "note-syntax": fatal("Text is not a C2SP signed note.", "Fetch it again, from another relay if need be."),
  "promise-grammar": fatal("A field of a promise breaks the grammar; details.field names it.", SIGN_AGAIN),
  "seal-key": fatal(
    "The X25519 public key to seal to has another length than 32 bytes, or a small order.",
    "Use the agree key of the recipient's identity log.",
  ),
  "sealed-open": fatal(
    "A sealed text does not open: it was sealed to another key, belongs elsewhere, or was altered.",
    "Use the key that it was sealed to; an earlier one of this agent may be.",
  ),
  "seed-length": fatal("A seed has 32 bytes.", "Pass the seed of generateSeed."),
  "state-key": fatal("A state key has 32 bytes.", "Pass the state key of the vault."),
  "x25519-secret": fatal("An X25519 secret has 32 bytes.", "Pass 32 bytes."),
} as const satisfies Record<string, ErrorRow>;
