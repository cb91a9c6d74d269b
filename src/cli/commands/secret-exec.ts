import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { AntsError } from "../../../keys/errors.js";
import { systemClock, systemRandom } from "../../../keys/ports.js";
import { choose, exhausted, type UsableVersion } from "../../agent/secret-choice.js";
import { SecretKeeper } from "../../agent/secret-keeper.js";
import { SecretVault } from "../../agent/secret-vault.js";
import type { CommandContext, CommandResult } from "../context.js";
import { type SecretView, type SecretViewOptions, viewSecrets, warnPassedOver } from "../secret-view.js";
import { usageError } from "../usage.js";
import { openTelling } from "../waiting.js";

export interface SecretExecOptions extends SecretViewOptions {
  readonly command: readonly string[];
  /** NAME or NAME=VARIABLE. */
  readonly secret: readonly string[];
  readonly only?: true;
  readonly fallbackExit?: number;
  readonly retryRefused?: true;
  readonly allowExpired?: true;
  readonly allowStale?: true;
}

/** What a clean environment has beside the secrets. */
const PLAIN_VARIABLES = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TERM", "TZ", "TMPDIR"];
/** The way to the passphrase opens every secret: no command that was given one needs it. */
const WITHHELD = /^ANTS_PASSPHRASE/;
/** What our own commands listen to: a secret there would be taken for a setting. */
const OURS = /^ANTS_/;
/** What decides which code a command runs. */
const LOADING = /^(?:LD_PRELOAD|LD_LIBRARY_PATH|NODE_OPTIONS|PATH|BASH_ENV|DYLD_.*)$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Beside those that every command of ours listens to. */
const MORE_SIGNALS: readonly NodeJS.Signals[] = ["SIGQUIT", "SIGUSR1", "SIGUSR2"];
/** How long to try to record alarms: the command is done, and somebody waits. */
const RECORD_TIMEOUT_MS = 10_000;

/** What a shell answers where a command is not there, or may not be run. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/**
 * Runs a command with secrets in its environment. Its exit code is ours, and 128 + n where signal n ended it. The
 * values are in the environment of the command and, until this process ends, in its memory; nowhere else.
 */
export async function secretExec(context: CommandContext, options: SecretExecOptions): Promise<CommandResult> {
  const wanted = options.secret.map(parseWanted);
  if (options.fallbackExit !== undefined && wanted.length !== 1)
    throw usageError("--fallback-exit needs exactly one --secret: which one was refused?", "secret exec");
  const variables = wanted.map(({ variable }) => variable);
  if (new Set(variables).size < variables.length)
    throw usageError(
      "two secrets would have the same variable: name another with --secret NAME=VARIABLE",
      "secret exec",
    );
  for (const variable of variables) {
    if (LOADING.test(variable))
      context.out.warn(`${variable} decides which code the command runs: whoever sets this secret decides it`);
  }
  const view = await viewSecrets(context, options);
  const { vault, ledger } = view;
  try {
    const nowMs = systemClock.nowMs();
    const choices = wanted.map(({ name, variable }) => {
      const choice = choose(vault.content.secrets, ledger, name, { ...options, nowMs });
      warnPassedOver(context, name, choice.passedOver);
      return { variable, usable: choice.usable };
    });
    const base = baseEnvironment(context.env, options.only === true);
    if (options.fallbackExit === undefined) {
      const env = { ...base };
      for (const { variable, usable } of choices) env[variable] = textOf(usable[0]!);
      // The command may run for long: nothing of the vault stays open for it.
      vault.close();
      return { child: await run(context, options.command, env) };
    }
    return await withFallback(context, options, view, choices[0]!, base);
  } finally {
    vault.close();
  }
}

async function withFallback(
  context: CommandContext,
  { command, fallbackExit }: SecretExecOptions,
  view: SecretView,
  { variable, usable }: { readonly variable: string; readonly usable: readonly UsableVersion[] },
  base: Record<string, string>,
): Promise<CommandResult> {
  const { out } = context;
  const file = new SecretVault(view.vault, view.vaultPath);
  const { ledger } = view;
  const keeper = new SecretKeeper({
    file,
    ledger: () => Promise.resolve(ledger),
    clock: systemClock,
    random: systemRandom,
  });
  let refused = 0;
  try {
    for (const [i, one] of usable.entries()) {
      const code = await run(context, command, { ...base, [variable]: textOf(one) });
      if (code !== fallbackExit) return { child: code };
      const { name, label, version } = one;
      await keeper.refused(one, version.number);
      refused += 1;
      const next = usable[i + 1];
      out.warn(
        `alarm: ${name} (${label}), version ${version.number}, was refused (exit code ${code})` +
          `${next === undefined ? "" : `; trying ${next.label}`}: put in a new one with ants secret rotate ${name} --label ${label}`,
      );
    }
    throw exhausted(
      usable[0]!.name,
      usable.map(({ label }) => label),
    );
  } finally {
    if (refused > 0) await record(context, view);
  }
}

/** Writes the alarms into the chain, where the pen is free and the relays answer; else the next change of secrets does. */
async function record(context: CommandContext, { home, vault, vaultPath }: SecretView): Promise<void> {
  try {
    const lock = await home.lock();
    const agent = await openTelling(
      context,
      { home, lock, vault, vaultPath },
      { signal: context.signal, timeoutMs: RECORD_TIMEOUT_MS },
    );
    try {
      await agent.secrets.keeper.settle();
    } finally {
      await agent.close();
    }
  } catch (error) {
    const why = error instanceof AntsError ? error.message : String(error);
    context.out.warn(
      `the alarm is in the vault, and not in the chain yet (${why}): the next change of secrets records it`,
    );
  }
}

async function run(context: CommandContext, command: readonly string[], env: Record<string, string>): Promise<number> {
  const [program, ...args] = command as [string, ...string[]];
  let child: ChildProcess | undefined;
  // A terminal tells all programs in front of it of Ctrl-C by itself.
  const forward = (name: NodeJS.Signals): void => {
    if (name !== "SIGINT" || process.stdin.isTTY !== true) child?.kill(name);
  };
  // Before the command runs: once it does, somebody may signal us, and no signal may end us in its place.
  const release = context.takeSignals(forward);
  for (const name of MORE_SIGNALS) process.on(name, forward);
  try {
    child = spawn(program, args, { env, stdio: "inherit" });
    const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + constants.signals[signal!];
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    // Not the error itself: it carries the arguments, and programs print errors.
    // A folder of PATH that may not be searched says EACCES, too, of a command that is nowhere.
    const isNowhere = code === "ENOENT" || (code === "EACCES" && !isOnPath(program, env.PATH));
    const why = isNowhere ? "there is no such command" : code;
    context.out.failure(new AntsError("exec-failed", `could not start ${program}: ${why}`));
    return isNowhere ? NOT_FOUND : NOT_EXECUTABLE;
  } finally {
    for (const name of MORE_SIGNALS) process.off(name, forward);
    release();
  }
}

/** Whether a command is a path, or a file of that name is in a folder of PATH that can be searched. */
function isOnPath(program: string, path = ""): boolean {
  return program.includes("/") || path.split(":").some((folder) => existsSync(join(folder || ".", program)));
}

function parseWanted(text: string): { name: string; variable: string } {
  const [name, variable = name!.toUpperCase().replace(/[.-]/g, "_"), ...rest] = text.split("=");
  if (rest.length > 0 || !VARIABLE.test(variable))
    throw usageError(`--secret ${name}: expected NAME or NAME=VARIABLE`, "secret exec");
  if (OURS.test(variable))
    throw usageError(`--secret ${name}: ${variable} is a variable of ants itself: name another`, "secret exec");
  return { name: name!, variable };
}

function baseEnvironment(env: CommandContext["env"], only: boolean): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !WITHHELD.test(entry[0]) && (!only || PLAIN_VARIABLES.includes(entry[0])),
  );
  return Object.fromEntries(kept);
}

/** As a variable can hold it. Throws "secret-not-text". */
function textOf({ name, version }: UsableVersion): string {
  const { value } = version;
  try {
    if (!value.includes(0)) return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    // Told below, without the bytes.
  }
  throw new AntsError("secret-not-text", `${name} is no text, and a variable cannot hold it`, {
    hint: `hand it over through a pipe: ants secret get ${name} | COMMAND`,
  });
}
