import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

/** Sealed messages: sending, delivering, reading. */
export const MESSAGE_ERRORS = {
  "inbox-changed": fatal(
    "The place to go on from was given out by another inbox file than the one in this home.",
    "Begin without it: what this inbox holds comes again, with the same ids.",
  ),
  "inbox-damaged": fatal(
    "The file of the inbox cannot be read.",
    "Restore it from a backup, or move it away: the next run fetches again what the relays still have.",
  ),
  "message-recipients": fatal(
    "A message has 1 to 16 different recipients, and its author is none of them.",
    "Name each recipient once; what is for the agent itself is a private event (ants publish --private).",
    EXIT.usage,
  ),
  "message-sealed": fatal(
    "A sealed message cannot be opened: it is for somebody else, sealed to a key that is not here, or altered.",
    "Ask its author to send it again, to the agree key that the identity names now.",
  ),
  "message-too-long": fatal(
    "A message is longer than 40,000 bytes.",
    "Send it in parts, or keep the bulk elsewhere and send its hash and where it is.",
  ),
  "recipient-unknown": fatal(
    "A recipient's identity could not be verified, so nothing was sealed, signed or sent; details say why.",
    "Check the handle or DID with ants resolve.",
  ),
  "recipient-unreachable": passing(
    "No relay that could say who a recipient is can be reached, so nothing was sealed, signed or sent.",
    "Try again later, or name a relay that knows the recipient.",
    EXIT.unreachable,
  ),
} as const satisfies Record<string, ErrorRow>;
