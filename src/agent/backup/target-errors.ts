import { AntsError } from "../../../keys/errors.js";

/** What stands in the way at a target, as one error of the table. */
export type TargetFault = "backup-target" | "backup-target-denied" | "backup-target-full" | "backup-target-unreachable";

export function targetError(url: string, code: TargetFault, why: string, cause?: unknown): AntsError {
  return new AntsError(code, `${url}: ${why}`, {
    details: { target: url },
    ...(cause === undefined ? {} : { cause }),
  });
}

export function exists(url: string, name: string): AntsError {
  return new AntsError("backup-exists", `${url} has a ${name} already`, { details: { target: url, name } });
}

export function missing(url: string, name: string): AntsError {
  return new AntsError("backup-missing", `${url} has no ${name}`, {
    hint: "list what there is: ants backup list",
    details: { target: url, name },
  });
}

/** No place is no empty place: its disk may not be mounted, or its address is mistyped. `folder`: its path there. */
export function notThere(url: string, folder: string, cause?: unknown): AntsError {
  return new AntsError("backup-target-missing", `${url}: there is no folder ${folder}`, {
    hint: `is its disk mounted, and its address right? the first ants backup create makes it; if what was in it is gone for good: mkdir ${folder}`,
    details: { target: url, path: folder },
    ...(cause === undefined ? {} : { cause }),
  });
}

const MAX_QUOTED_CHARACTERS = 300;

/**
 * What a storage says, as a part of a message: one line that is no longer than a person reads, since it is kept in the
 * schedule's records, and without what the storage learnt from the requests (`secrets`).
 */
export function quoted(text: string, secrets: readonly string[] = []): string {
  const told = secrets.reduce((rest, secret) => rest.replaceAll(secret, "…"), text);
  const line = told.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length > MAX_QUOTED_CHARACTERS ? `${line.slice(0, MAX_QUOTED_CHARACTERS)}…` : line;
}
