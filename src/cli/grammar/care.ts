import type { Command } from "commander";
import { command, examples, type Runner, seconds, vaultOption, wholeNumber } from "./command.js";

export function addCareCommands(program: Command, runner: Runner): void {
  const doctor = command(program, "doctor", "look at everything that has to be right, and say how to put it right")
    .option("--checklist", "what a well-kept agent has, item by item")
    .option("--timeout <seconds>", "how long to wait for each relay", seconds, 5)
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/doctor.js")).doctor(c, options)));
  examples(doctor, [["ants doctor"], ["ants doctor --json | jq '.findings[] | select(.level == \"broken\")'"]]);

  const status = command(program, "status", "where the agent stands: pen, chain, relays, what waits, backups")
    .option("--timeout <seconds>", "how long to wait for each relay", seconds, 5)
    .action((options) => runner(async (c) => (await import("../commands/status.js")).status(c, options)));
  examples(status, [
    ["ants status", "needs no key; exit code 3 where a relay could not be asked"],
    ["ants status --json | jq '.furthest'", "how far behind the furthest relay is"],
  ]);

  const demo = command(
    program,
    "demo",
    "watch it work: three relays, 1,000 events, kill -9 in the middle, a resumed reader",
  )
    .option("--events <n>", "how many events", wholeNumber, 1000)
    .option("--keep", "leave the folder in place and say where it is")
    .action((options) => runner(async (c) => (await import("../commands/demo.js")).demo(c, options)));
  examples(demo, [["ants demo"], ["ants demo --keep --json"]]);
}
