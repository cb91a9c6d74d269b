import type { Command } from "commander";
import { command, examples, type Runner, vaultOption } from "./command.js";

/** Two devices, one agent: `join` on the new one, `vault share` on the first. */
export function addJoinCommands(program: Command, runner: Runner): void {
  const join = command(program, "join", "make this device another one of an agent that runs elsewhere")
    .option("--did <did>", "which agent; ants whoami on its first device says so")
    .option("--request <file>", "write the request to this new file instead of stdout")
    .option("--answer <file>", 'take the first device\'s answer from this file; "-" reads stdin')
    .option("--label <text>", "what runs on this device are called (default: as on the first)")
    .addOption(vaultOption())
    .option("--allow-ephemeral", "allow places that do not survive a restart (ANTS_ALLOW_EPHEMERAL=1)")
    .action((options) => runner(async (c) => (await import("../commands/join.js")).join(c, options)));
  examples(join, [
    ["ants join --did did:ants:… --request request.json", "shows a code, to be typed on the first device"],
    ["ants join --answer answer.json", "once the first device has answered"],
  ]);

  const vault = program.commands.find((child) => child.name() === "vault")!;
  const share = command(vault, "share", "let another device join: seal the vault to it, once its code is typed here")
    .requiredOption("--request <file>", 'what ants join printed there; "-" reads stdin')
    .option("--answer <file>", "write the answer to this new file instead of stdout")
    .option("--code <code>", "the code that the new device shows, where there is no terminal to type it on")
    .option("--phrase-file <file>", "open the vault with the recovery words in this file")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/join.js")).vaultShare(c, options)));
  examples(share, [["ants vault share --request request.json --answer answer.json"]]);
}
