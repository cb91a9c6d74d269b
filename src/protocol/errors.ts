/**
 * The one table of every error code of the project: what it means, the way out, whether the same attempt may succeed
 * later, and the exit code of a program that ends with it. The rows are in error-rows/, by subject; a page has those of
 * the codes that it can meet. docs/errors.md is generated from this (`node scripts/errors-doc.mjs`).
 */
import { ROWS } from "#errors";
import { isAntsError } from "../../keys/errors.js";
import { type ErrorRow, EXIT, type ExitCode } from "./error-rows/row.js";

export { type ErrorRow, EXIT, type ExitCode };

export const ERRORS = ROWS;

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
