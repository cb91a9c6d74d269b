import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hex } from "../../keys/bytes.js";
import { isAntsError } from "../../keys/errors.js";
import { systemRandom } from "../../keys/ports.js";
import { formatShare, parseShare, type Share } from "../../keys/share-text.js";
import { combineShares, splitEntropy } from "../../keys/shares.js";
import { WORDS } from "../../keys/word-list.js";
import { codeOf } from "./code-of.js";

const entropy = systemRandom.bytes(32);

async function failure(texts: readonly string[]): Promise<{ code: string; details: object; message: string }> {
  try {
    await combineShares(texts);
  } catch (error) {
    if (isAntsError(error)) return { code: error.code, details: error.details, message: error.message };
    throw error;
  }
  throw new Error("expected these shares to be refused");
}

function textsOf(shares: readonly Share[]): string[] {
  return shares.map(({ words }) => words);
}

function subsets<T>(items: readonly T[]): T[][] {
  return Array.from({ length: 2 ** items.length }, (_, choice) => items.filter((_, i) => (choice >> i) & 1));
}

describe("shares of a phrase", () => {
  test("bring it back from every combination of enough of them, in any order, and from none of fewer", async () => {
    for (let shares = 2; shares <= 5; shares++) {
      for (let threshold = 2; threshold <= shares; threshold++) {
        const set = await splitEntropy(entropy, { threshold, shares });
        for (const some of subsets(textsOf(set))) {
          const name = `${some.length} of ${threshold}/${shares}`;
          if (some.length < threshold) expect((await failure(some)).code, name).toBe("share-too-few");
          else expect(hex(await combineShares(some.reverse())), name).toBe(hex(entropy));
        }
      }
    }
  });

  test("are of any phrase, also the strangest, and of as many as there may be", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async (any) => {
        const set = await splitEntropy(any, { threshold: 3, shares: 5 });
        expect(hex(await combineShares([set[4]!.words, set[0]!.words, set[2]!.words]))).toBe(hex(any));
      }),
      { numRuns: 20 },
    );
    const most = await splitEntropy(new Uint8Array(32), { threshold: 16, shares: 16 });
    expect(hex(await combineShares(textsOf(most)))).toBe("00".repeat(32));
    expect((await failure(textsOf(most.slice(1)))).code).toBe("share-too-few");
  });

  test("say which set they are of, how many are needed, and which they are", async () => {
    const set = await splitEntropy(entropy, { threshold: 2, shares: 3 }, { bytes: () => Uint8Array.of(1, 2, 3, 0x4f) });
    expect(
      set
        .map(({ words }) => parseShare(words))
        .map(({ threshold, shares, index, set }) => ({ threshold, shares, index, set })),
    ).toEqual([1, 2, 3].map((index) => ({ threshold: 2, shares: 3, index, set: 0x102034 })));
    const begins = set.map(({ words }) => words.split(" ").slice(0, 3).join(" "));
    expect(new Set(begins).size).toBe(1);
  });

  test("are drawn anew each time: two sets share nothing", async () => {
    const [a, b] = await Promise.all([1, 2].map(() => splitEntropy(entropy, { threshold: 2, shares: 2 })));
    expect(a![0]!.set).not.toBe(b![0]!.set);
    expect(await failure([a![0]!.words, b![1]!.words])).toMatchObject({
      code: "share-other-set",
      details: { share: 2 },
    });
  });

  test("of which fewer than enough are known leave every phrase possible", async () => {
    // For a share of 2-of-n, each other phrase has a second share that makes it the result: bytes are shared one by one.
    const [share] = await splitEntropy(entropy, { threshold: 2, shares: 2 });
    const values = new Set<number>();
    for (let run = 0; run < 2_000; run++) {
      const [again] = await splitEntropy(entropy, { threshold: 2, shares: 2 });
      values.add(again!.value[0]!);
    }
    // The first byte of a share takes (nearly) every value, whatever the first byte of the phrase is.
    expect(values.size).toBeGreaterThan(250);
    expect(share!.value).toHaveLength(37);
  });
});

describe("a share that is not right", () => {
  test("a typo in any word of any share is noticed, and its place told", async () => {
    const set = await splitEntropy(entropy, { threshold: 2, shares: 3 });
    for (const [i, { words }] of set.entries()) {
      const written = words.split(" ");
      for (let position = 0; position < written.length; position++) {
        for (let run = 0; run < 60; run++) {
          const typed = written.with(position, WORDS[(WORDS.indexOf(written[position]!) + 1 + run * 34) % 2_048]!);
          const others = textsOf(set).with(i, typed.join(" "));
          const came = await failure(others);
          expect(came.code).toBe("share-damaged");
          expect(came.details).toEqual({ share: i + 1, position: position + 1 });
        }
      }
    }
  });

  test("any two or three wrong words are noticed, exchanged words among them", async () => {
    const [share] = await splitEntropy(entropy, { threshold: 2, shares: 2 });
    const written = share!.words.split(" ");
    const change = fc.tuple(fc.nat(33), fc.nat(2_047));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const typed = changes.reduce((words, [position, number]) => words.with(position, WORDS[number]!), written);
        fc.pre(typed.join() !== written.join());
        expect(codeOf(() => parseShare(typed.join(" ")))).toBe("share-damaged");
      }),
      { numRuns: 2_000 },
    );
    for (let a = 0; a < written.length; a++) {
      for (let b = 0; b < a; b++) {
        if (written[a] === written[b]) continue;
        const exchanged = written.with(a, written[b]!).with(b, written[a]!).join(" ");
        expect(codeOf(() => parseShare(exchanged))).toBe("share-damaged");
      }
    }
  });

  test.each([
    ["no words", "", "share-words"],
    ["a whole phrase", Array(24).fill("abandon").join(" "), "share-words"],
    ["34 times the first word", Array(34).fill("abandon").join(" "), "share-version"],
  ])("%s is no share", (_, text, code) => {
    expect(codeOf(() => parseShare(text))).toBe(code);
  });

  test("a word of no list is told by its place; errors repeat no word", async () => {
    const [share] = await splitEntropy(entropy, { threshold: 2, shares: 2 });
    const written = share!.words.split(" ");
    const came = await failure([written.with(8, "zooo").join(" ")]);
    expect(came).toMatchObject({ code: "share-words", details: { share: 1, position: 9 } });
    const said = new Set(came.message.split(/\W+/));
    expect(written.filter((word) => said.has(word) && !["share", "word", "list", "not"].includes(word))).toEqual([]);
  });

  test("the same share twice, and another with its number, are refused", async () => {
    const [a, b] = await splitEntropy(entropy, { threshold: 2, shares: 2 });
    expect(await failure([a!.words, a!.words.toUpperCase()])).toMatchObject({
      code: "share-duplicate",
      details: { share: 2, other: 1 },
    });
    const renumbered = formatShare({ ...b!, index: a!.index });
    expect((await failure([a!.words, renumbered.words])).code).toBe("share-duplicate");
    const again = formatShare({ ...a!, index: b!.index });
    expect((await failure([a!.words, again.words])).code).toBe("share-duplicate");
  });

  test("a share of the set with another threshold is of another set", async () => {
    const [a, b] = await splitEntropy(entropy, { threshold: 2, shares: 3 });
    expect((await failure([a!.words, formatShare({ ...b!, threshold: 3 }).words])).code).toBe("share-other-set");
  });

  test("a well-made forgery among them is noticed, also where there are more than enough", async () => {
    const set = await splitEntropy(entropy, { threshold: 2, shares: 3 });
    for (let place = 0; place < 37; place++) {
      const value = new Uint8Array(set[1]!.value);
      value[place]! ^= 0x5a;
      const forged = formatShare({ ...set[1]!, value }).words;
      const pair = await failure([set[0]!.words, forged]);
      const all = await failure([set[0]!.words, forged, set[2]!.words]);
      // A coordinate that happens to be another's is told as that.
      expect(["share-mismatch", "share-duplicate"]).toContain(pair.code);
      expect(["share-mismatch", "share-duplicate"]).toContain(all.code);
    }
  });

  test("numbers that no share has are refused, though their words fit", async () => {
    const [share] = await splitEntropy(entropy, { threshold: 2, shares: 2 });
    for (const change of [{ index: 3 }, { threshold: 1 }, { threshold: 3 }])
      expect(codeOf(() => parseShare(formatShare({ ...share!, ...change }).words))).toBe("share-damaged");
  });

  test("impossible numbers are refused before anything is split", async () => {
    for (const [threshold, shares] of [
      [1, 3],
      [3, 2],
      [2, 17],
      [2.5, 4],
      [Number.NaN, 4],
      [2, 1],
    ] as const)
      await expect(splitEntropy(entropy, { threshold, shares })).rejects.toMatchObject({ code: "share-policy" });
    await expect(splitEntropy(new Uint8Array(16), { threshold: 2, shares: 3 })).rejects.toMatchObject({
      code: "phrase-entropy",
    });
  });
});

describe("a share on paper", () => {
  test("may be typed in any case, with remarks and with the numbers of its words", async () => {
    const set = await splitEntropy(entropy, { threshold: 2, shares: 2 });
    const typed = set.map(({ words }) => {
      const numbered = words.split(" ").map((word, i) => `${i + 1}. ${word.toUpperCase()}`);
      return `# share of a set\n  # found in a drawer\n${numbered.join("\n")}\n`;
    });
    expect(hex(await combineShares(typed))).toBe(hex(entropy));
  });

  test("is the same for ever", () => {
    const value = Uint8Array.from({ length: 37 }, (_, i) => i * 7);
    const share = formatShare({ set: 0xabcdef1, threshold: 2, shares: 3, index: 3, value });
    expect(share.words).toMatchInlineSnapshot(
      `"ask vibrant taste banana abandon bring section bring bone middle idea virtual chase fabric hobby harvest lonely text arch since snap mammal bicycle repeat until cream pizza own initial rookie sauce style notice neutral"`,
    );
    expect(parseShare(share.words)).toEqual(share);
  });
});
