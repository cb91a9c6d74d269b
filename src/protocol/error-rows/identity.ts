import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

const SIGN_AGAIN = "Create the statement anew; lines are never repaired.";
const BUG_OR_DAMAGE = "Compare the line with its source; if this package made it, report a bug.";

/** Identity operations and what they resolve to. */
export const IDENTITY_ERRORS = {
  "did-key": fatal("Text is not the did:key of an Ed25519 key.", "Check the text for a typing error.", EXIT.usage),
  "did-syntax": fatal("Text is not a did:ants DID.", "Check the text for a typing error.", EXIT.usage),
  "identity-conflicted": fatal(
    "Rival rotates stand against each other: there is no state to act on.",
    "Its owner decides, with the recovery phrase.",
    EXIT.refusedForSafety,
  ),
  "identity-did": fatal(
    "An identity operation belongs to another DID than it was given for.",
    "Fetch the identity log again, from another relay if need be.",
  ),
  "identity-ended": fatal(
    "The identity was deactivated by its owner; nothing comes after that.",
    "Make a new identity.",
    EXIT.refusedForSafety,
  ),
  "identity-era-full": fatal(
    "More updates than one era may have (1,000).",
    "Rotate with the recovery phrase; a rotate is never refused for this.",
  ),
  "identity-grammar": fatal("A field of an identity operation breaks the grammar; details.field names it.", SIGN_AGAIN),
  "identity-key-reuse": fatal(
    "A recovery key stands in two roles, or had one before.",
    "Commit to a key of the phrase that was never used.",
    EXIT.refusedForSafety,
  ),
  "identity-needed": passing(
    "The relay lacks the identity operation that makes this key live.",
    "Send the agent's identity log first, then the same frame again.",
  ),
  "identity-number": fatal("An identity operation's number is not its parent's plus one.", SIGN_AGAIN),
  "identity-operation-unknown": fatal(
    "An operation that a claim or a promise names is not in the identity log.",
    "Fetch the identity log from every relay of every operation.",
  ),
  "identity-over": fatal("An update names a branch in `over` that is its own.", "Name the losing heads only."),
  "identity-pin-missing": fatal(
    "The operation that was pinned before is missing from the set: something was withheld.",
    "Ask the relays of every operation; keep what was pinned.",
    EXIT.refusedForSafety,
  ),
  "identity-signature": fatal("A signature of an identity operation does not verify.", BUG_OR_DAMAGE),
  "identity-signers": fatal(
    "An identity operation is signed by other keys than its kind asks for.",
    "Sign with every key that docs/protocol.md names for this operation.",
  ),
  "identity-unauthorised": fatal(
    "The recovery keys that were revealed are not those that were committed to.",
    "Use the recovery phrase of this agent.",
    EXIT.refusedForSafety,
  ),
  "identity-update-scope": fatal(
    "An update changes what only a rotate may change: sign keys, recovery or escrow.",
    "Rotate with the recovery phrase.",
    EXIT.refusedForSafety,
  ),
} as const satisfies Record<string, ErrorRow>;
