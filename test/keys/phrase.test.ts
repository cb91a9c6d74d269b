import { hkdfSync } from "node:crypto";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, hex } from "../../keys/bytes.js";
import { generatePhrase, parsePhrase, phraseKeys } from "../../keys/phrase.js";
import { codeOf } from "./code-of.js";

/** BIP-39's own vectors (trezor/python-mnemonic, vectors.json, 256 bits). */
const ZERO_WORDS = `${"abandon ".repeat(23)}art`;
const ENTROPY = "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c";
const WORDS =
  "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple " +
  "dilemma loan word shrug inflict delay length";

function fixed(entropy: string) {
  return generatePhrase({ bytes: () => fromHex(entropy, 32) });
}

describe("the words", () => {
  test("are BIP-39's for the entropy", () => {
    expect(fixed(ENTROPY).words).toBe(WORDS);
    expect(fixed("00".repeat(32)).words).toBe(ZERO_WORDS);
  });

  test("lead back to the entropy, with or without the check word", () => {
    const { words, check } = fixed(ENTROPY);
    expect(hex(parsePhrase(words).entropy)).toBe(ENTROPY);
    expect(parsePhrase(words).hasCheck).toBe(false);
    expect(parsePhrase(`${words} ${check}`)).toEqual({ entropy: fromHex(ENTROPY), hasCheck: true });
  });

  test("come from 32 fresh bytes of the random source", () => {
    expect(generatePhrase().words).not.toBe(generatePhrase().words);
    expect(generatePhrase().words.split(" ")).toHaveLength(24);
  });

  test("are read in any case, spacing and compatibility form", () => {
    const typed = `\n  ${WORDS.toUpperCase().replaceAll(" ", " \t\r\n ")}\u3000`;
    expect(hex(parsePhrase(typed).entropy)).toBe(ENTROPY);
    const fullWidth = WORDS.replaceAll(/[a-z]/g, (letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfee0));
    expect(hex(parsePhrase(fullWidth).entropy)).toBe(ENTROPY);
  });

  test.each([
    ["no words", "", "phrase-words"],
    ["12 words", `${"abandon ".repeat(11)}about`, "phrase-words"],
    ["26 words", `${WORDS} art art`, "phrase-words"],
    ["a word of no list", WORDS.replace("gospel", "gospels"), "phrase-words"],
    ["a checksum that does not fit", WORDS.replace("gospel", "zoo"), "phrase-checksum"],
    ["a check word that does not fit", `${WORDS} zoo`, "phrase-check-word"],
  ])("are refused with %s", (_, text, code) => {
    expect(codeOf(() => parsePhrase(text))).toBe(code);
  });

  test("an error names the place of an unknown word, and never a word", () => {
    try {
      parsePhrase(WORDS.replace("gospel", "gospels"));
      expect.unreachable();
    } catch (error) {
      const { message, hint, details } = error as { message: string; hint: string; details: object };
      expect(details).toEqual({ position: 15 });
      const words = new Set(WORDS.split(" "));
      for (const said of `${message} ${hint}`.split(/\W+/)) expect(words.has(said) && said !== "word").toBe(false);
    }
  });
});

describe("the check word", () => {
  test("notices every other word in each of the 25 positions", () => {
    const { words, check } = fixed(ENTROPY);
    const written = [...words.split(" "), check];
    const unnoticed: string[] = [];
    for (let position = 0; position < written.length; position++) {
      for (const word of wordlist) {
        if (word === written[position]) continue;
        const code = codeOf(() => parsePhrase(written.with(position, word).join(" ")));
        if (code !== "phrase-check-word") unnoticed.push(`${position}: ${word} (${code})`);
      }
    }
    expect(unnoticed).toEqual([]);
  });

  test("notices any two words that are exchanged, in any phrase", () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const place = fc.integer({ min: 0, max: 24 });
    fc.assert(
      fc.property(bytes, place, place, (entropy, i, j) => {
        const { words, check } = fixed(hex(entropy));
        const written = [...words.split(" "), check];
        const typed = written.with(i, written[j]!).with(j, written[i]!);
        fc.pre(typed.join() !== written.join());
        expect(() => parsePhrase(typed.join(" "))).toThrow();
      }),
    );
  });

  test("catches by itself what passes the checksum of the 24 words", () => {
    const { words, check } = fixed("00".repeat(32));
    const written = words.split(" ");
    const passing = wordlist.filter((word) => {
      const typed = written.with(7, word).join(" ");
      return word !== written[7] && codeOf(() => parsePhrase(typed)) === "nothing thrown";
    });
    expect(passing.length).toBeGreaterThan(0);
    for (const word of passing) {
      expect(codeOf(() => parsePhrase(`${written.with(7, word).join(" ")} ${check}`))).toBe("phrase-check-word");
    }
  });
});

describe("the keys of a phrase", () => {
  test("are the same for ever", () => {
    const keys = phraseKeys(fromHex(ENTROPY));
    expect({
      check: fixed(ENTROPY).check,
      recovery: [0, 1, 2].map((index) => hex(keys.recoveryKey(index).publicKey)),
      escrow: hex(keys.escrow.publicKey),
      backup: hex(keys.backup.publicKey),
      vault: hex(keys.vaultKey),
    }).toMatchInlineSnapshot(`
      {
        "backup": "95bbea7ded7e0d2731d34b18eac40ee63755215a7bc22452d9511f59c0c3916a",
        "check": "unveil",
        "escrow": "f58a02530ddbadb0ea089c40afe8b550d0c2427c040dfe47c8742209a0a83236",
        "recovery": [
          "cdf7a090ea6f3c2e64bd17a4a61a5018a95a202ab772e7ec019dea017d77384e",
          "911b7088ed56ab7b8a234155d33690ecb357f8dfefcc882d4763e1d0b0dd4679",
          "5e0f5699fa27fac541dfa64c0aca09409419ff1998b8e2c0ed91b4ea95c7a260",
        ],
        "vault": "018dce2fc96cf2d782a6a88996b80073713750c7c1bae39ce826fa3b767921ff",
      }
    `);
  });

  test("are HKDF-SHA256 of the entropy without salt, one label each", () => {
    const derive = (label: string) => hex(new Uint8Array(hkdfSync("sha256", fromHex(ENTROPY), "", label, 32)));
    const keys = phraseKeys(fromHex(ENTROPY));
    expect(hex(keys.recoveryKey(12).seed)).toBe(derive("ants/phrase/recovery/1/12"));
    expect(hex(keys.escrow.secret)).toBe(derive("ants/phrase/escrow/1"));
    expect(hex(keys.backup.secret)).toBe(derive("ants/phrase/backup/1"));
    expect(hex(keys.vaultKey)).toBe(derive("ants/phrase/vault/1"));
  });

  test("all differ, and differ between phrases", () => {
    const all = ["00".repeat(32), ENTROPY].flatMap((entropy) => {
      const { recoveryKey, escrow, backup, vaultKey } = phraseKeys(fromHex(entropy));
      const recovery = [0, 1, 2, 10].map((index) => recoveryKey(index).seed);
      return [...recovery, escrow.secret, backup.secret, vaultKey].map(hex);
    });
    expect(new Set(all).size).toBe(all.length);
  });

  test("need the 32 bytes of 24 words, and a number", () => {
    expect(codeOf(() => phraseKeys(new Uint8Array(16)))).toBe("phrase-entropy");
    const { recoveryKey } = phraseKeys(new Uint8Array(32));
    for (const index of [-1, 0.5, Number.NaN]) expect(codeOf(() => recoveryKey(index))).toBe("phrase-key-index");
  });
});
