import { type Command, Option } from "commander";
import { collect, command, examples, type Runner, seconds, vaultOption } from "./command.js";
import { phraseOptions } from "./phrase.js";

/** `backup restore`, and waking what it restored. `backup`: the group that it belongs to. */
export function addRestoreCommands(program: Command, backup: Command, runner: Runner): void {
  const restore = phraseOptions(
    command(backup, "restore", "unpack an archive into an empty folder; the home sleeps until it is activated"),
  )
    .argument("[archive]", 'a file, the name of an archive at a target, or "latest"', "latest")
    .option("--to <dir>", "the folder, empty or not there yet (the agent home unless given)")
    .option("--target <address>", "where the archives are: a folder, ssh://… or s3://…; repeat it", collect)
    .addOption(vaultOption())
    .option("--offline", "ask no relay how far the copy is behind")
    .option(
      "--signed-by-replaced-key",
      "take an archive whose key was rotated away: you know that it is from before the theft",
    )
    .option("--timeout <seconds>", "how long each relay gets", seconds, 30)
    .addOption(new Option("--allow-ephemeral", "restore into a place that is gone after a restart"))
    .action((archive, options) =>
      runner(async (c) => (await import("../commands/backup-restore.js")).backupRestore(c, { ...options, archive })),
    );
  examples(restore, [
    ["ants backup restore --to scout --target /media/stick/backups", "the newest one, with this host's vault"],
    ["ants backup restore ants-cold-20261114T030000Z-5b1e0c9a7d42f018.tar.age --to scout --phrase-file words.txt"],
  ]);

  const activate = command(program, "activate", "wake a restored home: claim the pen, so that this is the agent now")
    .option("--takeover", "displace another copy that is at work")
    .option("--wait", "wait until another copy is silent and a quorum of the relays is there, however long that takes")
    .option(
      "--signed-by-replaced-key",
      "wake one of an archive whose key was rotated away: you know that it is from before the theft",
    )
    .option(
      "--timeout <seconds>",
      "how long each relay gets, and then the claim; with --wait only the relays that are read first",
      seconds,
      30,
    )
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/activate.js")).activate(c, options)));
  examples(activate, [["ants activate --home scout"], ["ants activate --wait"]]);
}
