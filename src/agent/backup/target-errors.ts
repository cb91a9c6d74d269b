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
