import type { Command } from "commander";
import { collect, command, examples, type Runner, vaultOption } from "./command.js";

/** What keeps backups being made, and clean of secrets: below `ants backup`, which is there already. */
export function addBackupWatchCommands(program: Command, runner: Runner): void {
  const backup = program.commands.find((candidate) => candidate.name() === "backup")!;
  const scan = command(backup, "scan", "look for secrets in all that a backup would take; changes nothing")
    .option("--allow <place>", "PATH:LINE, or PATH, of what is none: it is never reported again; repeat it", collect)
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/backup-scan.js")).backupScan(c, options)));
  examples(scan, [
    ["ants backup scan", "exit code 4 where something looks like a secret"],
    ["ants backup scan --allow memory/2026-11-20.md:8"],
  ]);

  const schedule = command(backup, "schedule", "make and verify backups by the clock");
  examples(schedule, [["ants backup schedule run"], ["ants backup schedule status"]]);

  const run = command(schedule, "run", "in the foreground: make, verify and prune by the plan until told to end")
    .option("--once", "do what is due now, catching up what was missed, and end: for timers")
    .option(
      "--now",
      "do every job of the plan, whatever was done or failed before, and end: after you put something right",
    )
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/backup-schedule.js")).scheduleRun(c, options)));
  examples(run, [
    ["ants backup schedule run", "needs ANTS_PASSPHRASE_COMMAND, ANTS_PASSPHRASE_FILE or a systemd credential"],
    ["ants backup schedule run --once"],
    ["ants backup schedule run --now"],
  ]);

  const print = command(schedule, "print", "a service and a timer for systemd that do the same")
    .option("--user", "for systemd's manager of one user")
    .option("--write <dir>", "write both files there instead of printing them")
    .option("--credential <file>", "the encrypted passphrase", "/etc/ants/passphrase.cred")
    .addOption(vaultOption())
    .action((options) =>
      runner(async (c) => (await import("../commands/backup-schedule.js")).schedulePrint(c, options)),
    );
  examples(print, [
    ["ants backup schedule print"],
    ["ants backup schedule print --user --write ~/.config/systemd/user"],
  ]);

  const status = command(schedule, "status", "when each job ran and runs next").action(() =>
    runner(async (c) => (await import("../commands/backup-schedule.js")).scheduleStatus(c)),
  );
  examples(status, [["ants backup schedule status"], ["ants backup schedule status --json | jq .jobs"]]);
}
