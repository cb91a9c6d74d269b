import { type Command, Option } from "commander";
import { SCENARIO_TITLES } from "../drill/scenarios/titles.js";
import { collect, command, examples, type Runner, wholeNumber } from "./command.js";

export function addDrillCommand(program: Command, runner: Runner): void {
  const drill = command(
    program,
    "drill",
    "rehearse the loss of a host: throw-away agents are killed, cut off, cloned and brought back elsewhere",
  )
    .option("--only <scenario>", "only this scenario; repeat it", collect)
    .option(
      "--report <dir>",
      "write report.json and report.html into this folder, in the place of an earlier report there",
    )
    .addOption(
      new Option(
        "--isolation <kind>",
        "how hosts are kept apart (default: namespaces where root, else processes)",
      ).choices(["namespaces", "processes"]),
    )
    .option("--host-a <host>", "play on this host, [user@]host[:port], by ssh; with --host-b and --listen")
    .option("--host-b <host>", "and on this one; ants of this version has to be on both")
    .option("--listen <address>", "where relays listen on this machine, so that given hosts reach them")
    .option("--identity <file>", "the ssh key that given hosts take")
    .option("--ssh-config <file>", "an ssh configuration instead of your own")
    .option("--remote-ants <command>", "what ants is on given hosts", "ants")
    .addOption(new Option("--serve", "what a drill starts on a given host: orders come on stdin").hideHelp())
    .option(
      "--no-backup",
      "don't restore the newest real backup of the agent in this home first (into a folder that is removed)",
    )
    .option("--phrase-file <file>", "open that backup with the recovery words in this file, as cold ones need")
    .option("--capture", "record every packet with tshark, and search them for keys; needs root")
    .option("--verbose", "say what happens in each scenario, as it happens")
    .option("--at-once <n>", "how many scenarios at a time", wholeNumber, 3)
    .option("--keep", "leave the folder in place and say where it is")
    .action((options) => runner(async (c) => (await import("../commands/drill.js")).drill(c, options)));
  drill.addHelpText("after", `\nIt takes 1 to 3 minutes. The scenarios, for --only:\n${scenarioLines()}`);
  examples(drill, [
    ["ants drill"],
    ["ants drill --only partition --only clone"],
    ["ants drill --host-a me@one.example --host-b me@two.example:2222 --listen 192.0.2.7", "on two hosts of yours"],
    ["ants drill --report ~/drill --json", "for a timer: exit code 0 only if everything held"],
  ]);
}

function scenarioLines(): string {
  const titles = Object.entries(SCENARIO_TITLES);
  const width = Math.max(...titles.map(([name]) => name.length));
  return titles.map(([name, title]) => `  ${name.padEnd(width)}  ${title}`).join("\n");
}
