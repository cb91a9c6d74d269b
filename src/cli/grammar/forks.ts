import type { Command } from "commander";
import { collect, command, examples, type Runner, seconds, vaultOption } from "./command.js";

/** What to do when two writers used one key. */
export function addForkCommands(program: Command, runner: Runner): void {
  const forks = command(program, "forks", "show where two writers used one key of an agent, with the proofs")
    .argument("[name]", "name@host, name.example.com or did:ants:… (default: this home's agent)")
    .option("--verify <file>", "verify two lines alone, without any relay (- is standard input)")
    .option("--relay <url>", "a relay to ask; repeat it (those that the identity names are asked, too)", collect)
    .option("--allow-private", "let names lead into this machine's own network (ANTS_ALLOW_PRIVATE=1)")
    .option("--timeout <seconds>", "how long each relay may take", seconds, 10)
    .action((name, options) =>
      runner(async (c) => (await import("../commands/forks.js")).forks(c, { ...options, name })),
    );
  examples(forks, [
    ["ants forks"],
    ["ants forks scout@relay.example --json | jq -r '.forks[0].lines[]' > two-lines"],
    ["ants forks --verify two-lines", "what a third party does with them"],
  ]);

  const heal = command(
    program,
    "heal",
    "join this agent's forks: a claim in a new epoch, and an event that names both sides",
  )
    .option("--timeout <seconds>", "how long to try for the pen, and how long each relay may take", seconds, 30)
    .option("--takeover", "take the pen from an instance that is at work")
    .option("--wait", "wait until the holder of the pen is silent, and a quorum is there, however long that takes")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/heal.js")).heal(c, options)));
  examples(heal, [["ants heal"], ["ants heal --takeover --json"]]);
}
