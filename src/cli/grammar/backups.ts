import { type Command, Option } from "commander";
import { collect, command, examples, type Runner, vaultOption } from "./command.js";
import { phraseOptions } from "./phrase.js";

/** Copies of the home, encrypted, elsewhere. */
export function addBackupCommands(program: Command, runner: Runner): void {
  const backup = command(program, "backup", "encrypted copies of the home, in places of your choice").action(() => {
    backup.help({ error: true });
  });
  examples(backup, [
    ["ants backup create --tier hot --target /media/stick/backups"],
    ["ants backup list"],
    ["ants backup verify"],
  ]);

  const create = placed(command(backup, "create", "make an archive of the home and store it at every target"))
    .addOption(tierOption().default("hot"))
    .action((options) => runner(async (c) => (await import("../commands/backup.js")).backupCreate(c, options)));
  examples(create, [
    ["ants backup create", "a hot one, to the targets of .ants/backup.toml"],
    ["ants backup create --tier cold --target ssh://me@vault.example/srv/backups"],
  ]);

  const list = placed(command(backup, "list", "what there is at the targets, oldest first")).action((options) =>
    runner(async (c) => (await import("../commands/backup.js")).backupList(c, options)),
  );
  examples(list, [["ants backup list"], ["ants backup list --json | jq -r '.archives[-1].name'"]]);

  const verify = phraseOptions(
    placed(command(backup, "verify", "read archives back and open them: the newest of each tier unless named")),
  )
    .argument("[name...]", "archives")
    .option("--all", "all that there are")
    .option("--bytes", "open none: only compare their bytes with those that were stored")
    .action((names, options) =>
      runner(async (c) => (await import("../commands/backup.js")).backupVerify(c, { ...options, names })),
    );
  examples(verify, [
    ["ants backup verify", "with this host's keys: a cold one is compared byte for byte"],
    ["ants backup verify --all --phrase-file words.txt", "the words open every one"],
  ]);
}

/** What a command has that works with targets. */
function placed(target: Command): Command {
  return target
    .option("--target <address>", "a folder, ssh://… or s3://… instead of those of the plan; repeat it", collect)
    .addOption(vaultOption());
}

function tierOption(): Option {
  return new Option("--tier <tier>", "hot: this host can open it; cold: only the recovery words can").choices([
    "hot",
    "cold",
  ]);
}
