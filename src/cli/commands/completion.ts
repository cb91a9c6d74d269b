import type { Command } from "commander";
import { bashCompletion } from "../completion/bash.js";
import { fishCompletion } from "../completion/fish.js";
import { completedCommands } from "../completion/model.js";
import { zshCompletion } from "../completion/zsh.js";
import type { CommandContext, CommandResult } from "../context.js";

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** Prints the script that lets a shell complete commands, options, choices and file names, from the grammar itself. */
export async function completion(
  { out }: CommandContext,
  shell: keyof typeof SCRIPTS,
  program: Command,
): Promise<CommandResult> {
  const script = SCRIPTS[shell](completedCommands(program));
  if (out.json) await out.value({ shell, script });
  else await out.exact(script.trimEnd());
  return undefined;
}
