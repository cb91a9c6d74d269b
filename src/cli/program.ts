import { Command, InvalidArgumentError, Option } from "commander";
import type { ConfigField } from "../../relay/config.js";
import type { CommandContext, CommandResult } from "./context.js";
import { relayOption } from "./relay-option.js";
import { VERSION } from "./version.js";

/**
 * The grammar of the command line: every command, option and example, and nothing else. What a command does is in
 * commands/<name>.ts and is loaded when it runs, so that `ants --help` needs no crypto library and no database.
 */

/** Runs one command: builds its context, catches what it throws, decides the exit code. main.ts hands it in. */
export type Runner = (run: (context: CommandContext) => Promise<CommandResult>) => Promise<void>;

export interface GlobalOptions {
  readonly home?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** `relayFields`: the relay's settings, or none where the command line does not name `relay` (their schema loads slowly). */
export function buildProgram(runner: Runner, relayFields: readonly ConfigField[]): Command {
  const program: Command = new Command("ants")
    .description("Keep an autonomous agent itself: its identity, its signed log, and resuming from any point.")
    .version(VERSION, "--version", "print the version")
    .option("--home <dir>", "the agent's folder (ANTS_HOME, else ~/ants)")
    .option("--json", "machine-readable results on stdout and errors on stderr")
    .option("--quiet", "no notes on stderr; warnings and errors stay")
    .helpOption("--help", "say what it does, with examples")
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureHelp({
      helpWidth: 100,
      showGlobalOptions: true,
      visibleGlobalOptions: (command) =>
        command === program ? [] : program.options.filter((option) => option.long !== "--version"),
    });
  examples(program, [
    ["ants demo", "three relays, one killed, a reader resumed: the whole of it in under a minute"],
    ["ants keygen --relay wss://a.example --relay wss://b.example --relay wss://c.example", "a new identity"],
    ['ants publish "hello"', "one signed event to all three"],
    ["ants follow", "read them all as one stream"],
  ]);
  addIdentityCommands(program, runner);
  addEventCommands(program, runner);
  addRelayCommands(program, runner, relayFields);
  addVaultCommands(program, runner);
  addCareCommands(program, runner);
  return program;
}

function addIdentityCommands(program: Command, runner: Runner): void {
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
    .action((options) => runner(async (c) => (await import("./commands/keygen.js")).keygen(c, options)));
  examples(keygen, [
    ["ants keygen --relay wss://a.example --relay wss://b.example --relay wss://c.example"],
    [
      "ANTS_PASSPHRASE_FILE=/run/secrets/ants ants keygen --relay wss://a.example --phrase-file words.txt",
      "no terminal",
    ],
  ]);

  const whoami = command(program, "whoami", "show this home's identity, its relays and where its chain stands")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("./commands/whoami.js")).whoami(c, options)));
  examples(whoami, [["ants whoami"], ["ants whoami --json | jq -r .did"]]);
}

function addEventCommands(program: Command, runner: Runner): void {
  const publish = command(program, "publish", "sign an event and publish it to the agent's relays")
    .argument("[body]", 'text, or a JSON object; "-" reads stdin')
    .option("--file <file>", "take the body from a file")
    .option("--lines", "every line of the input is an event of its own")
    .option("--kind <kind>", "what the event is", "note")
    .option("--to <did>", "only this agent and the author may read it; repeat it", collect)
    .option("--tag <tag>", "a word to filter by; repeat it", collect)
    .option("--private", "encrypt the body: only this agent itself can read it")
    .addOption(
      new Option("--durability <level>", "how many relays must have it on disk before this returns")
        .choices(["one", "quorum", "all"])
        .default("quorum"),
    )
    .option("--timeout <seconds>", "how long to wait for that", seconds, 30)
    .option("--wait", "wait until no other instance is live and enough relays answer, however long that takes")
    .option("--takeover", "take the pen from another live instance, which is then fenced and stops")
    .addOption(vaultOption())
    .action((body, options) =>
      runner(async (c) => (await import("./commands/publish.js")).publish(c, { ...options, body })),
    );
  examples(publish, [
    ['ants publish "the build is green" --tag build'],
    ['ants publish \'{"step":3,"state":"done"}\' --kind progress --private'],
    ["make test 2>&1 | ants publish - --kind log --durability all"],
    ["ants publish --lines --file notes.txt", "one event a line"],
  ]);

  const follow = command(program, "follow", "read events from several relays as one verified stream")
    .option("--relay <url>", "where to read; repeat it (default: the relays of this home's agent)", collect)
    .option("--after <where>", '"start", "head", or a cursor (one relay only); --state goes first')
    .option("--state <file>", "remember what was read there, and go on from it next time")
    .option("--did <did>", "only this author; repeat it", collect)
    .option("--kind <kind>", "only this kind; repeat it", collect)
    .option("--tag <tag>", "only this tag; repeat it", collect)
    .option("--until-caught-up", "stop when everything that is there has been read")
    .option("--as-agent", "open the vault and authenticate, to be given events addressed to this agent")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("./commands/follow.js")).follow(c, options)));
  examples(follow, [
    ["ants follow --relay wss://a.example --relay wss://b.example --kind note"],
    ["ants follow --state reader.json --json | my-program", "each line once, also after a crash"],
    ["ants follow --after start --until-caught-up --json > all.ndjson"],
  ]);

  const log = command(program, "log", "this agent's own chain, as it lies in the home").action(() => {
    log.help({ error: true });
  });
  examples(log, [["ants log cat"], ["ants log verify"]]);
  const cat = command(log, "cat", "print the chain, oldest event first")
    .option("--kind <kind>", "only this kind; repeat it", collect)
    .option("--since-seq <n>", "from this seq on", wholeNumber, 0)
    .option("--open", "open the vault and show what this agent's private bodies say")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("./commands/log.js")).logCat(c, options)));
  examples(cat, [["ants log cat --kind note"], ["ants log cat --json | jq .body"], ["ants log cat --open"]]);
  const side = command(log, "side", "print what is on this disk beside the chain, and is not published")
    .option("--kind <kind>", "only this kind; repeat it", collect)
    .option("--open", "open the vault and show what this agent's private bodies say")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("./commands/log.js")).logSide(c, options)));
  examples(side, [["ants log side"], ["ants log side --json | jq .body", "to publish it anew"]]);
  const verify = command(log, "verify", "check every signature and every link of the chain").action(() =>
    runner(async (c) => (await import("./commands/log.js")).logVerify(c)),
  );
  examples(verify, [["ants log verify"]]);
}

function addRelayCommands(program: Command, runner: Runner, fields: readonly ConfigField[]): void {
  const relay = command(program, "relay", "run a relay: keep, order and serve signed events")
    .option("--config <file>", "TOML file with any of these; flags and environment go first")
    .action((options) => runner(async (c) => (await import("./commands/relay.js")).relay(c, options)));
  for (const field of fields) relay.addOption(relayOption(field));
  examples(relay, [
    ["ants relay --data /var/lib/ants-relay --public-url wss://relay.example"],
    ["ants relay --config /etc/ants-relay.toml"],
    ["ants relay --data ./r1 --port 0 --json", "any free port; prints {url, stream, position} when it is ready"],
  ]);
  const verify = command(relay, "verify", "check a relay's folder: log, tree, index and signed head")
    .argument("<dir>", "the data folder of a relay that is not running")
    .action((dir: string) => runner(async (c) => (await import("./commands/relay-verify.js")).relayVerify(c, dir)));
  examples(verify, [["ants relay verify /var/lib/ants-relay"]]);
}

function addVaultCommands(program: Command, runner: Runner): void {
  const vault = command(program, "vault", "the encrypted file that holds the agent's keys").action(() => {
    vault.help({ error: true });
  });
  examples(vault, [["ants vault verify"], ["ants vault passwd"]]);
  const passwd = command(vault, "passwd", "change the passphrase (with the old one, or with the 24 words)")
    .addOption(vaultOption())
    .option("--phrase-file <file>", "open with the recovery words in this file instead of the old passphrase")
    .option("--new-passphrase-file <file>", "take the new passphrase from this file")
    .action((options) => runner(async (c) => (await import("./commands/vault.js")).vaultPasswd(c, options)));
  examples(passwd, [
    ["ants vault passwd"],
    ["ants vault passwd --phrase-file words.txt", "the passphrase is lost, the words are not"],
  ]);
  const verify = command(vault, "verify", "open the vault and check that its keys belong to this home's identity")
    .addOption(vaultOption())
    .option("--phrase-file <file>", "open with the recovery words in this file")
    .action((options) => runner(async (c) => (await import("./commands/vault.js")).vaultVerify(c, options)));
  examples(verify, [
    ["ants vault verify"],
    ["ants vault verify --phrase-file words.txt", "do the words still open it?"],
  ]);
}

function addCareCommands(program: Command, runner: Runner): void {
  const doctor = command(program, "doctor", "look at everything that has to be right, and say how to put it right")
    .option("--checklist", "what a well-kept agent has, item by item")
    .option("--timeout <seconds>", "how long to wait for each relay", seconds, 5)
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("./commands/doctor.js")).doctor(c, options)));
  examples(doctor, [["ants doctor"], ["ants doctor --json | jq '.findings[] | select(.level == \"broken\")'"]]);

  const demo = command(
    program,
    "demo",
    "watch it work: three relays, 1,000 events, kill -9 in the middle, a resumed reader",
  )
    .option("--events <n>", "how many events", wholeNumber, 1000)
    .option("--keep", "leave the folder in place and say where it is")
    .action((options) => runner(async (c) => (await import("./commands/demo.js")).demo(c, options)));
  examples(demo, [["ants demo"], ["ants demo --keep --json"]]);
}

/** A subcommand that inherits how the program prints help. */
function command(parent: Command, name: string, summary: string): Command {
  return parent
    .command(name)
    .description(summary)
    .helpOption("--help", "say what it does, with examples")
    .helpCommand(false);
}

function vaultOption(): Option {
  return new Option("--vault <file>", "the vault (ANTS_VAULT, else its usual place)");
}

function examples(target: Command, rows: readonly (readonly [line: string, remark?: string])[]): void {
  const lines = rows.map(([line, remark]) => `  $ ${line}${remark === undefined ? "" : `\n      ${remark}`}`);
  target.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

function wholeNumber(value: string): number {
  const number = Number(value);
  if (!/^\d{1,15}$/.test(value) || !Number.isSafeInteger(number))
    throw new InvalidArgumentError("Expected a whole number.");
  return number;
}

function seconds(value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !(number > 0) || number > 86_400) {
    throw new InvalidArgumentError("Expected seconds, more than 0 and at most 86400.");
  }
  return number;
}
