/**
 * Arithmetic in GF(2^11), where the number of a word is an element: addition is XOR, multiplication is that of
 * polynomials modulo x^11 + x^2 + 1, which is primitive, so that x has the order 2047.
 */

const MODULUS = 0x805;
const OVERFLOW = 0x800;
/** The order of x. */
export const ORDER = 2_047;

/** A number times x. */
export function timesX(value: number): number {
  const doubled = value << 1;
  return doubled & OVERFLOW ? doubled ^ MODULUS : doubled;
}

const powers = new Uint16Array(ORDER);
const logarithms = new Uint16Array(ORDER + 1);
for (let exponent = 0, value = 1; exponent < ORDER; exponent++, value = timesX(value)) {
  powers[exponent] = value;
  logarithms[value] = exponent;
}

/** x to the power of any whole number. */
export function power(exponent: number): number {
  return powers[((exponent % ORDER) + ORDER) % ORDER]!;
}

/** The exponent that x needs to be `value`, which isn't 0: 0 … 2046. */
export function logarithm(value: number): number {
  return logarithms[value]!;
}

export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : power(logarithm(a) + logarithm(b));
}
