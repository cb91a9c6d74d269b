/**
 * The one table of every error code of the project: what it means, the way out, whether the same attempt may succeed
 * later, and the exit code of a program that ends with it. The rows are in error-rows/, by subject. docs/errors.md is
 * generated from this (`node scripts/errors-doc.mjs`).
 */
import { isAntsError } from "../../keys/errors.js";
import { BACKUP_ERRORS } from "./error-rows/backups.js";
import { CLIENT_ERRORS } from "./error-rows/client.js";
import { DRILL_ERRORS } from "./error-rows/drill.js";
import { HANDLE_ERRORS } from "./error-rows/handles.js";
import { IDENTITY_ERRORS } from "./error-rows/identity.js";
import { MESSAGE_ERRORS } from "./error-rows/messages.js";
import { MIGRATION_ERRORS } from "./error-rows/migration.js";
import { PEN_ERRORS } from "./error-rows/pen.js";
import { PHRASE_ERRORS } from "./error-rows/phrase.js";
import { PROGRAM_ERRORS } from "./error-rows/programs.js";
import { RELAY_ERRORS } from "./error-rows/relay.js";
import { RELAYS_ERRORS } from "./error-rows/relays.js";
import { RESOLUTION_ERRORS } from "./error-rows/resolution.js";
import { RESTORE_ERRORS } from "./error-rows/restoring.js";
import { type ErrorRow, EXIT, type ExitCode } from "./error-rows/row.js";
import { SCAN_ERRORS } from "./error-rows/scan.js";
import { SCHEDULE_ERRORS } from "./error-rows/schedule.js";
import { SECRET_ERRORS } from "./error-rows/secrets.js";
import { STATEMENT_ERRORS } from "./error-rows/statements.js";
import { STEP_ERRORS } from "./error-rows/steps.js";
import { SUCCESSION_ERRORS } from "./error-rows/succession.js";
import { VAULT_ERRORS } from "./error-rows/vault.js";

export { type ErrorRow, EXIT, type ExitCode };

export const ERRORS = {
  ...BACKUP_ERRORS,
  ...CLIENT_ERRORS,
  ...DRILL_ERRORS,
  ...HANDLE_ERRORS,
  ...IDENTITY_ERRORS,
  ...PEN_ERRORS,
  ...MIGRATION_ERRORS,
  ...PHRASE_ERRORS,
  ...MESSAGE_ERRORS,
  ...PROGRAM_ERRORS,
  ...RELAY_ERRORS,
  ...RESOLUTION_ERRORS,
  ...SCAN_ERRORS,
  ...SCHEDULE_ERRORS,
  ...RESTORE_ERRORS,
  ...SECRET_ERRORS,
  ...RELAYS_ERRORS,
  ...STATEMENT_ERRORS,
  ...STEP_ERRORS,
  ...SUCCESSION_ERRORS,
  ...VAULT_ERRORS,
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** The row of a code, or undefined for a code that this version doesn't know (a newer relay's, for example). */
export function errorRow(code: string): ErrorRow | undefined {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : undefined;
}

/** Whether the same attempt may succeed later; false for a code that this version doesn't know. */
export function isRetryable(code: string): boolean {
  return errorRow(code)?.retryable ?? false;
}

/** The exit code of a program that ends with `error`: the table's, or 1 for whatever else was thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  return (isAntsError(error) ? errorRow(error.code)?.exit : undefined) ?? EXIT.failed;
}
