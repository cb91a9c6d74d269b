import { AntsError } from "../../keys/errors.js";

/**
 * A command line that asks for something that cannot be. `command` is the words that name the command, or "" for the
 * program itself; its --help is the way out.
 */
export function usageError(message: string, command: string): AntsError {
  // Commander's own messages begin like this; ours is printed by whoever shows the error.
  const text = message.replace(/^error: /, "");
  return new AntsError("usage", text, { hint: `ants ${command === "" ? "" : `${command} `}--help` });
}
