import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { fromHex, hex, utf8 } from "../../keys/bytes.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { parsePhrase, phraseOf } from "../../keys/phrase.js";
import { splitEntropy } from "../../keys/shares.js";
import { WORDS } from "../../keys/word-list.js";
import { readPhrase } from "../../src/cli/phrase-input.js";
import type { Terminal } from "../../src/cli/tty.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";

const { words, check } = phraseOf(fromHex("66e94bd4ef8a2c3b884cfa59ca342b2ef795c8a1f3b0e2d1c4a59687786950ab"));
const written = [...words.split(" "), check];
const { entropy } = parsePhrase(words);
const context = { signal: new AbortController().signal };

let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
});

/** A person who types these lines, and then interrupts. */
function person(...lines: string[]): Terminal & { said: string[]; asked: string[]; closed: boolean } {
  const terminal = {
    said: [] as string[],
    asked: [] as string[],
    closed: false,
    say: (text: string) => void terminal.said.push(text),
    async readSecret(prompt: string) {
      terminal.asked.push(prompt);
      const line = lines.shift();
      if (line === undefined) throw new AntsError("interrupted", "nothing more was typed");
      return utf8(line);
    },
    close: () => {
      terminal.closed = true;
    },
  };
  return terminal;
}

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode });
  return path;
}

async function failure(source: Parameters<typeof readPhrase>[1], terminal?: Terminal) {
  try {
    await readPhrase(context, source, () => terminal);
  } catch (error) {
    if (isAntsError(error)) return error;
    throw error;
  }
  throw new Error("expected this to be refused");
}

describe("recovery words that are typed", () => {
  it("come one a line, with four letters at least, and the check word last", async () => {
    const terminal = person(...written.map((word, i) => (i % 2 ? word : word.slice(0, 4))));
    const phrase = await readPhrase(context, {}, () => terminal);
    expect(phrase).toEqual({ entropy, hasCheck: true });
    expect(terminal.asked[3]).toBe("word 4: ");
    expect(terminal.asked).toHaveLength(25);
    expect(terminal.closed).toBe(true);
    expect(terminal.said).toHaveLength(2);
  });

  it("come all in one line, in any case, with or without the check word", async () => {
    expect((await readPhrase(context, {}, () => person(written.join("  ").toUpperCase()))).hasCheck).toBe(true);
    expect((await readPhrase(context, {}, () => person(words, ""))).hasCheck).toBe(false);
  });

  it("are checked one by one: a word of no list is asked for again, the last can be taken back", async () => {
    const terminal = person(
      `${written.slice(0, 3).join(" ")} ${written[3]}qq ${written[4]}`,
      written[0]!,
      "-",
      ...written.slice(3, 24),
      "",
    );
    expect(hex((await readPhrase(context, {}, () => terminal)).entropy)).toBe(hex(entropy));
    expect(terminal.said[2]).toMatch(new RegExp(`^word 4 is not in the list; did you mean .*${written[3]}`));
    expect(terminal.asked.slice(0, 4)).toEqual(["word 1: ", "word 4: ", "word 5: ", "word 4: "]);
  });

  it("that are like no word at all are said to be that, in whole sentences", async () => {
    const terminal = person(`${words} `.replace(written[0]!, "qqqqqqqq"), words, "");
    expect(hex((await readPhrase(context, {}, () => terminal)).entropy)).toBe(hex(entropy));
    expect(terminal.said[2]).toBe("word 1 is not in the list. Type it again, and what comes after it.");
  });

  it("that do not fit are asked about until they do", async () => {
    const wrong = written.with(6, WORDS[(WORDS.indexOf(written[6]!) + 700) % 2_048]!);
    const terminal = person(wrong.join(" "), "0", "7", "nothing-like-it", "7", written[6]!);
    expect(hex((await readPhrase(context, {}, () => terminal)).entropy)).toBe(hex(entropy));
    expect(terminal.said.join("\n")).toContain(`word 7 may be wrong: did you mean ${written[6]}?`);
    const gaveUp = await failure({}, person(wrong.join(" "), ""));
    expect(gaveUp.code).toBe("phrase-check-word");
  });

  it("are given up with Ctrl-C, and the terminal is given back", async () => {
    const terminal = person(written[0]!);
    expect((await failure({}, terminal)).code).toBe("interrupted");
    expect(terminal.closed).toBe(true);
  });

  it("need a terminal", async () => {
    expect((await failure({})).code).toBe("phrase-missing");
  });
});

describe("recovery words in files", () => {
  it("are read whole, or put together from shares", async () => {
    expect(await readPhrase(context, { phraseFile: file("words", `${words} ${check}\n`) })).toEqual({
      entropy,
      hasCheck: true,
    });
    const shares = await splitEntropy(entropy, { threshold: 2, shares: 3 });
    const files = shares.map((share) => file(`share-${share.index}`, `# share\n${share.words}\n`));
    expect(await readPhrase(context, { shareFile: [files[2]!, files[0]!] })).toEqual({ entropy, hasCheck: true });
    expect((await failure({ shareFile: [files[0]!] })).code).toBe("share-too-few");
    expect(await failure({ shareFile: [files[0]!, files[0]!] })).toMatchObject({ code: "share-duplicate" });
  });

  it("that are wrong are told by their file and place, without a word of them", async () => {
    const shares = await splitEntropy(entropy, { threshold: 2, shares: 2 });
    const typed = shares[1]!.words.split(" ").with(9, WORDS[0]!).join(" ");
    const files = [file("a", shares[0]!.words), file("b", typed)];
    const error = await failure({ shareFile: files });
    expect(error).toMatchObject({ code: "share-damaged", details: { path: files[1], share: 2, position: 10 } });
    expect(error.message).toContain(files[1]);
    const phrase = await failure({ phraseFile: file("words", words.replace(/^\w+/, "xyzzy")) });
    expect(phrase).toMatchObject({ code: "phrase-words", details: { position: 1 } });
    expect(phrase.hint).toContain("ants phrase verify");
  });

  it("are refused where others can read them, and named once", async () => {
    expect((await failure({ phraseFile: file("open", words, 0o644) })).code).toBe("passphrase-file-mode");
    expect((await failure({ shareFile: [file("open-share", words, 0o644)] })).code).toBe("passphrase-file-mode");
    expect((await failure({ phraseFile: "a", shareFile: ["b"] })).code).toBe("usage");
  });
});
