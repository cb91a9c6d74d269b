import { fromUtf8, zero } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { openTerminal } from "./tty.js";

export interface Confirmation {
  /** What is about to happen, a line each, shown before the question. */
  readonly about: readonly string[];
  /** What to type: "yes", or a name where a slip would hurt. */
  readonly word: string;
  /** --yes: nobody is asked. */
  readonly yes: boolean;
  readonly signal: AbortSignal;
}

/**
 * Has a person confirm what cannot be taken back. Throws AntsError "not-confirmed" for another answer, and where there
 * is no terminal to ask on; "interrupted" for Ctrl-C.
 */
export async function confirm({ about, word, yes, signal }: Confirmation): Promise<void> {
  if (yes) return;
  const terminal = openTerminal();
  if (terminal === undefined) throw refused("there is no terminal to ask on");
  try {
    for (const line of about) terminal.say(line);
    const typed = await terminal.readSecret(`Type ${word} to go on (it is not shown): `, signal);
    try {
      if (fromUtf8(typed).trim() !== word) throw refused(`what was typed is not ${word}`);
    } finally {
      zero(typed);
    }
  } finally {
    terminal.close();
  }
}

function refused(why: string): AntsError {
  return new AntsError("not-confirmed", `nothing was done: ${why}`, {
    hint: "run it again with --yes, once you are sure",
  });
}
