import type { Command } from "commander";
import { collect, command, examples, type Runner, vaultOption, wholeNumber } from "./command.js";

/** The options of every command that needs the recovery words; without them they are typed at the terminal. */
export function phraseOptions(target: Command): Command {
  return target
    .option("--phrase-file <file>", "take the recovery words from this 0600 file instead of the terminal")
    .option("--share-file <file>", "take them from shares; repeat it for as many as the set needs", collect);
}

export function addPhraseCommands(program: Command, runner: Runner): void {
  const phrase = command(program, "phrase", "the 24 recovery words: check them, split them into shares, join those");
  examples(phrase, [["ants phrase verify"], ["ants phrase split --shares 3 --threshold 2 --out shares"]]);

  const verify = phraseOptions(
    command(phrase, "verify", "are the words well formed, and do they rule this agent? Never shows them"),
  )
    .option("--relay <url>", "where there is no home: a relay that knows the agent; repeat it", collect)
    .option("--did <did>", "which agent to ask that relay for")
    .option("--show-candidates", "also where stdout is no terminal, show which words would fit: they are secret")
    .action((options) => runner(async (c) => (await import("../commands/phrase.js")).phraseVerify(c, options)));
  examples(verify, [
    ["ants phrase verify", "asks for the words on the terminal, and says where one may be wrong"],
    ["ants phrase verify --phrase-file words.txt"],
    ["ants phrase verify --share-file share-1-of-3.txt --share-file share-3-of-3.txt"],
  ]);

  const split = phraseOptions(
    command(phrase, "split", "make shares of the words: some of them bring the words back, fewer say nothing"),
  )
    .option("--shares <n>", "how many to make, 2 to 16", wholeNumber, 3)
    .option("--threshold <k>", "how many of them bring the words back", wholeNumber, 2)
    .requiredOption("--out <dir>", "the folder for their files, outside the home; nothing there is overwritten")
    .action((options) => runner(async (c) => (await import("../commands/phrase.js")).phraseSplit(c, options)));
  examples(split, [
    ["ants phrase split --shares 3 --threshold 2 --out /media/stick/shares"],
    ["ants phrase split --phrase-file words.txt --shares 5 --threshold 3 --out shares"],
  ]);

  const join = command(phrase, "join", "put the words together from shares")
    .argument("<share...>", "files with a share each")
    .option("--phrase-file <file>", "write the words to this new 0600 file instead of the terminal")
    .action((shares, options) =>
      runner(async (c) => (await import("../commands/phrase.js")).phraseJoin(c, shares, options)),
    );
  examples(join, [["ants phrase join share-1-of-3.txt share-3-of-3.txt --phrase-file words.txt"]]);
}

export function addKitCommand(program: Command, runner: Runner): void {
  const kit = phraseOptions(
    command(program, "kit", "a sheet to print: identity, relays, commands to recover, and room for the words"),
  )
    .option("--html <file>", "write it as a page to print to this new file")
    .option("--text <file>", "write it as text to this new file (neither: to stdout)")
    .option("--with-words", "put the recovery words on it, which are otherwise written by hand")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/kit.js")).kit(c, options)));
  examples(kit, [["ants kit --html kit.html"], ["ants kit | lpr"]]);
}
