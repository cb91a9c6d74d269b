import { sha256 } from "#platform";
import { letterDistance, nearWords } from "./near-words.js";
import { checkNumber, WORD_COUNT } from "./phrase.js";
import { multiply, power } from "./word-field.js";
import { numberOfWord, splitWords, WORDS } from "./word-list.js";

/**
 * What one slip may have made of a phrase that does not fit: a wrong word, a word of no list, two words exchanged, a
 * wrong check word. Each repair gives a phrase that fits; the right one is among them if there was one slip. With the
 * check word there is seldom more than one; without it some 190 words would fit, and only spelling ranks them.
 *
 * A repair is as secret as the words around it are not: whoever has the others needs only it.
 */
export interface PhraseRepair {
  readonly change: "word" | "exchange" | "check-word";
  /** Places in the phrase, from 1; the check word's is 25. */
  readonly positions: readonly number[];
  /** What would be there instead. */
  readonly words: readonly string[];
}

interface Ranked extends PhraseRepair {
  readonly distance: number;
}

/** More than a person compares. */
const MAX_REPAIRS = 10;
/** Unknown words beyond this are no slip. */
const MAX_UNKNOWN = 3;
/** Words tried for each of several unknown ones. */
const TRIED_FOR_EACH = 12;
/** Neighbours are exchanged more easily than others; both more rarely than a letter. */
const EXCHANGED_NEIGHBOURS = 1.5;
const EXCHANGED = 2.5;

/**
 * The repairs of 24 words, or 25 with the check word, likeliest first; [] for another number of words, for more slips
 * than one (up to three words of no list count as one), and for a phrase that fits.
 */
export function repairPhrase(text: string): PhraseRepair[] {
  const words = splitWords(text);
  if (words.length !== WORD_COUNT && words.length !== WORD_COUNT + 1) return [];
  const numbers = words.map(numberOfWord);
  const unknown = numbers.flatMap((number, i) => (number === -1 ? [i] : []));
  if (unknown.length === 0 && fits(numbers)) return [];
  const found =
    unknown.length === 0
      ? [...numbers.flatMap((_, i) => wordRepairs(words, numbers, i)), ...exchanges(words, numbers)]
      : unknown.length === 1
        ? wordRepairs(words, numbers, unknown[0]!)
        : unknownRepairs(words, numbers, unknown);
  return found
    .sort((a, b) => a.distance - b.distance)
    .slice(0, MAX_REPAIRS)
    .map(({ change, positions, words: instead }) => ({ change, positions, words: instead }));
}

/** Every word that makes the phrase fit in this place (from 0). */
function wordRepairs(words: readonly string[], numbers: readonly number[], i: number): Ranked[] {
  return candidates(numbers, i)
    .filter((number) => number !== numbers[i] && fits(numbers.with(i, number)))
    .map((number) => ({
      change: i === WORD_COUNT ? "check-word" : "word",
      positions: [i + 1],
      words: [WORDS[number]!],
      distance: letterDistance(words[i]!, WORDS[number]!),
    }));
}

/** With a check word only one word of the list can stand in a place: the parity says which. */
function candidates(numbers: readonly number[], i: number): number[] {
  const check = numbers[WORD_COUNT];
  if (check === undefined) return WORDS.map((_, number) => number);
  const words = numbers.slice(0, WORD_COUNT);
  if (i === WORD_COUNT) return [checkNumber(words)];
  return [multiply(checkNumber(words.with(i, 0)) ^ check, power(i - WORD_COUNT))];
}

function exchanges(words: readonly string[], numbers: readonly number[]): Ranked[] {
  return numbers.flatMap((second, j) =>
    numbers.slice(0, j).flatMap((first, i): Ranked[] => {
      if (first === second || !fits(numbers.with(i, second).with(j, first))) return [];
      const distance = j === i + 1 ? EXCHANGED_NEIGHBOURS : EXCHANGED;
      return [{ change: "exchange", positions: [i + 1, j + 1], words: [words[j]!, words[i]!], distance }];
    }),
  );
}

/** Several words of no list: what was meant by each is taken from the words near it. */
function unknownRepairs(words: readonly string[], numbers: readonly number[], unknown: readonly number[]): Ranked[] {
  if (unknown.length > MAX_UNKNOWN) return [];
  let tries: { numbers: readonly number[]; words: readonly string[]; distance: number }[] = [
    { numbers, words: [], distance: 0 },
  ];
  for (const i of unknown) {
    const near = nearWords(words[i]!, TRIED_FOR_EACH);
    tries = tries.flatMap((before) =>
      near.map((word) => ({
        numbers: before.numbers.with(i, numberOfWord(word)),
        words: [...before.words, word],
        distance: before.distance + letterDistance(words[i]!, word),
      })),
    );
  }
  return tries
    .filter((tried) => fits(tried.numbers))
    .map(({ words: instead, distance }) => ({
      change: "word",
      positions: unknown.map((i) => i + 1),
      words: instead,
      distance,
    }));
}

/** Whether check word (where there is one) and BIP-39's checksum fit. */
function fits(numbers: readonly number[]): boolean {
  const words = numbers.slice(0, WORD_COUNT);
  if (numbers.length > WORD_COUNT && checkNumber(words) !== numbers[WORD_COUNT]) return false;
  // 264 bits: 32 bytes, and the first byte of their hash.
  const bytes = new Uint8Array(33);
  for (let i = 0, bit = 0; i < words.length; i++, bit += 11) {
    const shifted = words[i]! << (13 - (bit % 8));
    const at = bit >> 3;
    bytes[at]! |= shifted >> 16;
    bytes[at + 1]! |= (shifted >> 8) & 255;
    if (at + 2 < bytes.length) bytes[at + 2]! |= shifted & 255;
  }
  const fit = sha256(bytes.subarray(0, 32))[0] === bytes[32];
  bytes.fill(0);
  return fit;
}
