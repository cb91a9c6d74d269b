import { surprise } from "./letters.js";

type CharacterClass = "lower" | "upper" | "digit" | "mark";

const SIZE: { readonly [kind in CharacterClass]: number } = { lower: 26, upper: 26, digit: 10, mark: 2 };
const BITS_OF_A_LETTER = Math.log2(SIZE.lower);
const BITS_OF_A_DIGIT = Math.log2(SIZE.digit);

/**
 * What a change of the kind of character costs in a name that somebody wrote, in bits: fooBar, foo2, foo-bar are
 * common, fOo and 2foo less so. Estimated once on the identifiers of this project; only their order of size matters.
 */
const CHANGE: { readonly [from in CharacterClass]: { readonly [to in CharacterClass]: number } } = {
  lower: { lower: 0.3, upper: 4, digit: 5, mark: 3 },
  upper: { lower: 1, upper: 0.5, digit: 4.5, mark: 2.5 },
  digit: { lower: 4, upper: 4, digit: 0.5, mark: 2.5 },
  mark: { lower: 0.5, upper: 1, digit: 2.5, mark: 4 },
};

/**
 * By how many bits a token is better explained by a generator than by a person: the likelihood ratio of "every character
 * drawn from the alphabet that it shows" and "letters follow as in words, kinds of character change as in names".
 * Negative for names, paths and words; some 2 bits a character for keys in base62 or base64. Takes [A-Za-z0-9+/_-] and
 * whatever else; what is none of these counts as a mark.
 */
export function randomnessBits(token: string): number {
  const kinds = [...token].map(kindOf);
  const alphabet = [...new Set(kinds)].reduce((sum, kind) => sum + SIZE[kind], 0);
  const drawn = Math.log2(alphabet);
  const lower = token.toLowerCase();
  let bits = 0;
  for (let i = 1; i < kinds.length; i++) {
    const from = kinds[i - 1]!;
    const to = kinds[i]!;
    bits += CHANGE[from][to] - drawn;
    if (to === "digit") bits += BITS_OF_A_DIGIT;
    else if (to === "mark") bits += 1;
    else if (isLetter(from) && !(from === "lower" && to === "upper"))
      bits += surprise(lower.charCodeAt(i - 1), lower.charCodeAt(i));
    else bits += BITS_OF_A_LETTER;
  }
  return bits;
}

function isLetter(kind: CharacterClass): boolean {
  return kind === "lower" || kind === "upper";
}

function kindOf(character: string): CharacterClass {
  if (character >= "a" && character <= "z") return "lower";
  if (character >= "A" && character <= "Z") return "upper";
  return character >= "0" && character <= "9" ? "digit" : "mark";
}
