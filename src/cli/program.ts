import { Command } from "commander";
import type { ConfigField } from "../../relay/config.js";
import { addBackupWatchCommands } from "./grammar/backup-watch.js";
import { addBackupCommands } from "./grammar/backups.js";
import { addCareCommands } from "./grammar/care.js";
import { examples, type Runner } from "./grammar/command.js";
import { addCompletionCommand } from "./grammar/completion.js";
import { addDrillCommand } from "./grammar/drill.js";
import { addEventCommands } from "./grammar/events.js";
import { addForkCommands } from "./grammar/forks.js";
import { addIdentityCommands } from "./grammar/identity.js";
import { addJoinCommands } from "./grammar/join.js";
import { addMessageCommands } from "./grammar/messages.js";
import { addMigrateCommands } from "./grammar/migrate.js";
import { addKitCommand, addPhraseCommands } from "./grammar/phrase.js";
import { addRelayCommands } from "./grammar/relay.js";
import { addRelaysCommands } from "./grammar/relays.js";
import { addResolveCommands } from "./grammar/resolve.js";
import { addSecretCommands } from "./grammar/secrets.js";
import { addSuccessionCommands } from "./grammar/succession.js";
import { addVaultCommands } from "./grammar/vault.js";
import { VERSION } from "./version.js";

/**
 * The grammar of the command line: every command, option and example (in grammar/, by subject), and nothing else. What
 * a command does is in commands/<name>.ts and is loaded when it runs, so that `ants --help` needs no crypto library and
 * no database.
 */

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
  addSuccessionCommands(program, runner);
  addEventCommands(program, runner);
  addMessageCommands(program, runner);
  addForkCommands(program, runner);
  addRelayCommands(program, runner, relayFields);
  addResolveCommands(program, runner);
  addRelaysCommands(program, runner);
  addVaultCommands(program, runner);
  addJoinCommands(program, runner);
  addPhraseCommands(program, runner);
  addKitCommand(program, runner);
  addSecretCommands(program, runner);
  addBackupCommands(program, runner);
  addBackupWatchCommands(program, runner);
  addMigrateCommands(program, runner);
  addCareCommands(program, runner);
  addDrillCommand(program, runner);
  addCompletionCommand(program, runner);
  return program;
}
