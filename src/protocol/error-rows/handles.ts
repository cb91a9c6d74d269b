import { type ErrorRow, EXIT, fatal } from "./row.js";

/** What a relay says to an agent about its name, or about its place there. */
export const HANDLE_ERRORS = {
  banned: fatal(
    "The relay's operator takes nothing more of this agent; what is there already is still served.",
    "Go on with the other relays, and name another one in its place.",
    EXIT.refusedForSafety,
  ),
  "handle-refused": fatal(
    "The relay doesn't give this name: it is one that nobody gets, or the agent has as many as the relay gives one.",
    "Choose another name; details.reason says why. A dropped name counts for 90 days.",
  ),
  "handle-taken": fatal(
    "The name is another agent's at this relay, or is kept for the one that dropped it less than 90 days ago.",
    "Choose another name, or another relay.",
  ),
} as const satisfies Record<string, ErrorRow>;
