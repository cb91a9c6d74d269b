import { type ErrorRow, EXIT, fatal } from "./row.js";

/** Recovery words and shares of them as people give them back. */
export const PHRASE_ERRORS = {
  "phrase-check-word": fatal(
    "The check word does not fit: a word of the recovery phrase is wrong or two are exchanged.",
    "Compare every word with what was written down.",
    EXIT.usage,
  ),
  "phrase-checksum": fatal(
    "The 24 words do not fit each other: one of them is wrong.",
    "Compare every word with what was written down.",
    EXIT.usage,
  ),
  "phrase-entropy": fatal("A recovery phrase stands for 32 bytes.", "Pass the entropy of parsePhrase."),
  "phrase-key-index": fatal("Recovery keys have the numbers 0, 1, 2 …", "Pass such a number."),
  "phrase-words": fatal(
    "Text is not 24 or 25 words of the BIP-39 list.",
    "Compare every word with what was written down.",
    EXIT.usage,
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
