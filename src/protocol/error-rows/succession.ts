import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

/** Rotating, recovering and ending an identity. */
export const SUCCESSION_ERRORS = {
  "anchor-unknown": fatal(
    "The event that was named as the last good one is not here, or several could be meant.",
    "Look at the turns: ants rotate --turns.",
    EXIT.usage,
  ),
  "identity-not-found": passing(
    "No relay that answers has the identity log of this agent.",
    "Name a relay that has it: --relay wss://…",
    EXIT.unreachable,
  ),
  "not-confirmed": fatal(
    "What cannot be taken back was not confirmed.",
    "Run it again, and type the word or name --yes.",
    EXIT.refusedForSafety,
  ),
  "recover-not-found": fatal(
    "No relay that was named knows an agent of these recovery words.",
    "Check the words with ants phrase verify, and name a relay that the agent published to.",
  ),
  "recover-several": fatal("The recovery words rule several agents.", "Name one of them with --did.", EXIT.usage),
  "rotation-rival": fatal(
    "A quorum of the relays holds another rotate of the same era, made before this one.",
    "Take the newest state over with ants recover in an empty home.",
    EXIT.refusedForSafety,
  ),
  "rotation-unconfirmed": passing(
    "The operation is signed and kept, and a quorum of the relays has not confirmed it yet.",
    "Run the same command again when the relays answer; nothing is signed a second time.",
    EXIT.partlyDone,
  ),
  "rotation-unfinished": fatal(
    "A rotation is under way in this vault: its new key is not in force yet, or is in force already.",
    "Run ants rotate: it finishes without the recovery words.",
    EXIT.refusedForSafety,
  ),
} as const satisfies Record<string, ErrorRow>;
