import { type ErrorRow, EXIT, fatal } from "./row.js";

/** Hand-overs and forks. */
export const PEN_ERRORS = {
  "fork-unproven": fatal(
    "Two lines were given as the proof of a fork, and they prove none; the message says why.",
    "A proof is two event lines of one agent and key with the same epoch and seq: ants forks --json prints them.",
  ),
  "handover-other-instance": fatal(
    "The hand-over names another instance than the one that was started with it.",
    "A hand-over works once, for the start that asked for it: ask for another one, or start without it.",
    EXIT.refusedForSafety,
  ),
  "handover-used": fatal(
    "The agent's chain does not end with this hand-over any more: it was used, or the old holder went on.",
    "A hand-over works once: hand over anew from where the agent is now.",
    EXIT.refusedForSafety,
  ),
} as const satisfies Record<string, ErrorRow>;
