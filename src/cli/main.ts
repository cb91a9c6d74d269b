#!/usr/bin/env node
import { CommanderError } from "commander";
import { isAntsError } from "../../keys/errors.js";
import { EXIT } from "../protocol/errors.js";
import type { CommandContext, CommandResult } from "./context.js";
import { interruptible } from "./interrupt.js";
import { describe, Output } from "./output.js";
import { homePath } from "./places.js";
import { buildProgram, type GlobalOptions } from "./program.js";
import { usageError } from "./usage.js";

/** The one place that decides how the process ends. Everything below throws, returns, or listens to a signal. */

// Nobody reads what a person should know: that ends no command.
process.stderr.on("error", () => {});
process.exitCode = await main(process.argv.slice(2));
// Sockets and timers that a command left behind must not keep a finished command running; what it printed must arrive.
process.stdout.write("", () => process.exit());

async function main(argv: readonly string[]): Promise<number> {
  // Commander finds --json while it parses; an error in parsing itself needs to know before.
  const literal = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const early = output({ json: literal.includes("--json") });
  let exit = 0;
  const needsFields = literal.includes("relay") || literal.includes("completion");
  const fields = needsFields ? (await import("../../relay/config.js")).relayConfigFields() : [];
  const program = buildProgram(async (run) => {
    exit = await execute(run, program.opts<GlobalOptions>());
  }, fields);
  for (const command of [program, ...program.commands, ...program.commands.flatMap((child) => child.commands)]) {
    // A usage error is told by `failure`; help that was asked for goes to stdout by itself.
    command.exitOverride().configureOutput({ outputError: () => {}, ...(early.json ? { writeErr: () => {} } : {}) });
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return exit;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed" || error.code === "commander.version") return 0;
    const path = commandPath(literal, program);
    // What a word too many mostly was meant to be.
    const isExcess = error.code === "commander.excessArguments";
    const more = isExcess ? " An option begins with --, and a text of several words stands in quotes." : "";
    if (error.code !== "commander.help") early.failure(usageError(`${error.message}${more}`, path));
    // Help in place of a command that was left out has said everything to a person, on stderr, and nothing to a program.
    else if (early.json) early.failure(usageError("the command is missing", path));
    return EXIT.usage;
  }
}

async function execute(
  run: (context: CommandContext) => Promise<CommandResult>,
  options: GlobalOptions,
): Promise<number> {
  const out = output(options);
  const interrupt = interruptible();
  // The reader of a pipe went away (`ants follow | head`): the command stops cleanly, and there is nobody to tell.
  let readerGone = false;
  const onPipeError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== "EPIPE") throw error;
    readerGone = true;
    interrupt.stop();
  };
  process.stdout.on("error", onPipeError);
  try {
    const home = homePath(options.home, process.env);
    const { signal, takeSignals } = interrupt;
    const result = await run({ out, signal, home, env: process.env, takeSignals });
    return typeof result === "object" ? result.child : (result ?? 0);
  } catch (error) {
    if (readerGone) return 0;
    if (interrupt.signal.aborted) {
      // Everything else that an interruption brings about is what was asked for; this one the person has to know.
      if (isAntsError(error, "publish-unknown")) out.failure(error);
      return EXIT.interrupted;
    }
    out.failure(error);
    return describe(error).exit;
  } finally {
    interrupt.release();
  }
}

function output(options: GlobalOptions): Output {
  return new Output({
    json: options.json === true,
    quiet: options.quiet === true,
    stdout: process.stdout,
    stderr: process.stderr,
  });
}

/** The words of a command line that name commands, for the hint: `relay verify`. */
function commandPath(argv: readonly string[], program: ReturnType<typeof buildProgram>): string {
  const path: string[] = [];
  let here = program;
  for (const word of argv) {
    const next = here.commands.find((child) => child.name() === word);
    if (next === undefined) continue;
    path.push(word);
    here = next;
  }
  return path.join(" ");
}
