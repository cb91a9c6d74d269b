import { AntsError } from "../../keys/errors.js";

/**
 * A failed call to the file system as "storage-failed", with what was being done and the system's own word (ENOSPC,
 * EIO …) in `details.errno`. An AntsError passes through.
 */
export function storageFailed(error: unknown, doing: string): AntsError {
  if (error instanceof AntsError) return error;
  const errno = (error as { code?: unknown } | null)?.code;
  const word = typeof errno === "string" ? errno : String(error);
  return new AntsError("storage-failed", `could not ${doing}: ${word}`, {
    hint:
      errno === "ENOSPC" || errno === "EDQUOT"
        ? "free some space (df -h shows where), then restart the relay; nothing acknowledged is lost"
        : "look at the system's log (dmesg) for the cause, then restart the relay; nothing acknowledged is lost",
    cause: error,
    ...(typeof errno === "string" ? { details: { errno } } : {}),
  });
}
