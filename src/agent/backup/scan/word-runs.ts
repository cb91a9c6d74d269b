import { numberOfWord } from "../../../../keys/word-list.js";
import type { Match } from "./finding.js";
import { drawnBits } from "./letters.js";

const WORD = /[\p{L}\p{M}]+/gu;
/** Between the words of a phrase: white space, numbers, the marks of a list. */
const BETWEEN_PHRASE_WORDS = /^[\s\d.,:;)("'|*_+\\-]{1,40}$/;
const BETWEEN_DRAWN_WORDS = /^(?:[ \t]{1,4}|\r?\n)$/;
/** The shortest recovery phrase of BIP-39. Twelve words of its list in a row hardly come about in prose. */
const PHRASE_WORDS = 12;
const DRAWN_WORDS = 4;
/** Over four words of five letters drawn at random: below this one time in ten; words of nine languages never reached it. */
const DRAWN_BITS = 12;

/** Recovery phrases, and passphrases of drawn letters. */
export function* wordRuns(text: string): Generator<Match> {
  let phrase: RegExpExecArray[] = [];
  let drawn: RegExpExecArray[] = [];
  let last: RegExpExecArray | undefined;
  for (const word of text.matchAll(WORD)) {
    const between = last === undefined ? "" : text.slice(last.index + last[0].length, word.index);
    if (phrase.length > 0 && !BETWEEN_PHRASE_WORDS.test(between)) {
      yield* phraseOf(phrase);
      phrase = [];
    }
    if (isListed(word[0])) phrase.push(word);
    else {
      yield* phraseOf(phrase);
      phrase = [];
    }
    if (drawn.length > 0 && !BETWEEN_DRAWN_WORDS.test(between)) {
      yield* drawnOf(drawn);
      drawn = [];
    }
    if (isDrawn(word[0])) drawn.push(word);
    else {
      yield* drawnOf(drawn);
      drawn = [];
    }
    last = word;
  }
  yield* phraseOf(phrase);
  yield* drawnOf(drawn);
}

function isListed(word: string): boolean {
  return word.length >= 3 && word.length <= 8 && numberOfWord(word.toLowerCase()) >= 0;
}

function isDrawn(word: string): boolean {
  return word.length >= 4 && word.length <= 10 && /^[a-z]+$/.test(word) && drawnBits(word) > 0;
}

function* phraseOf(words: readonly RegExpExecArray[]): Generator<Match> {
  if (words.length >= PHRASE_WORDS) yield span("recovery-phrase", words);
}

function* drawnOf(words: readonly RegExpExecArray[]): Generator<Match> {
  if (words.length < DRAWN_WORDS) return;
  const bits = words.reduce((sum, [word]) => sum + drawnBits(word), 0);
  if (bits >= DRAWN_BITS) yield span("random-words", words);
}

function span(rule: string, words: readonly RegExpExecArray[]): Match {
  const last = words.at(-1)!;
  return { rule, start: words[0]!.index, end: last.index + last[0].length, shown: "" };
}
