import { type Command, InvalidArgumentError } from "commander";
import { momentOf, spanOf } from "../when.js";
import { collect, command, examples, type Runner, seconds, vaultOption, wholeNumber } from "./command.js";

export function addSecretCommands(program: Command, runner: Runner): void {
  const secret = command(program, "secret", "tokens, passwords and keys that the agent uses, in its vault");
  examples(secret, [
    ["ants secret set mail.token < token.txt"],
    ["ants secret exec --secret mail.token=MAIL_TOKEN -- ./send-mail"],
    ["ants secret list"],
  ]);
  addChanges(secret, runner);
  addReading(secret, runner);
  addExec(secret, runner);
}

function addChanges(secret: Command, runner: Runner): void {
  const set = changing(secret, "set", "put a secret in: from stdin, a file, or asked for at the terminal")
    .option("--label <label>", "which of several credentials: the first that is set is the preferred one", "main")
    .option("--file <file>", "take the value from a file, byte for byte but for a newline after a single line")
    .option("--exact", "keep that newline too")
    .option("--expires <when>", "90d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z: refused from then on", moment)
    .action((name, options) =>
      runner(async (c) => (await import("../commands/secret.js")).secretSet(c, { ...options, name })),
    );
  examples(set, [
    ["ants secret set mail.token", "asks twice at the terminal"],
    ["pass show work/api | ants secret set api --expires 90d"],
    ["ants secret set api --label backup --file second-account.txt"],
  ]);

  const rotate = changing(secret, "rotate", "put in a new version, which takes the place of the one before")
    .option("--label <label>", "which of several credentials", "main")
    .option("--file <file>", "take the value from a file")
    .option("--exact", "keep a newline after a single line")
    .option("--expires <when>", "when the new version expires", moment)
    .option("--grace <span>", "keep the version before it for so long (10m, 12h, 7d); without it, it is gone", span)
    .action((name, options) =>
      runner(async (c) => (await import("../commands/secret.js")).secretRotate(c, { ...options, name })),
    );
  examples(rotate, [
    ["ants secret rotate mail.token < new-token.txt"],
    ["ants secret rotate api --label backup --grace 1h --file new.txt"],
  ]);

  const rm = changing(secret, "rm", "remove a secret, one of its credentials, or revoke one version")
    .option("--label <label>", "only this credential (default: all)")
    .option("--number <n>", "only this version, which is never used again", wholeNumber)
    .option("--yes", "do not ask for the name")
    .action((name, options) =>
      runner(async (c) => (await import("../commands/secret.js")).secretRm(c, { ...options, name })),
    );
  examples(rm, [["ants secret rm mail.token"], ["ants secret rm api --label backup --yes"]]);
}

function addReading(secret: Command, runner: Runner): void {
  const get = reading(secret, "get", "write a secret to stdout, into a pipe or a file")
    .argument("<name>", "the secret")
    .option("--label <label>", "which of several credentials (default: the first that may be used)")
    .option("--number <n>", "not the newest version, but this one", wholeNumber)
    .option("--show", "also on a terminal")
    .option("--allow-expired", "also after it has expired")
    .option("--allow-stale", "also where the chain says that there is a newer one, or that it was revoked")
    .action((name, options) =>
      runner(async (c) => (await import("../commands/secret-get.js")).secretGet(c, { ...options, name })),
    );
  examples(get, [["ants secret get mail.token | ./login --token-stdin"], ["ants secret get api --show"]]);

  const list = reading(secret, "list", "what there is and how it stands: never a value").action((options) =>
    runner(async (c) => (await import("../commands/secret-get.js")).secretList(c, options)),
  );
  examples(list, [["ants secret list"], ["ants secret list --json | jq '.secrets[].name'"]]);
}

function addExec(secret: Command, runner: Runner): void {
  const exec = reading(secret, "exec", "run a command with secrets in its environment, and nowhere else")
    .argument("<command...>", "the command and its arguments, after --")
    .requiredOption("--secret <name[=variable]>", "a secret; its variable is NAME unless named; repeat it", collect)
    .option("--only", "an environment of the secrets and PATH, HOME, USER, LANG, TERM, TZ and TMPDIR, nothing else")
    .option("--fallback-exit <code>", "exit code that means: credential refused; the next one is tried", wholeNumber)
    .option("--retry-refused", "also credentials that were refused before")
    .option("--allow-expired", "also after they have expired")
    .option("--allow-stale", "also where the chain says that there is a newer one, or that it was revoked")
    .action((words, options) =>
      runner(async (c) => (await import("../commands/secret-exec.js")).secretExec(c, { ...options, command: words })),
    );
  examples(exec, [
    ["ants secret exec --secret mail.token=MAIL_TOKEN -- ./send-mail"],
    ["ants secret exec --secret api --fallback-exit 41 -- ./call-api", "41: tries the next credential of api"],
  ]);
}

/** What a command that changes secrets has. */
function changing(secret: Command, name: string, summary: string): Command {
  return command(secret, name, summary)
    .argument("<name>", "the secret: [a-z][a-z0-9._-]{0,63}")
    .option("--offline", "change the vault only: the chain learns of it with a later change")
    .option("--timeout <seconds>", "how long to try for the pen", seconds, 30)
    .addOption(vaultOption());
}

/** What a command that uses secrets has. */
function reading(secret: Command, name: string, summary: string): Command {
  return command(secret, name, summary)
    .option("--offline", "do not ask the relays whether there is a newer version")
    .option("--timeout <seconds>", "how long to ask the relays", seconds, 5)
    .addOption(vaultOption());
}

function moment(value: string): number {
  const ms = momentOf(value, Date.now());
  if (ms === undefined) throw new InvalidArgumentError("Expected 90d, 12h, 30m, a date, or a date and time.");
  return ms;
}

function span(value: string): number {
  const ms = spanOf(value);
  if (ms === undefined) throw new InvalidArgumentError("Expected a span such as 10m, 12h or 7d.");
  return ms;
}
