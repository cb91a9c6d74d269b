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
  /** Hands signals over instead of aborting, until the returned function is called: another program is at work. */
  readonly takeSignals: (to: (name: NodeJS.Signals) => void) => () => void;
}

/** How a program ended that a command ran in its own place: that is how this one ends, too. */
export interface ChildExit {
  /** 0 to 255 */
  readonly child: number;
}

/** A command that did all it was asked to returns nothing; otherwise the exit code that says how far it came. */
export type CommandResult = ExitCode | ChildExit | undefined;
