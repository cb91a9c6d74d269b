import { type Command, InvalidArgumentError, Option } from "commander";
import type { CommandContext, CommandResult } from "../context.js";

/** Runs one command: builds its context, catches what it throws, decides the exit code. main.ts hands it in. */
export type Runner = (run: (context: CommandContext) => Promise<CommandResult>) => Promise<void>;

/** A subcommand that inherits how the program prints help. */
export function command(parent: Command, name: string, summary: string): Command {
  return parent
    .command(name)
    .description(summary)
    .helpOption("--help", "say what it does, with examples")
    .helpCommand(false);
}

export function vaultOption(): Option {
  return new Option("--vault <file>", "the vault (ANTS_VAULT, else its usual place)");
}

export function examples(target: Command, rows: readonly (readonly [line: string, remark?: string])[]): void {
  const lines = rows.map(([line, remark]) => `  $ ${line}${remark === undefined ? "" : `\n      ${remark}`}`);
  target.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

export function wholeNumber(value: string): number {
  const number = Number(value);
  if (!/^\d{1,15}$/.test(value) || !Number.isSafeInteger(number))
    throw new InvalidArgumentError("Expected a whole number.");
  return number;
}

export function seconds(value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !(number > 0) || number > 86_400) {
    throw new InvalidArgumentError("Expected seconds, more than 0 and at most 86400.");
  }
  return number;
}
