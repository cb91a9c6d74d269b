import { logarithm, multiply, ORDER, power } from "./word-field.js";

/**
 * Three check words after a row of words: a Reed-Solomon code over GF(2^11) with the roots x, x², x³. Two valid rows of
 * one length differ in at least four places: up to three wrong words are always noticed (two exchanged words are two
 * wrong ones), any other change misses notice once in 2^33, and where one word is wrong it can be told which.
 * Rows of up to 2,047 words.
 */
export const CHECK_WORDS = 3;

/** What the code makes of a row of numbers, check words included. */
export type RowCheck =
  | { readonly status: "right" }
  /** One change makes it right: the number at `index` (from 0) would be `number`. */
  | { readonly status: "one-wrong"; readonly index: number; readonly number: number }
  | { readonly status: "wrong" };

/** (z − x)(z − x²)(z − x³) without its leading 1, highest power first. */
const GENERATOR = generator();

/** The numbers of the check words that follow `numbers`. */
export function checkNumbers(numbers: readonly number[]): number[] {
  let rest = new Array<number>(CHECK_WORDS).fill(0);
  for (const number of numbers) {
    // Polynomial division, one step a word: the remainder is what has to follow.
    const factor = number ^ rest[0]!;
    rest = GENERATOR.map((coefficient, i) => multiply(coefficient, factor) ^ (rest[i + 1] ?? 0));
  }
  return rest;
}

/** Checks a row whose last three numbers are its check words. */
export function checkRow(numbers: readonly number[]): RowCheck {
  const [first, second, third] = [1, 2, 3].map((root) => valueAt(numbers, power(root))) as [number, number, number];
  if (first === 0 && second === 0 && third === 0) return { status: "right" };
  if (first === 0 || second === 0 || third === 0) return { status: "wrong" };
  // One wrong word, by e at z^p, leaves e·x^p, e·x^2p, e·x^3p: two quotients that must agree tell p.
  const place = (logarithm(second) - logarithm(first) + ORDER) % ORDER;
  const index = numbers.length - 1 - place;
  if ((logarithm(third) - logarithm(second) + ORDER) % ORDER !== place || index < 0) return { status: "wrong" };
  const error = multiply(first, power(-place));
  return { status: "one-wrong", index, number: numbers[index]! ^ error };
}

/** The row as a polynomial, its last number without a factor, at z = `at`. */
function valueAt(numbers: readonly number[], at: number): number {
  return numbers.reduce((sum, number) => multiply(sum, at) ^ number, 0);
}

function generator(): number[] {
  let product = [1];
  for (let root = 1; root <= CHECK_WORDS; root++) {
    const shifted = [...product, 0];
    const scaled = [0, ...product.map((coefficient) => multiply(coefficient, power(root)))];
    product = shifted.map((coefficient, i) => coefficient ^ scaled[i]!);
  }
  return product.slice(1);
}
