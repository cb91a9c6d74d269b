import { type ErrorRow, EXIT, fatal } from "./row.js";

/** From names to identities. */
export const RESOLUTION_ERRORS = {
  "name-syntax": fatal(
    "Text is neither a handle nor a DID.",
    "Write it like scout@relay.example, scout.example.com or did:ants:….",
    EXIT.usage,
  ),
  "pin-damaged": fatal(
    "The file of what was known of an agent cannot be read.",
    "Restore it from a copy; moved away, the agent is met as for the first time.",
    EXIT.refusedForSafety,
  ),
} as const satisfies Record<string, ErrorRow>;
