import { isAntsError } from "../../../keys/errors.js";
import { errorRow } from "../../protocol/errors.js";

/** `ok`: as it should be. `advice`: works, and could fail you. `broken`: the agent cannot do its work, or can be lost. */
export type Level = "ok" | "advice" | "broken";

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, stable: "vault", "relay ws://…". */
  readonly check: string;
  readonly level: Level;
  readonly found: string;
  /** What to do about it; present unless the level is ok. */
  readonly fix?: string;
}

export function ok(check: string, found: string): Finding {
  return { check, level: "ok", found };
}

export function advice(check: string, found: string, fix: string): Finding {
  return { check, level: "advice", found, fix };
}

export function broken(check: string, found: string, fix: string): Finding {
  return { check, level: "broken", found, fix };
}

/** A check that threw: its error is the finding. Throws what is no AntsError. */
export function brokenBy(check: string, error: unknown): Finding {
  if (!isAntsError(error)) throw error;
  return broken(
    check,
    error.message,
    error.hint ?? errorRow(error.code)?.wayOut ?? `see ${error.code} in docs/errors.md`,
  );
}
