import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

/** Changing which relays and handles an identity names. */
export const RELAYS_ERRORS = {
  "agent-unknown": passing(
    "Nothing is known of the agent that was named: nobody knows it, or nobody answered; the message says which.",
    "Check the name; ants resolve says who was asked. Name a relay that knows it with --relay.",
    EXIT.unreachable,
  ),
  "handle-elsewhere": fatal(
    "A handle that was to be added leads to another agent.",
    "Choose another name, or ask who runs that host to give it to this agent.",
    EXIT.refusedForSafety,
  ),
  "identity-contested": fatal(
    "Two updates of the identity clash: whoever wrote the other one has this agent's key, or is an older copy of its home.",
    "Look at the branches with ants relays status; ants relays settle goes on with the one that this home knows as its own. Where it was a thief, rotate.",
    EXIT.refusedForSafety,
  ),
  "identity-unspread": passing(
    "Too few relays of the old set or of the new one store the agent's identity log; the message says which and why.",
    "Bring them back or name others. Where a quorum of the old relays is gone for good, only the recovery phrase goes on (ants rotate, ants recover).",
    EXIT.unreachable,
  ),
  "relays-too-few": fatal(
    "An identity names at least one relay, and 3 for each one that may lie and 1 more.",
    "Add another relay first, or lower --faults.",
    EXIT.usage,
  ),
  "relays-unnamed": fatal(
    "The identity does not name this relay.",
    "See which it names: ants relays list.",
    EXIT.usage,
  ),
  "update-undecided": passing(
    "An update waits for the word of the relay whose handle it takes, and that relay does not answer.",
    "Try again when it answers: until then no other update is signed, so that the identity does not split. Where it is gone for good, take the update back: ants handle remove HANDLE, or ants relays remove RELAY.",
    EXIT.unreachable,
  ),
  "update-unfinished": passing(
    "An identity update is signed and kept in the home, and too few relays have it yet.",
    "Run any command that publishes, when the relays answer again: it goes on with this update by itself. Do not make it again.",
    EXIT.partlyDone,
  ),
} as const satisfies Record<string, ErrorRow>;
