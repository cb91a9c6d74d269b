import { type Command, InvalidArgumentError, Option } from "commander";
import { spanMs } from "../../agent/backup/span.js";
import { collect, command, examples, type Runner, vaultOption, wholeNumber } from "./command.js";
import { phraseOptions } from "./phrase.js";
import { addRestoreCommands } from "./restore.js";

/** Copies of the home, encrypted, elsewhere. */
export function addBackupCommands(program: Command, runner: Runner): void {
  const backup = command(program, "backup", "encrypted copies of the home, in places of your choice");
  examples(backup, [
    ["ants backup create --tier hot --target /media/stick/backups"],
    ["ants backup list"],
    ["ants backup verify"],
  ]);

  const create = placed(command(backup, "create", "make an archive of the home and store it at every target"))
    .addOption(tierOption().default("hot"))
    .option("--anyway", "also where the agent went on in another instance, and this home is of an older state")
    .option("--offline", "do not ask the relays whether it did")
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

  const prune = placed(command(backup, "prune", "remove the archives that no rule of the plan keeps"))
    .addOption(tierOption())
    .option("--dry-run", "only say what would be removed, and what stays for which reason")
    .option("--keep-within <span>", "everything younger than this (12h, 2d, 4w)", span)
    .option("--keep-hourly <n>", "the newest of each of the last n hours that have one", wholeNumber)
    .option("--keep-daily <n>", "… of each of the last n days", wholeNumber)
    .option("--keep-weekly <n>", "… of each of the last n weeks", wholeNumber)
    .option("--keep-monthly <n>", "… of each of the last n months", wholeNumber)
    .option("--yes", "do not ask")
    .action((options) => runner(async (c) => (await import("../commands/backup-prune.js")).backupPrune(c, options)));
  examples(prune, [
    ["ants backup prune --dry-run"],
    ["ants backup prune --tier hot --keep-within 2d --keep-daily 14 --yes", "these rules instead of the plan's"],
  ]);

  const rewrap = phraseOptions(
    placed(command(backup, "rewrap", "encrypt archives anew after a rotate, or after the recovery words changed")),
  )
    .option("--dry-run", "only say which are due")
    .action((options) => runner(async (c) => (await import("../commands/backup-keys.js")).backupRewrap(c, options)));
  examples(rewrap, [
    ["ants backup rewrap", "what this host can open"],
    ["ants backup rewrap --phrase-file words.txt", "cold ones as well"],
  ]);

  const recipient = phraseOptions(command(backup, "recipient", "to whom backups are encrypted; the words set it"))
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/backup-keys.js")).backupRecipient(c, options)));
  examples(recipient, [
    ["ants backup recipient"],
    ["ants backup recipient --phrase-file words.txt", "once, for a vault from before there were backups"],
  ]);

  const identity = phraseOptions(
    command(backup, "identity", "the key that opens every backup with the age command, where no ants is at hand"),
  )
    .option("--out <file>", "write it to this new 0600 file")
    .option("--show", "write it to stdout")
    .action((options) => runner(async (c) => (await import("../commands/backup-keys.js")).backupIdentity(c, options)));
  examples(identity, [
    ["ants backup identity --phrase-file words.txt --out identity.txt"],
    ["age --decrypt --identity identity.txt ants-cold-….tar.age | tar x", "what ants backup identity is for"],
  ]);
  addRestoreCommands(program, backup, runner);
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

function span(value: string): number {
  const ms = spanMs(value);
  if (ms === undefined) throw new InvalidArgumentError("Expected a span such as 90s, 30m, 12h, 2d or 4w.");
  return ms;
}
