import { wordlist } from "@scure/bip39/wordlists/english.js";

/**
 * The 2,048 English words of BIP-39, in its order: a word stands for its number, 11 bits. No two begin with the same
 * four letters.
 */
export const WORDS: readonly string[] = wordlist;

const numbers = new Map(wordlist.map((word, number) => [word, number]));

/** The number of a word, or -1 where it is none of the list. */
export function numberOfWord(word: string): number {
  return numbers.get(word) ?? -1;
}

/** The words of a text in any case and spacing, also in Unicode's compatibility forms (NFKD); in the list or not. */
export function splitWords(text: string): string[] {
  return text.normalize("NFKD").toLowerCase().split(/\s+/u).filter(Boolean);
}
