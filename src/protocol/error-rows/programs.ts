import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

/** Commands, the agent home, files that commands read. */
export const PROGRAM_ERRORS = {
  "audit-failed": fatal(
    "The demonstration found something missing, doubled or out of order.",
    "Report it with the lines above: this must never happen.",
  ),
  "body-file": fatal(
    "The file that was to be published cannot be read.",
    "Check its path and its mode; - reads stdin.",
    EXIT.usage,
  ),
  "config-file": fatal(
    "The configuration file cannot be read or is not TOML.",
    "Correct the file; the message names the line.",
    EXIT.usage,
  ),
  "config-unknown": fatal(
    "A configuration names a setting that does not exist.",
    "Correct its name: ants relay --help lists all.",
    EXIT.usage,
  ),
  "config-value": fatal(
    "A setting has a value of the wrong form or out of its bounds.",
    "Correct it: ants relay --help says what is allowed.",
    EXIT.usage,
  ),
  "demo-child": fatal(
    "A process of the demonstration ended in a way that it should not.",
    "Report it with the lines above.",
  ),
  "demo-failed": fatal(
    "The demonstration did not come to its end: something is missing, doubled, out of order or too slow.",
    "Run it again with --keep and report it with the folder that it names.",
  ),
  "home-damaged": fatal(
    "The configuration or the identity log of an agent's home cannot be read.",
    "Restore that file from a backup; chain and vault are files of their own.",
  ),
  "home-exists": fatal(
    "The folder is the home of an agent already.",
    "Choose another folder; an identity is never overwritten.",
    EXIT.refusedForSafety,
  ),
  "home-missing": fatal(
    "There is no agent in the folder.",
    "Name its folder with --home or ANTS_HOME, restore it from a copy, or bring the agent here with ants recover or ants join; a new one begins with ants keygen.",
    EXIT.noVault,
  ),
  interrupted: passing("The command was stopped by Ctrl-C or a signal.", "Run it again.", EXIT.interrupted),
  "listen-failed": fatal(
    "The relay cannot listen on its address and port.",
    "Stop the program that uses the port, or choose another one.",
  ),
  "not-a-relay": fatal(
    "What answers at the URL is no relay.",
    "Use the URL that the relay prints when it starts.",
    EXIT.unreachable,
  ),
  usage: fatal(
    "The command line, or a call of the library, asks for something that cannot be.",
    "Run the command with --help; docs/library.md shows the calls.",
    EXIT.usage,
  ),
} as const satisfies Record<string, ErrorRow>;
