import { type ErrorRow, EXIT, fatal } from "./row.js";

/** Moving an agent to another host. */
export const MIGRATION_ERRORS = {
  "home-moved": fatal(
    "The agent of this home has moved to another host, or is about to.",
    "Work with it where it lives now; ants migrate out finishes a move that was cut off, or takes it back with --cancel.",
    EXIT.refusedForSafety,
  ),
  "move-arrived": fatal(
    "The agent has been at work on the new host: the move cannot be taken back.",
    "Work with it there, or have it moved back from there with ants migrate out.",
    EXIT.refusedForSafety,
  ),
  "move-bundle": fatal(
    "The file is no bundle of ants migrate out, or it was altered or cut off on its way.",
    "Bring it again from the old host, or make it anew there with the same request.",
    EXIT.refusedForSafety,
  ),
  "move-bundle-missing": fatal(
    "There is no file at the path of the bundle.",
    "Check the path: --bundle names the file that ants migrate out wrote on the old host, once it is here.",
    EXIT.usage,
  ),
  "move-code": fatal(
    "The code that was typed is not that of the request.",
    "Type the code that the new host shows; if it was right, somebody changed the request on its way.",
    EXIT.refusedForSafety,
  ),
  "move-expired": fatal(
    "The request to move here is older than a day, or from a clock that is far off.",
    "Begin anew on the new host: ants migrate in --start.",
    EXIT.refusedForSafety,
  ),
  "move-no-handover": fatal(
    "The pen was not handed over to this host: the old one was cut off, or kept the agent.",
    "Run ants migrate out there again; if that host is gone for good: ants migrate in --bundle FILE --takeover.",
    EXIT.refusedForSafety,
  ),
  "move-no-request": fatal(
    "No request of this host waits for that bundle: it is another host's, or it was used.",
    "A bundle works once. Begin anew: ants migrate in --start here, ants migrate out where the agent lives.",
    EXIT.refusedForSafety,
  ),
  "move-other-agent": fatal(
    "The bundle holds another agent than the one that was named.",
    "Find out who made the bundle: a request is no secret, and anybody can seal an agent to it.",
    EXIT.refusedForSafety,
  ),
  "move-request": fatal(
    "The text is not the request of a host that an agent is to move to.",
    "Paste the whole line that ants migrate in --start printed there, or name its file.",
    EXIT.usage,
  ),
  "move-stale": fatal(
    "The agent went on after the bundle was made: it stayed where it was, or was packed again.",
    "Bring the newest bundle. Where its host is gone: ants backup restore, or ants recover with the words.",
    EXIT.refusedForSafety,
  ),
} as const satisfies Record<string, ErrorRow>;
