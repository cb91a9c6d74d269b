/** Errors as the wire carries them, in both directions. */
import { AntsError, isAntsError } from "../../keys/errors.js";
import { isRetryable } from "./errors.js";
import { MAX_MESSAGE_LENGTH } from "./limits.js";
import { WIRE_CODES } from "./wire-codes.js";

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

/** An error of which only another side's word is known. */
class RefusalError extends AntsError {}

/**
 * Whether an error is what another side said, and not something that was found out here. The same code means less then:
 * one relay that says `key-not-live` is no proof of it.
 */
export function isRefusal(error: unknown): boolean {
  return error instanceof RefusalError;
}

/**
 * The refusal that another side sent, as an error of this side; its details hold what the refusal said beside. A code
 * that relays don't send ({@link WIRE_CODES}) becomes `relay-refused` with `details.code`.
 */
export function errorOfRefusal(refusal: Refusal): AntsError {
  const { code, message, retryable, retryAfterMs, details } = refusal;
  const isKnown = WIRE_CODES.has(code);
  return new RefusalError(isKnown ? code : "relay-refused", message, {
    details: {
      ...details,
      ...(isKnown ? {} : { code }),
      retryable,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  });
}
