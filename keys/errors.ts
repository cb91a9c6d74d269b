/** What an {@link AntsError} carries besides its code and its text. */
export interface AntsErrorOptions {
  /** What the reader can do about it, best of all a command that can be run. */
  hint?: string;
  /** The error underneath. */
  cause?: unknown;
  /** Facts for programs (numbers, names, paths). Never secrets: details are printed and logged. */
  details?: Record<string, unknown>;
}

/**
 * Every failure of this package. `code` is stable and is what programs compare; the text is for people and may change.
 * docs/errors.md lists all codes with their meaning and the way out.
 */
export class AntsError extends Error {
  override readonly name = "AntsError";
  /** Stable, lower-case, words joined by hyphens. */
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: AntsErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/**
 * Is this an {@link AntsError}, and if `code` is given, one with that code? Compares name and code, not the class:
 * a program may hold two copies of this package (source and bundle, two versions) and still recognise its errors.
 */
export function isAntsError(error: unknown, code?: string): error is AntsError {
  if (typeof error !== "object" || error === null) return false;
  const candidate = error as { name?: unknown; code?: unknown };
  if (candidate.name !== "AntsError" || typeof candidate.code !== "string") return false;
  return code === undefined || candidate.code === code;
}
