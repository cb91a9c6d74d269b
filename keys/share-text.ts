import { zero } from "./bytes.js";
import { AntsError } from "./errors.js";
import { CHECK_WORDS, checkNumbers, checkRow } from "./word-code.js";
import { numberOfWord, splitWords, WORDS } from "./word-list.js";

/**
 * A share as people keep it: 34 words of the BIP-39 list, on paper like the phrase.
 *
 * ```
 * 31 words = 341 bits:  version (5) · set (28) · threshold − 1 (4) · shares − 1 (4) · index − 1 (4) · value (296)
 *  3 words of check:    any three wrong words are noticed, and one that is wrong is told by its place (word-code.ts)
 * ```
 * Version and set fill three words: shares that belong together begin alike. A text may number its words and have lines
 * that begin with "#".
 */
export interface Share {
  /** Drawn at random for each splitting: 28 bits. */
  readonly set: number;
  /** How many shares bring the phrase back. */
  readonly threshold: number;
  /** How many were made. */
  readonly shares: number;
  /** Which of them this is, from 1. */
  readonly index: number;
  /** 36 bytes and the share's coordinate: secret. */
  readonly value: Uint8Array;
  /** The 34 words with single spaces: secret. */
  readonly words: string;
}

/** Four bits, and more than anybody should have to find again. */
export const MAX_SHARES = 16;

const VERSION = 1;
const WORD_BITS = 11;
const DATA_WORDS = 31;
/** Words of a share. */
export const SHARE_WORDS = DATA_WORDS + CHECK_WORDS;
const VALUE_BYTES = 37;
/** Widths of what comes before the value: version, set, threshold − 1, shares − 1, index − 1. */
const HEAD_WIDTHS = [5, 28, 4, 4, 4] as const;

/** A share with its words. */
export function formatShare(share: Omit<Share, "words">): Share {
  const { set, threshold, shares, index, value } = share;
  const head = [VERSION, set, threshold - 1, shares - 1, index - 1];
  const bits = [...head.flatMap((field, i) => bitsOf(field, HEAD_WIDTHS[i]!)), ...[...value].flatMap(byteBits)];
  const numbers = Array.from({ length: DATA_WORDS }, (_, i) =>
    numberOf(bits.slice(i * WORD_BITS, (i + 1) * WORD_BITS)),
  );
  const words = [...numbers, ...checkNumbers(numbers)].map((number) => WORDS[number]!).join(" ");
  return { ...share, words };
}

/**
 * Reads a share in any case and spacing. Throws AntsError "share-words" (another number of words, or one that isn't in
 * the list: details.position, from 1), "share-damaged" (words are wrong: details.position where it is known to be one),
 * "share-version". Errors never repeat a word. The caller zeroes `value`.
 */
export function parseShare(text: string): Share {
  const words = splitWords(text.replace(/^[ \t]*#.*$/gm, "")).filter((word) => !/^\d+[.:)]?$/.test(word));
  if (words.length !== SHARE_WORDS) {
    throw new AntsError("share-words", `expected the ${SHARE_WORDS} words of a share, got ${words.length}`, {
      hint: words.length === 24 || words.length === 25 ? "this is a whole phrase, not a share of one" : COMPARE,
    });
  }
  const numbers = words.map(numberOfWord);
  const unknown = numbers.indexOf(-1);
  if (unknown !== -1) {
    throw new AntsError("share-words", `word ${unknown + 1} is not in the list of BIP-39 words`, {
      hint: "compare that word with what is written on the share",
      details: { position: unknown + 1 },
    });
  }
  const check = checkRow(numbers);
  if (check.status !== "right") throw damaged(check.status === "one-wrong" ? check.index + 1 : undefined);
  return { ...unpacked(numbers), words: words.join(" ") };
}

function unpacked(numbers: readonly number[]): Omit<Share, "words"> {
  const bits = numbers.slice(0, DATA_WORDS).flatMap((number) => bitsOf(number, WORD_BITS));
  let at = 0;
  const take = (width: number): number => {
    at += width;
    return numberOf(bits.slice(at - width, at));
  };
  const [version, set, threshold, shares, index] = HEAD_WIDTHS.map(take) as [number, number, number, number, number];
  if (version !== VERSION) {
    throw new AntsError("share-version", `expected a share of version ${VERSION}, got version ${version}`, {
      hint: "it was made by a newer ants: update this one",
    });
  }
  const value = Uint8Array.from({ length: VALUE_BYTES }, () => take(8));
  const share = { set, threshold: threshold + 1, shares: shares + 1, index: index + 1, value };
  if (share.threshold >= 2 && share.threshold <= share.shares && share.index <= share.shares) return share;
  zero(value);
  throw new AntsError("share-damaged", "the words fit each other, but say nothing that a share can say", {
    hint: "it was not made by ants, or was altered",
  });
}

function damaged(position: number | undefined): AntsError {
  const message =
    position === undefined
      ? "several words are wrong, or out of place: they do not fit each other"
      : `word ${position} is wrong: it does not fit the others`;
  return new AntsError("share-damaged", message, {
    hint: position === undefined ? COMPARE : "compare that word with what is written on the share, and then the others",
    details: position === undefined ? {} : { position },
  });
}

const COMPARE = "compare all words with what is written on the share";

function byteBits(byte: number): number[] {
  return bitsOf(byte, 8);
}

/** Highest bit first. */
function bitsOf(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, i) => (value >>> (width - 1 - i)) & 1);
}

function numberOf(bits: readonly number[]): number {
  return bits.reduce((value, bit) => value * 2 + bit, 0);
}
