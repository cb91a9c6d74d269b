import { type ErrorRow, EXIT, fatal } from "./row.js";

/** Steps: effects with their intent before and their outcome after them on the chain. */
export const STEP_ERRORS = {
  "step-failed": fatal(
    "What an effect throws to say that it certainly did not happen; the step's outcome is failed then.",
    "Run the step with again once the reason is gone.",
  ),
  "step-input": fatal(
    "The input or result of a step is no JSON that a line can hold, or has more than 16,384 bytes.",
    "Keep large things in files and their names or hashes here; numbers are integers, and there is no null.",
    EXIT.usage,
  ),
  "step-key": fatal(
    "A step's key or name has the wrong form, or the key is another step's already.",
    "Give every step a key of its own: docs/steps.md says how.",
    EXIT.usage,
  ),
  "step-result": fatal(
    "The step is done and recorded so; what its effect gave could not be kept as its result.",
    "Don't run it again. Keep large results in files and give their names or hashes.",
  ),
  "step-unknown": fatal(
    "The intent of a step is on the chain and no outcome: it happened, or it did not, and it is not run again.",
    "Find out at its receiver, by its idempotency key; then settle it, or run it with verify (docs/steps.md).",
    EXIT.refusedForSafety,
  ),
  "step-unreadable": fatal(
    "A step on the chain is sealed under a key that this vault lacks, so what was done is not known.",
    "Bring the vault from where the key was replaced (ants vault export, ants vault import), or ants recover with the words.",
    EXIT.refusedForSafety,
  ),
} as const satisfies Record<string, ErrorRow>;
