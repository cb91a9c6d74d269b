import { constants } from "node:fs";
import { access, lstat } from "node:fs/promises";
import { dirname } from "node:path";
import { utf8 } from "../../keys/bytes.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { createFile } from "../../keys/node/whole-file.js";
import type { GeneratedPhrase } from "../../keys/phrase.js";
import { openTerminal, type Terminal } from "./tty.js";

const WORDS_A_LINE = 6;

/** Where new recovery words go: to a person, or to a new file that only its owner can read. */
export type WordsPlace =
  | { readonly kind: "terminal"; readonly terminal: Terminal }
  | { readonly kind: "file"; readonly path: string };

/**
 * Finds the place before anything is made, so that no key exists whose words nobody was given. Words never go to stdout:
 * it may be a pipe or a log. Throws AntsError "phrase-nowhere" (no terminal and no file named) or "phrase-file".
 */
export async function wordsPlace(file: string | undefined): Promise<WordsPlace> {
  if (file !== undefined) {
    if ((await lstat(file).catch(() => undefined)) !== undefined) throw refused(file, TAKEN, TAKEN_HINT);
    await access(dirname(file), constants.W_OK).catch((cause: Error) => {
      throw refused(
        file,
        `its folder cannot be written (${cause.message})`,
        "name a file in a folder of your own",
        cause,
      );
    });
    return { kind: "file", path: file };
  }
  const terminal = openTerminal();
  if (terminal !== undefined) return { kind: "terminal", terminal };
  throw new AntsError("phrase-nowhere", "there is no terminal to show the 24 recovery words on", {
    hint: "name a new file for them: --phrase-file FILE",
  });
}

/** Gives the words away; resolves when the file is on disk, or when the person says that they are written down. */
export async function giveWords(place: WordsPlace, phrase: GeneratedPhrase, signal: AbortSignal): Promise<void> {
  if (place.kind === "file") {
    try {
      await createFile(place.path, utf8(`${phrase.words} ${phrase.check}\n`), 0o600);
    } catch (error) {
      throw isAntsError(error, "disk-exists") ? refused(place.path, TAKEN, TAKEN_HINT, error) : error;
    }
    return;
  }
  const { terminal } = place;
  for (const line of wordLines(phrase)) terminal.say(line);
  await terminal.readSecret("Written down? Press Enter; they are not shown again. ", signal);
}

function wordLines({ words, check }: GeneratedPhrase): string[] {
  const numbered = words.split(" ").map((word, index) => `${String(index + 1).padStart(2)} ${word.padEnd(9)}`);
  const lines = [
    "",
    "The recovery words. Whoever has them is the agent: write them on paper, keep them off this machine.",
  ];
  for (let i = 0; i < numbered.length; i += WORDS_A_LINE)
    lines.push(`  ${numbered.slice(i, i + WORDS_A_LINE).join(" ")}`);
  return [...lines, `  check word: ${check}`, ""];
}

const TAKEN = "there is something already";
const TAKEN_HINT =
  "name a new file; words that a cut-off keygen left belong to no agent (ants whoami says whether one was made)";

function refused(path: string, why: string, hint: string, cause?: unknown): AntsError {
  return new AntsError("phrase-file", `cannot write the recovery words to ${path}: ${why}`, {
    hint,
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}
