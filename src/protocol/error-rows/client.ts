import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

/** Talking to relays, holding the pen, following. */
export const CLIENT_ERRORS = {
  "chain-damaged": fatal(
    "The agent's own chain file does not verify at the line that details name.",
    "Move the chain folder away, keep it, and start again: what relays hold is fetched back.",
    EXIT.refusedForSafety,
  ),
  "chain-missing": fatal(
    "No relay that answered has an event of this agent, and this home did not make its genesis.",
    "Restore the chain from a backup, or reach a relay that has it; a second chain is never begun.",
    EXIT.refusedForSafety,
  ),
  "chain-write-failed": fatal(
    "The agent's own chain could not be written; nothing was sent.",
    "Free space or replace the disk, then start again.",
  ),
  closed: fatal("Something was used after it was closed, or was closed while this waited for it.", "Open it again."),
  "connection-lost": passing(
    "The connection to a relay broke.",
    "Whatever still runs makes it again by itself, and sends again what was not answered; else run the command again.",
    EXIT.unreachable,
  ),
  "follow-agents": fatal(
    "Agents are followed by their whole chains, and not so many at once.",
    "Choose among the items of the follow instead of by kinds, to or tags; follow at most 256 agents in one.",
    EXIT.usage,
  ),
  "follow-limit": fatal(
    "The connection has as many follows as the relay allows.",
    "Unfollow one, or follow with a wider filter.",
  ),
  "follow-relays": fatal(
    "A follow reads 1 to 30 different relays.",
    "Name each relay once, by its one spelling.",
    EXIT.usage,
  ),
  "follow-state": fatal(
    "The stored state of a follow cannot be understood; details.field names what.",
    "Restore it from a copy, or begin anew from the start.",
  ),
  "no-quorum": passing(
    "Too few relays answered, or agreed: the pen was not claimed, and nothing was signed.",
    "Try again in a moment, or wait with ants publish --wait; ants doctor says which relays are missing. Reading goes on.",
    EXIT.unreachable,
  ),
  "no-relays": fatal("The identity names no relay.", "Name relays in the identity log first.", EXIT.usage),
  "pen-lost": fatal(
    "This instance no longer holds the pen; the message says who does.",
    "Stop all effects; claim anew to continue here.",
    EXIT.refusedForSafety,
  ),
  "pen-unconfirmed": passing(
    "It is not certain that the pen is held: a relay says that it is lost, or no quorum has confirmed it within 15 seconds.",
    "Have no effects now; check again in a moment: it passes by itself when the relays answer. If not: ants doctor.",
    EXIT.unreachable,
  ),
  "publish-unknown": fatal(
    "Whether signed events are committed is not known yet; details name them.",
    "Do not publish them again: they are on this disk, and the next start sends them, or says that they lost their place.",
    EXIT.partlyDone,
  ),
  "relay-altered": fatal(
    "A relay served a line that does not verify.",
    "Read from another relay; keep the line, it is evidence.",
    EXIT.refusedForSafety,
  ),
  "relay-key-changed": fatal(
    "A relay signs its tree heads with another key than before, under the same stream.",
    "Ask its operator. Until that is explained, take it for another relay.",
    EXIT.refusedForSafety,
  ),
  "relay-omitted": fatal(
    "A relay names an event as its head and does not deliver it.",
    "Read from another relay.",
    EXIT.refusedForSafety,
  ),
  "relay-protocol": fatal(
    "What the relay sent is not what the protocol asks for.",
    "Update the older side; read from another relay.",
  ),
  "relay-refused": fatal(
    "A relay refused with a code that relays don't send, or that this version doesn't know: details.code.",
    "Read its message; update this side if the relay is newer, else use another relay.",
  ),
  "relay-rewrote": fatal(
    "A relay shows another history than the one it signed; details hold both signed heads where there are two.",
    "Keep the details, they are evidence that anyone can check; read from other relays.",
    EXIT.refusedForSafety,
  ),
  "relay-unproven": fatal(
    "A relay gives no proof that what it serves to this reader is the history that it signed before.",
    "Read from other relays too; the saved place stays where the last proof ends. A proxy that only passes WebSockets does this as well.",
    EXIT.refusedForSafety,
  ),
  "relay-unreachable": passing(
    "There is no connection to the relay.",
    "Check its URL and the network, and try again; whatever still runs does so by itself.",
    EXIT.unreachable,
  ),
  "relay-url": fatal(
    "Text is not the URL of a relay.",
    "Give an address like wss://relay.example or ws://127.0.0.1:7777.",
    EXIT.usage,
  ),
  "request-timeout": passing(
    "A request, a message or an answer took longer than it may.",
    "Try again; look at the network and at how much is sent at once.",
  ),
} as const satisfies Record<string, ErrorRow>;
