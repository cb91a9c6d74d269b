import { fromUtf8, zero } from "../../keys/bytes.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { nearWords, wordBeginning } from "../../keys/near-words.js";
import { keepMemoryOutOfCoreDumps } from "../../keys/node/core-dump.js";
import { type Phrase, parsePhrase, WORD_COUNT } from "../../keys/phrase.js";
import { repairPhrase } from "../../keys/phrase-repair.js";
import { combineShares } from "../../keys/shares.js";
import { splitWords } from "../../keys/word-list.js";
import type { CommandContext } from "./context.js";
import { repairLines } from "./phrase-repair-text.js";
import { readSecretFile } from "./secret-file.js";
import { openTerminal, type Terminal } from "./tty.js";
import { usageError } from "./usage.js";

/** Where a person's recovery words come from: one of the two, or the terminal. */
export interface PhraseSource {
  /** A file with the 24 words, or 25 with the check word; mode 0600. */
  readonly phraseFile?: string;
  /** Files with a share each; mode 0600. */
  readonly shareFile?: readonly string[];
}

/**
 * The recovery phrase: from a file, from shares of it, or else typed at the terminal, never from stdin or the command
 * line. `hasCheck` is true for shares, whose own check leaves nothing unnoticed. The caller zeroes `entropy`.
 *
 * Throws "usage" (both kinds of file), "phrase-missing" (no file, and no terminal to ask on), "interrupted",
 * "passphrase-file", "passphrase-file-mode" (a file cannot be read, or others can), and what `parsePhrase` and
 * `combineShares` throw, with the file's path in message and details.
 */
export async function readPhrase(
  context: Pick<CommandContext, "signal">,
  { phraseFile, shareFile = [] }: PhraseSource,
  terminal: () => Terminal | undefined = openTerminal,
): Promise<Phrase> {
  keepMemoryOutOfCoreDumps();
  if (phraseFile !== undefined && shareFile.length > 0)
    throw usageError("--phrase-file and --share-file are two ways to the same words: name one of them", "");
  if (phraseFile !== undefined) return phraseOfFile(phraseFile);
  if (shareFile.length > 0) return { entropy: await entropyOfShares(shareFile), hasCheck: true };
  const person = terminal();
  if (person === undefined) {
    throw new AntsError("phrase-missing", "the recovery words are needed, and there is no terminal to type them on", {
      hint: "name a 0600 file with them: --phrase-file FILE, or shares of them: --share-file FILE --share-file FILE",
    });
  }
  try {
    return await phraseOfPerson(person, context.signal);
  } finally {
    person.close();
  }
}

/** As {@link readPhrase}, from a file with the words. */
export async function phraseOfFile(path: string): Promise<Phrase> {
  const bytes = await readSecretFile(path);
  try {
    return parsePhrase(fromUtf8(bytes));
  } catch (error) {
    if (!isAntsError(error)) throw error;
    throw new AntsError(error.code, `${path}: ${error.message}`, {
      hint: `ants phrase verify --phrase-file ${path}`,
      details: { ...error.details, path },
    });
  } finally {
    zero(bytes);
  }
}

async function entropyOfShares(paths: readonly string[]): Promise<Uint8Array> {
  const texts: string[] = [];
  for (const path of paths) {
    const bytes = await readSecretFile(path);
    texts.push(fromUtf8(bytes));
    zero(bytes);
  }
  try {
    return await combineShares(texts);
  } catch (error) {
    const path = isAntsError(error) ? paths[Number(error.details.share) - 1] : undefined;
    if (!isAntsError(error) || path === undefined) throw error;
    throw new AntsError(error.code, `${path}: ${error.message}`, {
      details: { ...error.details, path },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

/** Words as they are typed, each checked at once; then all of them together, and again until they fit. */
async function phraseOfPerson(terminal: Terminal, signal: AbortSignal): Promise<Phrase> {
  terminal.say("The recovery words, one a line or several; they are not shown. Four letters of a word are enough.");
  terminal.say(`A line with "-" takes the last word back.`);
  const words: string[] = [];
  while (words.length <= WORD_COUNT) {
    const last = words.length === WORD_COUNT;
    const question = last ? "check word (Enter if you have none): " : `word ${words.length + 1}: `;
    const typed = await ask(terminal, question, signal);
    if (typed.length === 0 && last) break;
    if (typed.length === 1 && typed[0] === "-") words.pop();
    else takeWords(terminal, words, typed);
  }
  for (;;) {
    const text = words.join(" ");
    try {
      return parsePhrase(text);
    } catch (error) {
      if (!isAntsError(error)) throw error;
      terminal.say(error.message);
      for (const line of repairLines(repairPhrase(text))) terminal.say(line);
      if (!(await typeAgain(terminal, words, signal))) throw error;
    }
  }
}

/** Takes words until one is in no list, and says which; what follows it is left out, since its place is not sure. */
function takeWords(terminal: Terminal, words: string[], typed: readonly string[]): void {
  for (const word of typed) {
    if (words.length > WORD_COUNT) {
      terminal.say("that is more than 24 words and a check word: what came last is left out");
      return;
    }
    const meant = wordBeginning(word);
    if (meant === undefined) {
      const near = nearWords(word);
      const guess = near.length === 0 ? "." : `; did you mean ${near.join(", ")}?`;
      terminal.say(`word ${words.length + 1} is not in the list${guess} Type it again, and what comes after it.`);
      return;
    }
    words.push(meant);
  }
}

/** One word replaced. False when the person gives up. */
async function typeAgain(terminal: Terminal, words: string[], signal: AbortSignal): Promise<boolean> {
  for (;;) {
    const [answer] = await ask(terminal, "number of the word to type again (Enter gives up): ", signal);
    if (answer === undefined) return false;
    const position = Number(answer);
    if (!Number.isInteger(position) || position < 1 || position > words.length) {
      terminal.say(`expected a number from 1 to ${words.length}`);
      continue;
    }
    const [typed] = await ask(terminal, `word ${position}: `, signal);
    const meant = typed === undefined ? undefined : wordBeginning(typed);
    if (meant === undefined) {
      terminal.say("that word is not in the list");
      continue;
    }
    words[position - 1] = meant;
    return true;
  }
}

async function ask(terminal: Terminal, question: string, signal: AbortSignal): Promise<string[]> {
  const bytes = await terminal.readSecret(question, signal);
  try {
    return splitWords(fromUtf8(bytes));
  } catch {
    terminal.say("that was no text");
    return [];
  } finally {
    zero(bytes);
  }
}
