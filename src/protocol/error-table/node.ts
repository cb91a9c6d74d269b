import { BACKUP_ERRORS } from "../error-rows/backups.js";
import { DRILL_ERRORS } from "../error-rows/drill.js";
import { JOIN_ERRORS } from "../error-rows/joining.js";
import { MIGRATION_ERRORS } from "../error-rows/migration.js";
import { PROGRAM_ERRORS } from "../error-rows/programs.js";
import { RELAY_FOLDER_ERRORS } from "../error-rows/relay-folder.js";
import { RELAYS_ERRORS } from "../error-rows/relays.js";
import { RESTORE_ERRORS } from "../error-rows/restoring.js";
import type { ErrorRow } from "../error-rows/row.js";
import { SCAN_ERRORS } from "../error-rows/scan.js";
import { SCHEDULE_ERRORS } from "../error-rows/schedule.js";
import { SECRET_ERRORS } from "../error-rows/secrets.js";
import { STEP_ERRORS } from "../error-rows/steps.js";
import { SUCCESSION_ERRORS } from "../error-rows/succession.js";
import { VAULT_ERRORS } from "../error-rows/vault.js";
import { ROWS as ROWS_OF_PAGES } from "./web.js";

/** The rows of every code: those of pages, and of what has files, processes and a terminal. */
export const ROWS = {
  ...ROWS_OF_PAGES,
  ...BACKUP_ERRORS,
  ...DRILL_ERRORS,
  ...JOIN_ERRORS,
  ...MIGRATION_ERRORS,
  ...PROGRAM_ERRORS,
  ...RELAY_FOLDER_ERRORS,
  ...RELAYS_ERRORS,
  ...RESTORE_ERRORS,
  ...SCAN_ERRORS,
  ...SCHEDULE_ERRORS,
  ...SECRET_ERRORS,
  ...STEP_ERRORS,
  ...SUCCESSION_ERRORS,
  ...VAULT_ERRORS,
} as const satisfies Record<string, ErrorRow>;
