import { type ErrorRow, EXIT, fatal } from "./row.js";

/** A second device, copies of a vault, and recovery words that are to be typed. */
export const JOIN_ERRORS = {
  "join-answer": fatal(
    "Text is not the answer to a request to join, was altered, or answers another request.",
    "Copy the whole line, or let the first device answer again: ants vault share --request FILE",
    EXIT.usage,
  ),
  "join-code": fatal(
    "The code that was typed is not that of the request: it is another device's, or somebody changed it on the way.",
    "Compare the request with the one on the new device; if they differ, somebody is between the two.",
    EXIT.refusedForSafety,
  ),
  "join-expired": fatal(
    "A request to join, or its answer, is older than an hour.",
    "Begin anew on the new device: ants join --did DID",
    EXIT.refusedForSafety,
  ),
  "join-no-identity": fatal(
    "The answer holds no identity whose keys these are. A device never makes an identity of its own to join.",
    "Let the first device answer again, with a home and a vault that ants vault verify finds in order.",
    EXIT.noVault,
  ),
  "join-no-request": fatal(
    "No request of this device waits for this answer: it was used already, expired, or made elsewhere.",
    "Begin anew: ants join --did DID",
    EXIT.refusedForSafety,
  ),
  "join-replayed": fatal(
    "This request to join was answered before.",
    "Make a new one on the new device: ants join --did DID",
    EXIT.refusedForSafety,
  ),
  "join-request": fatal(
    "Text is not a request to join.",
    "Copy the whole line that ants join printed on the new device.",
    EXIT.usage,
  ),
  "phrase-missing": fatal(
    "The recovery words are needed, no file with them is named, and there is no terminal to type them on.",
    "Name a 0600 file with the words (--phrase-file), or files with shares of them (--share-file).",
    EXIT.usage,
  ),
  "phrase-other-agent": fatal(
    "The recovery phrase is well formed, and does not rule this identity: it is another's, or an earlier one's.",
    "Use the words that were shown when this agent was made, or at its last change of phrase.",
    EXIT.wrongPassphrase,
  ),
  "vault-copy-damaged": fatal(
    "A copy of a vault was changed since it was made.",
    "Make another copy: ants vault export --out FILE",
    EXIT.refusedForSafety,
  ),
  "vault-copy-format": fatal(
    "The file is not a copy of a vault.",
    "Check the path: ants vault export --out FILE makes such a file.",
    EXIT.usage,
  ),
  "vault-newer": fatal(
    "The vault that is here knows more than the copy that was to take its place.",
    "Keep it; make a new copy where the agent runs: ants vault export --out FILE",
    EXIT.refusedForSafety,
  ),
} as const satisfies Record<string, ErrorRow>;
