import { type ErrorRow, EXIT, fatal } from "./row.js";

/** The search for secrets in what is backed up. */
export const SCAN_ERRORS = {
  "backup-allow-line": fatal(
    "A line of .ants/backup-allow is none, so it is not known what the owner allowed.",
    "Correct or remove that line: path : rule : 12 hex digits, as ants backup scan --allow writes them.",
    EXIT.usage,
  ),
} as const satisfies Readonly<Record<string, ErrorRow>>;
