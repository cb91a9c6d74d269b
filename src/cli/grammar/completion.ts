import { Argument, type Command } from "commander";
import { command, examples, type Runner } from "./command.js";

/** Comes last: it completes every command that is in the program by then. */
export function addCompletionCommand(program: Command, runner: Runner): void {
  const completion = command(program, "completion", "print the script that lets a shell complete ants")
    .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh", "fish"]))
    .action((shell) => runner(async (c) => (await import("../commands/completion.js")).completion(c, shell, program)));
  examples(completion, [
    ["source <(ants completion bash)", "in ~/.bashrc; zsh the same, after compinit"],
    ["ants completion fish > ~/.config/fish/completions/ants.fish"],
  ]);
}
