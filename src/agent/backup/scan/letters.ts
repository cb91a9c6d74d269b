/**
 * How letters follow each other in what people write: row = a letter, column = the next one, digit (base 36) = how
 * surprising it is, in half bits. Counted in English prose and identifiers and in Czech, French, German, Italian,
 * Polish, Portuguese, Spanish and Turkish (without their marks), two parts to one.
 */
const FOLLOWS = [
  "kb88kebfbfb787bci576bcdfba",
  "7eeg5gfg58g7ge7gg8ae8ggg9g",
  "7jbj7jj57ca8fh5jiai6bjjjfc",
  "6iie2gij6hgdhc6gjcbi8hhjcg",
  "ce89eacgbeb886gee568dce8cd",
  "6gfg6aeg4ggbge6gg8da6gegeg",
  "8fgd3fbc6gf9c78gf9ba7fggfg",
  "5gfg3ggf5ggcfb7gg8f9dgggdg",
  "ac898aahkjc8957af978hagifb",
  "7eec3fff7feedcaeee4bdecffe",
  "6gae6feg7gf6fa6fgb968ffgdf",
  "4ghb4hgi5jf8dd7gjjb98eijbi",
  "58gf4ihi7iidci66iiagaiiifg",
  "6j975d8h6jddgc7dji76adhlbf",
  "gbb6fbdidee984d9k58a9bajib",
  "6jdi5ijgaji9gh4cj5d98gjjgg",
  "dddddddddddddddddddd1dcddd",
  "6gdb4dci6lgdba7iea979felcd",
  "8j8e5fhc7jdcgf8aij748hgebf",
  "6kej5ij85lggid6el7ab8jhf7h",
  "abae7cdi9cd685ebj677gfhhfa",
  "3ggf3ggg9ggcgd6ggcdgbggg9f",
  "5ffd5ff86ffaf87ef9adbfff7d",
  "aeceaeee9eeeeed2eed5deeeee",
  "7c8faddf9ed99993gb8adf9ggd",
  "6fbd5gef6gedd85dgfcc9dag8d",
];

const CODE_OF_A = 97;
const HALF_BIT = 0.5;
/** What a letter says that is drawn from 26. */
const BITS_OF_A_LETTER = Math.log2(26);
const BITS = Float64Array.from(FOLLOWS.join(""), (digit) => Number.parseInt(digit, 36) * HALF_BIT);

/** Bits by which `second` surprises after `first`; both the code of a letter a–z. */
export function surprise(first: number, second: number): number {
  return BITS[(first - CODE_OF_A) * 26 + second - CODE_OF_A]!;
}

/** By how many bits a word of letters a–z is better explained by drawing letters than by writing; negative for words. */
export function drawnBits(word: string): number {
  let bits = 0;
  for (let i = 1; i < word.length; i++) bits += surprise(word.charCodeAt(i - 1), word.charCodeAt(i)) - BITS_OF_A_LETTER;
  return bits;
}
