import { WORDS } from "./word-list.js";

/** Four letters tell every word of the list from all others. */
const TELLING_LETTERS = 4;
/** Changes of one letter that a hasty hand or eye makes in one word. */
const MAX_DISTANCE = 2;

/**
 * Words of the list that somebody may have meant by `typed`, nearest first: those that begin with the same four
 * letters, and those at most two letters away. At most `most`.
 */
export function nearWords(typed: string, most = 5): string[] {
  const beginning = typed.slice(0, TELLING_LETTERS);
  const near = WORDS.flatMap((word) => {
    const distance = letterDistance(typed, word);
    const same = beginning.length === TELLING_LETTERS && word.startsWith(beginning);
    return same || distance <= MAX_DISTANCE ? [{ word, distance: same ? Math.min(distance, 0.5) : distance }] : [];
  });
  return near
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ word }) => word);
}

/** The word that `typed` is, whole or by its first four letters or more; undefined where that tells none. */
export function wordBeginning(typed: string): string | undefined {
  if (WORDS.includes(typed)) return typed;
  return typed.length < TELLING_LETTERS ? undefined : WORDS.find((word) => word.startsWith(typed));
}

/** Letters to put in, leave out, replace, or exchange with the next one, to make `b` of `a` (optimal string alignment). */
export function letterDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, row[j]! + 1, next[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}
