import { type ErrorRow, EXIT, fatal } from "./row.js";

/** The search for secrets in what is backed up. */
export const SCAN_ERRORS = {
  "backup-allow-line": fatal(
    "A line of .ants/backup-allow is none, so it is not known what the owner allowed.",
    "Correct or remove that line: path : rule : 12 hex digits, as ants backup scan --allow writes them.",
    EXIT.usage,
  ),
  "backup-allow-nothing": fatal(
    "What was to be allowed was not found.",
    "Name it as ants backup scan prints it: PATH:LINE, or PATH for all findings of a file.",
    EXIT.usage,
  ),
  "backup-secret-found": fatal(
    "A file of the home holds what looks like a secret: no archive was made.",
    "Move it into the vault (ants secret set NAME); where it is none, ants backup scan --allow PATH:LINE. The scan shows where it is.",
    EXIT.refusedForSafety,
  ),
} as const satisfies Readonly<Record<string, ErrorRow>>;
