import type { Command } from "commander";
import { command, examples, type Runner, seconds, vaultOption } from "./command.js";

/** One agent, another host: `migrate in` there, `migrate out` here. */
export function addMigrateCommands(program: Command, runner: Runner): void {
  const migrate = command(
    program,
    "migrate",
    "move the agent to another host: same identity, nothing lost, no second self",
  );

  examples(migrate, [
    ["ants migrate in --start", "on the new host"],
    ["ants migrate out --request request.json --bundle scout.move", "on the old one"],
    ["ants migrate in --bundle scout.move", "on the new one"],
  ]);

  const inward = command(migrate, "in", "on the new host: ask for the agent, then take what the old host packed")
    .option("--start", "first: prints a request for the old host, and the code that is typed there")
    .option("--request <file>", "with --start: write the request to this new file instead of stdout")
    .option("--bundle <file>", "then: take what ants migrate out wrote")
    .option("--did <did>", "with --bundle: the agent that is to come; without it a person is shown its DID and asked")
    .option("--takeover", "go on without a hand-over: the old host was cut off, and is gone for good")
    .option("--timeout <seconds>", "how long to try for the pen", seconds, 30)
    .addOption(vaultOption())
    .option("--allow-ephemeral", "allow places that do not survive a restart (ANTS_ALLOW_EPHEMERAL=1)")
    .action((options) => runner(async (c) => (await import("../commands/migrate-in.js")).migrateIn(c, options)));
  inward.addHelpText(
    "after",
    "\nWith --bundle the passphrase of the vault on this host is chosen: asked for, or taken from ANTS_PASSPHRASE_FILE and the like.\nIt need not be the old host's. Where a copy of the vault is here already, its passphrase stays, and opens it.",
  );
  examples(inward, [
    ["ants migrate in --start --request request.json", "shows a code, to be typed on the old host"],
    ["ants migrate in --bundle scout.move", "once the old host has packed the agent"],
    ["ants migrate in --bundle scout.move --did did:ants:…", "no terminal"],
  ]);

  const outward = command(
    migrate,
    "out",
    "on the old host: pack the agent for the new one, hand the pen over, step down",
  )
    .option("--request <file>", 'what ants migrate in --start printed there: a file, the line itself, or "-" for stdin')
    .option(
      "--bundle <file>",
      "write home and keys to this new file, sealed to the new host; for the same request it replaces the bundle that is there",
    )
    .option("--code <code>", "the code that the new host shows, where there is no terminal to type it on")
    .option("--cancel", "take a move back that did not arrive: the agent stays here")
    .option("--takeover", "also displace another instance that holds the pen")
    .option("--wait", "wait until the holder of the pen is silent, and a quorum is there, however long that takes")
    .option("--timeout <seconds>", "how long to try for the pen", seconds, 30)
    .option("--phrase-file <file>", "open the vault with the recovery words in this file")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/migrate-out.js")).migrateOut(c, options)));
  examples(outward, [
    ["ants migrate out --request request.json --bundle scout.move"],
    ["ants migrate out --cancel", "it never arrived there, and the bundle is lost"],
  ]);
}
