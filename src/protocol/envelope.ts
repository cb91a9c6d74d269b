/** Reads the fields of one envelope. Every error names `t`, the `ref` to answer (where it could be read) and the field. */
import { AntsError, isAntsError } from "../../keys/errors.js";
import { parseCursor } from "./cursor.js";
import type { ChainHead } from "./event.js";
import { HASH, isInteger, isText } from "./grammar.js";
import { MAX_CHECKPOINT_LENGTH, MAX_DETAILS_LENGTH, MAX_MESSAGE_LENGTH } from "./limits.js";
import type { Refusal } from "./refusal.js";

/** Codes are lower-case words joined by hyphens. */
const CODE = /^[a-z][a-z0-9-]{0,63}$/;

export class EnvelopeReader {
  readonly #envelope: Readonly<Record<string, unknown>>;
  readonly #entries: number;

  /** `entries` is how many lines came after the envelope. */
  constructor(envelope: Readonly<Record<string, unknown>>, entries: number) {
    this.#envelope = envelope;
    this.#entries = entries;
  }

  /** The message type; any string, since a newer side may know more of them. */
  t(): string {
    const { t } = this.#envelope;
    if (typeof t !== "string") throw this.bad("t", "the message's type");
    return t;
  }

  ref(): number {
    return this.integer("ref", 0);
  }

  has(field: string): boolean {
    return this.#envelope[field] !== undefined;
  }

  raw(field: string): unknown {
    return this.#envelope[field];
  }

  integer(field: string, min: number): number {
    const value = this.#envelope[field];
    if (!isInteger(value, min)) throw this.bad(field, `an integer from ${min}`);
    return value;
  }

  integers(field: string, min: number): number[] {
    const value = this.#envelope[field];
    if (!Array.isArray(value) || !value.every((item) => isInteger(item, min))) {
      throw this.bad(field, `an array of integers from ${min}`);
    }
    return value;
  }

  text(field: string, pattern: RegExp, expected: string): string {
    const value = this.#envelope[field];
    if (!isText(value, pattern)) throw this.bad(field, expected);
    return value;
  }

  cursor(field: string): string {
    const value = this.#envelope[field];
    if (typeof value !== "string") throw this.bad(field, "a cursor");
    this.within(() => parseCursor(value));
    return value;
  }

  checkpoint(field: string): string {
    const value = this.#envelope[field];
    if (typeof value !== "string" || value.length > MAX_CHECKPOINT_LENGTH) {
      throw this.bad(field, `a signed checkpoint of at most ${MAX_CHECKPOINT_LENGTH} characters`);
    }
    return value;
  }

  /** true, false, or absent for `fallback`. */
  flag(field: string, fallback: boolean): boolean {
    const value = this.#envelope[field] ?? fallback;
    if (typeof value !== "boolean") throw this.bad(field, "true or false");
    return value;
  }

  object(field: string): Readonly<Record<string, unknown>> {
    const value = this.#envelope[field];
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.bad(field, "an object");
    return value as Record<string, unknown>;
  }

  chainHead(field: string): ChainHead {
    const { epoch, seq, id } = this.object(field);
    if (!isInteger(epoch, 1) || !isInteger(seq, 0) || !isText(id, HASH)) throw this.bad(field, "{epoch, seq, id}");
    return { epoch, seq, id };
  }

  refusal(): Refusal {
    const code = this.text("code", CODE, "an error code");
    const message = this.raw("message") ?? code;
    if (typeof message !== "string") throw this.bad("message", "text");
    return {
      code,
      message: message.slice(0, MAX_MESSAGE_LENGTH),
      retryable: this.flag("retryable", false),
      ...(this.has("retryAfterMs") ? { retryAfterMs: this.integer("retryAfterMs", 0) } : {}),
      ...(this.has("details") ? this.#details() : {}),
    };
  }

  /** Details are for people and for programs that know the code: what is too large for that is left out. */
  #details(): Pick<Refusal, "details"> {
    const details = this.object("details");
    return isSmall(details, MAX_DETAILS_LENGTH) ? { details } : {};
  }

  /** Throws unless min to max entries came with the envelope. */
  entries(min: number, max: number): void {
    if (this.#entries >= min && this.#entries <= max) return;
    const expected = max === min ? `${min}` : max === Number.POSITIVE_INFINITY ? `at least ${min}` : `${min} to ${max}`;
    throw this.bad("entries", `${expected} entry lines, got ${this.#entries}`);
  }

  get entryCount(): number {
    return this.#entries;
  }

  /** Runs another parser; its errors get this message's `t` and `ref`. */
  within<Value>(parse: () => Value): Value {
    try {
      return parse();
    } catch (error) {
      if (!isAntsError(error)) throw error;
      throw new AntsError(error.code, error.message, {
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        details: { ...error.details, ...this.#place() },
      });
    }
  }

  bad(field: string, expected: string): AntsError {
    const { t } = this.#envelope;
    const message = typeof t === "string" ? `${t.slice(0, 64)}, ${field}` : field;
    return new AntsError("bad-message", `${message}: expected ${expected}`, {
      details: { ...this.#place(), field, expected },
    });
  }

  unknown(known: readonly string[]): AntsError {
    const t = this.t().slice(0, 64);
    return new AntsError("unknown-message", `unknown message type ${JSON.stringify(t)}: expected ${known.join(", ")}`, {
      details: { ...this.#place(), expected: known },
    });
  }

  #place(): Record<string, unknown> {
    const { t, ref } = this.#envelope;
    return { ...(typeof t === "string" ? { t: t.slice(0, 64) } : {}), ...(isInteger(ref, 0) ? { ref } : {}) };
  }
}

/** Whether a value takes at most so many characters as JSON; false also for one that is nested too deep to be written. */
function isSmall(value: object, maxLength: number): boolean {
  try {
    return JSON.stringify(value).length <= maxLength;
  } catch {
    return false;
  }
}
