import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nearWords, wordBeginning } from "../../keys/near-words.js";
import { generatePhrase, parsePhrase } from "../../keys/phrase.js";
import { repairPhrase } from "../../keys/phrase-repair.js";
import { WORDS } from "../../keys/word-list.js";
import { cpuMs } from "../support/cpu-time.js";
import { codeOf } from "./code-of.js";

function written(): string[] {
  const { words, check } = generatePhrase();
  return [...words.split(" "), check];
}

const place = fc.nat(24);
const number = fc.nat(2_047);

describe("a wrong word", () => {
  test("is found in each of the 25 places, by its check word alone, and hardly anything else is", () => {
    const words = written();
    let suggested = 0;
    for (let position = 0; position < 25; position++) {
      for (let run = 0; run < 8; run++) {
        const typed = words.with(position, WORDS[(WORDS.indexOf(words[position]!) + 1 + 251 * run) % 2_048]!);
        const repairs = repairPhrase(typed.join(" "));
        const right = {
          change: position === 24 ? "check-word" : "word",
          positions: [position + 1],
          words: [words[position]],
        };
        expect(repairs).toContainEqual(right);
        suggested += repairs.length;
      }
    }
    // One is right; of the 24 other places and 300 exchanges one in 256 (and 2,048) fits by chance.
    expect(suggested / 200).toBeLessThan(2);
  });

  test("without the check word is noticed 255 times of 256, and found where it is spelt alike", () => {
    const words = written().slice(0, 24);
    let unnoticed = 0;
    let typos = 0;
    for (let position = 0; position < 24; position++) {
      for (let n = position; n < WORDS.length; n += 5) {
        const word = WORDS[n]!;
        if (word === words[position]) continue;
        typos++;
        if (codeOf(() => parsePhrase(words.with(position, word).join(" "))) === "nothing thrown") unnoticed++;
      }
    }
    expect(unnoticed / typos).toBeGreaterThan(1 / 500);
    expect(unnoticed / typos).toBeLessThan(1 / 150);
  });

  test("that differs by a letter is among the first ten, also without the check word", () => {
    fc.assert(
      fc.property(fc.nat(23), (position) => {
        const words = phraseWith(position, "dish");
        const typed = words.with(position, "fish").slice(0, 24).join(" ");
        fc.pre(codeOf(() => parsePhrase(typed)) !== "nothing thrown");
        expect(repairPhrase(typed)).toContainEqual({
          change: "word",
          positions: [position + 1],
          words: ["dish"],
        });
      }),
      { numRuns: 3 },
    );
  });
});

describe("a word of no list", () => {
  test("is found by its place and spelling", () => {
    fc.assert(
      fc.property(place, fc.nat(2), (position, letter) => {
        const words = written();
        const word = words[position]!;
        const typed = words.with(position, `${word.slice(0, letter)}q${word.slice(letter)}`);
        fc.pre(codeOf(() => parsePhrase(typed.join(" "))) === "phrase-words");
        expect(repairPhrase(typed.join(" "))[0]).toMatchObject({ positions: [position + 1], words: [word] });
      }),
      { numRuns: 50 },
    );
  });

  test("is found where there are three", () => {
    const words = written();
    const typed = [2, 9, 24].reduce((all, i) => all.with(i, `${words[i]}x`), words);
    expect(repairPhrase(typed.join(" "))[0]).toEqual({
      change: "word",
      positions: [3, 10, 25],
      words: [words[2], words[9], words[24]],
    });
    expect(repairPhrase([0, 1, 2, 3].reduce((all, i) => all.with(i, "xx"), words).join(" "))).toEqual([]);
  });
});

test("two exchanged words are found, neighbours first", () => {
  fc.assert(
    fc.property(place, place, (i, j) => {
      const words = written();
      fc.pre(words[i] !== words[j]);
      const typed = words.with(i, words[j]!).with(j, words[i]!);
      const [a, b] = [Math.min(i, j), Math.max(i, j)];
      expect(repairPhrase(typed.join(" "))).toContainEqual({
        change: "exchange",
        positions: [a + 1, b + 1],
        words: [words[a], words[b]],
      });
    }),
    { numRuns: 50 },
  );
});

test("every repair gives a phrase that fits; a phrase that fits needs none", () => {
  fc.assert(
    fc.property(place, number, (i, n) => {
      const words = written();
      expect(repairPhrase(words.join(" "))).toEqual([]);
      const typed = words.with(i, WORDS[n]!);
      for (const { positions, words: instead } of repairPhrase(typed.join(" "))) {
        const repaired = positions.reduce((all, position, k) => all.with(position - 1, instead[k]!), typed);
        expect(parsePhrase(repaired.join(" ")).hasCheck).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
  expect(repairPhrase(written().slice(0, 20).join(" "))).toEqual([]);
});

test("a search without the check word, the longest, takes less than two seconds of a processor", () => {
  const words = written().slice(0, 24);
  const typed = words.with(5, WORDS[(WORDS.indexOf(words[5]!) + 1) % 2_048]!).join(" ");
  expect(cpuMs(() => repairPhrase(typed))).toBeLessThan(2_000);
});

test("words are known by their first four letters, and guessed by their spelling", () => {
  for (const word of WORDS) expect(wordBeginning(word.slice(0, Math.max(4, word.length - 2)))).toBeDefined();
  expect(wordBeginning("aban")).toBe("abandon");
  expect(wordBeginning("add")).toBe("add");
  expect(wordBeginning("aba")).toBeUndefined();
  expect(wordBeginning("abanx")).toBeUndefined();
  expect(nearWords("abandn")[0]).toBe("abandon");
  expect(nearWords("gospels")[0]).toBe("gospel");
  expect(nearWords("ocne")).toContain("once");
  expect(nearWords("qqqqqqqq")).toEqual([]);
});

/** A valid phrase with `word` in a place (from 0). */
function phraseWith(position: number, word: string): string[] {
  for (;;) {
    const words = written().with(position, word);
    const right = repairPhrase(
      words
        .slice(0, 24)
        .with(23, position === 23 ? word : "zzzz")
        .join(" "),
    );
    if (position === 23) {
      if (codeOf(() => parsePhrase(words.slice(0, 24).join(" "))) === "nothing thrown") return words;
    } else if (right.length > 0) return words.with(23, right[0]!.words[0]!);
  }
}
