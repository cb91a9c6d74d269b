import { type ErrorRow, EXIT, fatal } from "./row.js";

/** What stops a relay that looks at its data folder. */
export const RELAY_FOLDER_ERRORS = {
  "head-damaged": fatal(
    "The file with the relay's last signed tree head holds none.",
    "Restore it from a copy of the data folder, or start a new stream.",
    EXIT.refusedForSafety,
  ),
  "index-failed": fatal(
    "The relay's index does not fit its log.",
    "Stop the relay, delete data/index and start it again: it is rebuilt from the log.",
  ),
  "index-mismatch": fatal(
    "The relay's index lacks an entry of its log, or has it at another position.",
    "Stop the relay, delete data/index and start it again: it is rebuilt from the log.",
  ),
  "index-needs-pruned": fatal(
    "The index must be rebuilt, and the log no longer has its beginning.",
    "Restore data/index, or the older segments, from a copy.",
  ),
  "log-behind-head": fatal(
    "The relay's log is shorter than the tree head that it signed: entries are lost.",
    "Restore the newest copy of the data folder; without one, start a new stream.",
    EXIT.refusedForSafety,
  ),
  "log-damaged": fatal(
    "The relay's log is damaged at the position that details name.",
    "Check it with ants relay verify; restore the newest copy of the data folder.",
    EXIT.refusedForSafety,
  ),
  "log-missing": fatal(
    "The relay's data folder has its key and stream, and no log.",
    "Restore the log from a copy of the data folder, or start once with --new-stream.",
    EXIT.refusedForSafety,
  ),
  "log-rewritten": fatal(
    "The relay's log is not the one that its tree or its signed head was made of.",
    "Restore the newest copy of the data folder; without one, start a new stream.",
    EXIT.refusedForSafety,
  ),
  "log-torn": fatal(
    "The relay's log ends within a line, as a crash leaves it.",
    "Start the relay: the line was never acknowledged and is cut.",
  ),
  "relay-file-damaged": fatal(
    "The file with the relay's key and stream cannot be read.",
    "Restore it from a copy of the data folder.",
  ),
  "relay-file-missing": fatal(
    "The file with the relay's key and stream is gone, but there is a log beside it.",
    "Restore it from a copy of the data folder, or start a new stream.",
    EXIT.refusedForSafety,
  ),
  "relay-file-version": fatal(
    "The data folder was written by another version of the format.",
    "Run the version that wrote it, or a newer one.",
  ),
  "tree-damaged": fatal(
    "The relay's tree is missing or wrong, and the log it could be computed from no longer has its beginning.",
    "Restore the folders log and tree from a copy, or start a new stream.",
  ),
} as const satisfies Record<string, ErrorRow>;
