import { type ErrorRow, EXIT, fatal } from "./row.js";

/** Named secrets of the vault, and what the chain says of them. */
export const SECRET_ERRORS = {
  "credential-refused": fatal(
    "A service did not take a credential: it was revoked there, or its account was closed.",
    "Put in a new one: ants secret rotate NAME. The next credential of the same secret is tried meanwhile.",
  ),
  "credentials-exhausted": fatal(
    "Every credential of a secret was refused or has expired.",
    "Put in a new one: ants secret rotate NAME --label LABEL, or try the refused ones again: --retry-refused.",
  ),
  "exec-failed": fatal(
    "The command could not be started.",
    "Check its name and its mode; it is started without a shell.",
  ),
  "secret-empty": fatal("A secret is empty.", "Give its value on stdin, with --file, or at the terminal.", EXIT.usage),
  "secret-exists": fatal(
    "There is a credential of this name and label already.",
    "A new version of it: ants secret rotate NAME; another account: ants secret set NAME --label OTHER.",
    EXIT.refusedForSafety,
  ),
  "secret-expired": fatal(
    "The secret has expired, by this host's clock.",
    "Put in a new one: ants secret rotate NAME; --allow-expired uses it all the same.",
    EXIT.refusedForSafety,
  ),
  "secret-not-text": fatal(
    "The secret is no text, or has a zero byte, so no variable of an environment can hold it.",
    "Hand it over through a pipe from ants secret get.",
    EXIT.usage,
  ),
  "secret-on-terminal": fatal(
    "The secret would be shown on a terminal.",
    "Send it into a pipe or a file; to see it all the same: --show.",
    EXIT.refusedForSafety,
  ),
  "secret-stale": fatal(
    "The agent's chain names a newer version of the secret, or says that it was revoked: this vault is an older copy.",
    "Restore the newest vault, or put the secret in anew: ants secret rotate NAME. --allow-stale uses it all the same.",
    EXIT.refusedForSafety,
  ),
  "secret-too-long": fatal(
    "A secret has more than 16,384 bytes.",
    "Keep large things in files, and their key here.",
    EXIT.usage,
  ),
  "secret-unknown": fatal(
    "The vault holds no such secret, credential or version.",
    "List what there is: ants secret list.",
  ),
  "secrets-full": fatal(
    "The vault holds as many secrets (256), or a secret as many credentials (8), as it may.",
    "Remove what is not used: ants secret rm NAME.",
  ),
} as const satisfies Record<string, ErrorRow>;
