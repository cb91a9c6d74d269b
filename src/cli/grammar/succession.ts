import { type Command, Option } from "commander";
import { collect, command, examples, type Runner, seconds, vaultOption } from "./command.js";

/** What only the recovery phrase can do. */
export function addSuccessionCommands(program: Command, runner: Runner): void {
  const rotate = owners(
    command(program, "rotate", "replace the agent's key with the recovery words: after a theft, or before one"),
    "the last good event: head, a seq, or the beginning of an event's id; all after it becomes void",
  )
    .option("--turns", "only list who held the pen and when, to choose an anchor from")
    .option("--new-relay <url>", "a relay to publish to from now on as well; repeat it", collect)
    .option("--drop-relay <url>", "a relay to publish to no more; repeat it", collect)
    .option("--new-passphrase-file <file>", "take a new passphrase for the vault from this file")
    .option(
      "--signed-by-replaced-key",
      "in a home that was restored from an archive whose key was rotated away: you know that it is from before the theft",
    )
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/rotate.js")).rotate(c, options)));
  examples(rotate, [
    ["ants rotate", "asks for the words; again without them it finishes what was cut off"],
    ["ants rotate --turns", "which of these was not me?"],
    ["ants rotate --phrase-file words.txt --anchor 4711 --yes"],
    ["ants rotate --share-file a.txt --share-file b.txt"],
  ]);

  const recover = owners(
    command(program, "recover", "bring an agent back from its recovery words and one relay"),
    "the last good event: head, a seq, or the beginning of an event's id",
  )
    .addOption(
      new Option("--relay <url>", "a relay that the agent published to; repeat it")
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .option("--new-relay <url>", "a relay to publish to from now on as well; repeat it", collect)
    .option("--drop-relay <url>", "a relay to publish to no more; repeat it", collect)
    .option("--did <did>", "which agent, where the words rule several")
    .option("--label <text>", "what its runs are called where others ask who holds the pen; public", "agent")
    .option("--allow-ephemeral", "allow places that do not survive a restart (ANTS_ALLOW_EPHEMERAL=1)")
    .option(
      "--signed-by-replaced-key",
      "in a home that was restored from an archive whose key was rotated away: you know that it is from before the theft",
    )
    .option("--vault <file>", "where the new vault goes (ANTS_VAULT, else into $XDG_DATA_HOME/ants/vaults)")
    .action((options) => runner(async (c) => (await import("../commands/recover.js")).recover(c, options)));
  examples(recover, [
    ["ants recover --relay wss://a.example", "asks for the words"],
    ["ants recover --relay wss://a.example --phrase-file words.txt --new-relay wss://d.example --yes"],
    [
      "ants recover --relay wss://a.example --share-file a.txt --share-file b.txt --home ~/scout",
      "asks before it signs",
    ],
  ]);

  const deactivate = owners(
    command(program, "deactivate", "end the identity for good, with the recovery words"),
    "the last good event: head, a seq, or the beginning of an event's id",
  )
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/deactivate.js")).deactivate(c, options)));
  examples(deactivate, [["ants deactivate"], ["ants deactivate --phrase-file words.txt --yes"]]);
}

/** What the three have in common. */
function owners(target: Command, anchor: string): Command {
  return target
    .option("--phrase-file <file>", "the recovery words, in a 0600 file, instead of the terminal")
    .option("--share-file <file>", "a share of the recovery words, in a 0600 file; repeat it", collect)
    .option("--anchor <event>", anchor, "head")
    .option("--yes", "don't ask before signing; without a terminal nothing is signed unless this is given")
    .option("--timeout <seconds>", "how long to wait for each relay", seconds, 10);
}
