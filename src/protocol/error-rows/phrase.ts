import { type ErrorRow, EXIT, fatal } from "./row.js";

/** Recovery words and shares of them as people give them back, copies of a vault, and a second device. */
export const PHRASE_ERRORS = {
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
  "share-damaged": fatal(
    "Words of a share are wrong or out of place; details.position says which, where it is one.",
    "Compare the words with what is written on the share.",
    EXIT.usage,
  ),
  "share-duplicate": fatal("The same share was given twice.", "Give each share once.", EXIT.usage),
  "share-mismatch": fatal(
    "Shares that are whole and of one set do not give a phrase together: one was not made with the others.",
    "Try with another share in the place of each.",
    EXIT.usage,
  ),
  "share-other-set": fatal(
    "Shares of different sets do not go together.",
    "Take shares that begin with the same three words.",
    EXIT.usage,
  ),
  "share-policy": fatal(
    "A phrase is split into 2 to 16 shares, of which 2 or more bring it back.",
    "Choose such numbers, for example --shares 3 --threshold 2.",
    EXIT.usage,
  ),
  "share-too-few": fatal(
    "There are fewer shares than the set needs; fewer say nothing about the phrase.",
    "Find more shares of the set.",
    EXIT.usage,
  ),
  "share-version": fatal("A share was made by a newer version.", "Update this one.", EXIT.usage),
  "share-words": fatal(
    "Text is not the 34 words of a share.",
    "Compare every word with what is written on the share.",
    EXIT.usage,
  ),
} as const satisfies Record<string, ErrorRow>;
