import { type ErrorRow, EXIT, fatal } from "./row.js";

/** What is done by the clock. */
export const SCHEDULE_ERRORS = {
  "schedule-attended": fatal(
    "The vault opens with a person at a terminal only, and backups are made when nobody is there.",
    "Set ANTS_PASSPHRASE_COMMAND or ANTS_PASSPHRASE_FILE, or give the service the systemd credential ants-passphrase.",
    EXIT.usage,
  ),
} as const satisfies Readonly<Record<string, ErrorRow>>;
