import type { Command } from "commander";
import { command, examples, type Runner, seconds, vaultOption, wholeNumber } from "./command.js";

export function addCareCommands(program: Command, runner: Runner): void {
  const doctor = command(program, "doctor", "look at everything that has to be right, and say how to put it right")
    .option("--checklist", "what a well-kept agent has, item by item")
    .option("--timeout <seconds>", "how long to wait for each relay", seconds, 5)
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/doctor.js")).doctor(c, options)));
  examples(doctor, [["ants doctor"], ["ants doctor --json | jq '.findings[] | select(.level == \"broken\")'"]]);

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
