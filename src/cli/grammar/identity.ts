import { type Command, Option } from "commander";
import { collect, command, examples, type Runner, vaultOption, wholeNumber } from "./command.js";

export function addIdentityCommands(program: Command, runner: Runner): void {
  const keygen = command(
    program,
    "keygen",
    "make a new identity: keys in an encrypted vault, a home, 24 recovery words",
  )
    .addOption(
      new Option("--relay <url>", "a relay to publish to; repeat it (three survive the loss of one)")
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .option("--faults <n>", "how many of the relays may lie; needs at least 3n+1 relays", wholeNumber, 0)
    .option("--label <text>", "what its runs are called where others ask who holds the pen; public", "agent")
    .option("--vault <file>", "where the vault goes (ANTS_VAULT, else into $XDG_DATA_HOME/ants/vaults)")
    .option("--phrase-file <file>", "write the 24 words to a new 0600 file instead of the terminal")
    .option(
      "--allow-ephemeral",
      "allow places that do not survive a restart: tmpfs, /tmp, a container's layer (ANTS_ALLOW_EPHEMERAL=1)",
    )
    .action((options) => runner(async (c) => (await import("../commands/keygen.js")).keygen(c, options)));
  examples(keygen, [
    ["ants keygen --relay wss://a.example --relay wss://b.example --relay wss://c.example"],
    [
      "ANTS_PASSPHRASE_FILE=/run/secrets/ants ants keygen --relay wss://a.example --phrase-file words.txt",
      "no terminal",
    ],
  ]);

  const whoami = command(program, "whoami", "show this home's identity, its relays and where its chain stands")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/whoami.js")).whoami(c, options)));
  examples(whoami, [["ants whoami"], ["ants whoami --json | jq -r .did"]]);
}
