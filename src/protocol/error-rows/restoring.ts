import { type ErrorRow, EXIT, fatal } from "./row.js";

/** Restored homes: until they are activated they sleep. */
export const RESTORE_ERRORS = {
  "backup-signer-replaced": fatal(
    "The archive is signed by a key that a rotate replaced: whoever stole that key can make such archives, of any date.",
    "Take an archive that was made after the rotate. If you know that this one is older than the theft: --signed-by-replaced-key.",
    EXIT.refusedForSafety,
  ),
  "home-displaced": fatal(
    "The agent went on in another instance: an archive of this home would be of an older state.",
    "Stop this home's timer. Or go on here: ants publish claims the pen. Or archive it all the same: ants backup create --anyway.",
    EXIT.refusedForSafety,
  ),
  "home-dormant": fatal(
    "The home was restored from a backup and sleeps: nothing is claimed, signed or sent from it.",
    "Wake it: ants activate claims the pen. Whatever only reads works as it is.",
    EXIT.refusedForSafety,
  ),
  "restore-not-empty": fatal(
    "The folder to restore into is not empty; what is there is never overwritten.",
    "Name a folder that is empty or not there yet: --to DIR.",
    EXIT.refusedForSafety,
  ),
  "restore-place": fatal(
    "The folder cannot be filled as a whole: something is mounted there, or something is in the way.",
    "Name another folder, or one within it: --to DIR.",
    EXIT.usage,
  ),
} as const satisfies Record<string, ErrorRow>;
