import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

/** What a relay answers with. */
export const RELAY_ERRORS = {
  "auth-failed": fatal(
    "The auth line is for another connection or another relay, or its key is not live for the DID.",
    "Sign the challenge of this connection's hello and the URL that was dialled, with a live key.",
    EXIT.refusedForSafety,
  ),
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
  "bad-range": fatal(
    "A proof was asked for positions or sizes that the log doesn't have.",
    "Ask for 1 to the log's length, the smaller number first.",
  ),
  "bad-request": fatal(
    "An HTTP request has a target, query or upgrade that the relay doesn't know.",
    "Correct the request; docs/protocol.md lists them under HTTP.",
  ),
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
  fenced: fatal(
    "A newer epoch was promised to another instance: this one no longer holds the pen.",
    "Stop all effects; what was not committed stays as a local side branch. Claim anew to continue here: that says what became of it.",
    EXIT.refusedForSafety,
  ),
  fork: fatal(
    "Another event stands at the same place of the chain: two writers used one epoch.",
    "Stop all effects; the pair is kept as proof. If the other writer isn't yours, rotate the key.",
    EXIT.refusedForSafety,
  ),
  gap: fatal("The event before is not known to the relay.", "Send the chain from the last event that both have."),
  held: passing(
    "Another instance holds the pen and was seen within the last 60 s; details say which.",
    "Stop it, hand over, wait until it was silent for 60 s (ants publish --wait), or take over (--takeover). If it ended already, also cleanly: the same, as the relays do not know that it did.",
    EXIT.lockedByAnother,
  ),
  internal: fatal(
    "Something happened that this version does not expect.",
    "Report it, with what you did and the output.",
  ),
  "key-not-live": fatal(
    "The key may not sign for this DID: never listed, retired, void by an anchor, or the DID is deactivated.",
    "Look at the identity log; sign with a live key.",
    EXIT.refusedForSafety,
  ),
  "method-not-allowed": fatal(
    "An HTTP path was asked with a method that it doesn't take; details.allowed lists those.",
    "Use one of those methods.",
  ),
  "not-found": fatal(
    "The relay has nothing under this path, or knows nothing of this agent.",
    "Check the path or the DID; ask the relays that the agent's identity log names.",
  ),
  "not-hosted": fatal(
    "The relay doesn't host this agent, and the entry is addressed to none that it hosts.",
    "Publish to the relays that the recipients' identity logs name.",
  ),
  overloaded: passing(
    "The relay holds as many connections, requests or bytes as its settings allow.",
    "Wait retryAfterMs and try again.",
    EXIT.unreachable,
  ),
  "pruned-line": fatal(
    "A line without its body came from somebody who may not send it.",
    "Send the full line; only the authenticated author backfills without bodies.",
  ),
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
  "too-large": fatal("More was sent at once than the limit in details.", "Send less at once.", EXIT.usage),
  "unknown-message": fatal(
    "A message has a type that this side doesn't know.",
    "Correct the sender, or update this side.",
  ),
  "version-unsupported": fatal(
    "No common protocol version; details.spoken lists those of this side.",
    "Update the older side.",
    EXIT.usage,
  ),
  "wrong-stream": fatal(
    "A promise names another stream than that of this relay.",
    "Ask for the stream that hello states; name it in the identity log if the relay began anew.",
  ),
} as const satisfies Record<string, ErrorRow>;
