/** Reads a request's query strictly: what is not understood is refused, not passed over. */
import { AntsError } from "../../keys/errors.js";
import type { Exchange } from "./exchange.js";

/** Throws `bad-request` for a query field that the route doesn't know: it may be a condition that would be ignored. */
export function onlyQuery({ url }: Exchange, known: readonly string[]): void {
  for (const name of url.searchParams.keys()) {
    if (!known.includes(name)) {
      throw new AntsError("bad-request", `unknown query field "${name}": expected ${known.join(", ") || "none"}`, {
        details: { field: name, expected: known },
      });
    }
  }
}

/** A whole number of the query. Throws `bad-request`. */
export function integerQuery(
  { url }: Exchange,
  name: string,
  bounds: { readonly min: number; readonly max?: number; readonly fallback?: number },
): number {
  const { min, max = Number.MAX_SAFE_INTEGER, fallback } = bounds;
  const text = url.searchParams.get(name);
  if (text === null && fallback !== undefined) return fallback;
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text ?? "") ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const shown = text === null ? "nothing" : `"${text.slice(0, 40)}"`;
  throw new AntsError("bad-request", `query field ${name}: expected a whole number ${min} to ${max}, got ${shown}`, {
    details: { field: name, min, max },
  });
}
