import type { Command } from "commander";
import { collect, command, examples, type Runner, vaultOption, wholeNumber } from "./command.js";

/** The options of every command that needs the recovery words; without them they are typed at the terminal. */
export function phraseOptions(target: Command): Command {
  return target
    .option("--phrase-file <file>", "take the recovery words from this 0600 file instead of the terminal")
    .option("--share-file <file>", "take them from shares; repeat it for as many as the set needs", collect);
}
