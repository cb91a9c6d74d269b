import type { ExitCode } from "../protocol/errors.js";
import type { Output } from "./output.js";

/** What every command gets beside its own arguments: floor 5 reads the process once, here is what it found. */
export interface CommandContext {
  readonly out: Output;
  /** Aborted by Ctrl-C, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
  /** The agent home that --home, ANTS_HOME or the default names; it need not exist. Absolute. */
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A command that did all it was asked to returns nothing; otherwise the exit code that says how far it came. */
export type CommandResult = ExitCode | undefined;
