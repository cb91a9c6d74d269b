/** Errors as the wire carries them, in both directions. */
import { AntsError, isAntsError } from "../../keys/errors.js";
import { isRetryable } from "./errors.js";
import { MAX_MESSAGE_LENGTH } from "./limits.js";

/** What every refusal says. */
export interface Refusal {
  /** Stable: docs/errors.md lists all. */
  readonly code: string;
  /** For people. */
  readonly message: string;
  /** The same attempt may succeed later. */
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  /** Facts for programs, by code. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The refusal that tells the other side about `error`. Only an {@link AntsError} is told; anything else is a fault of
 * this side and is thrown on, since its text may hold what must not leave. `details.retryAfterMs` becomes the field.
 */
export function refusalOf(error: unknown): Refusal {
  if (!isAntsError(error)) throw error;
  const { retryAfterMs, ref: _, ...details } = error.details;
  return {
    code: error.code,
    message: error.message.slice(0, MAX_MESSAGE_LENGTH),
    retryable: isRetryable(error.code),
    ...(typeof retryAfterMs === "number" ? { retryAfterMs } : {}),
    ...(Object.keys(details).length === 0 ? {} : { details }),
  };
}

/** The refusal that another side sent, as an error of this side; its details hold what the refusal said beside. */
export function errorOfRefusal(refusal: Refusal): AntsError {
  const { code, message, retryable, retryAfterMs, details } = refusal;
  return new AntsError(code, message, {
    details: { ...details, retryable, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });
}
