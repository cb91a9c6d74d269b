import { constants } from "node:os";
import { AntsError } from "../errors.js";

/** Is this a system error with one of these codes ("ENOENT", …)? */
export function hasErrno(error: unknown, ...codes: readonly string[]): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && codes.includes(code);
}

/**
 * A failed call to the file system as an AntsError, with the path and the way out. `doing` completes "could not …".
 * Codes: "disk-full" (ENOSPC, EDQUOT), "disk-read-only" (EROFS), "disk-denied" (EACCES, EPERM), else "disk-failed".
 * An AntsError passes through unchanged.
 */
export function diskError(error: unknown, doing: string, path: string): AntsError {
  if (error instanceof AntsError) return error;
  const errno = errnoOf(error);
  const { code, because, hint } = meaning(errno);
  return new AntsError(code, `could not ${doing} ${path}: ${because}`, {
    cause: error,
    hint,
    details: { path, errno },
  });
}

function errnoOf(error: unknown): string {
  const { code, errno } = (error ?? {}) as { code?: unknown; errno?: unknown };
  // libuv has no name for a used-up quota: node calls it "Unknown system error -122".
  if (errno === -constants.errno.EDQUOT) return "EDQUOT";
  return typeof code === "string" ? code : "an unknown error";
}

function meaning(errno: string): { code: string; because: string; hint: string } {
  switch (errno) {
    case "ENOSPC":
    case "EDQUOT":
      return {
        code: "disk-full",
        because: errno === "ENOSPC" ? "no space is left on the device" : "the disk quota is used up",
        hint: "free some space (df -h shows where) and try again; what was there before is unchanged",
      };
    case "EROFS":
      return {
        code: "disk-read-only",
        because: "the file system is mounted read-only",
        hint: "remount it writable or choose another folder; what was there before is unchanged",
      };
    case "EACCES":
    case "EPERM":
      return {
        code: "disk-denied",
        because: "the operating system denied access",
        hint: "check the owner and mode of the file and its folder (ls -la), or choose another folder",
      };
    case "ENOENT":
    case "ENOTDIR":
      return {
        code: "disk-failed",
        because: "there is no such file or folder",
        hint: "check the path, and that its disk is mounted",
      };
    case "EISDIR":
      return {
        code: "disk-failed",
        because: "that is a folder, and a file is meant",
        hint: "name a file",
      };
    default:
      return {
        code: "disk-failed",
        because: `the operating system answered ${errno}`,
        hint: "look at the system's log (dmesg) for the cause before trying again",
      };
  }
}
