import { AntsError } from "../../keys/errors.js";
import { EXIT } from "../protocol/errors.js";

export interface Interruptible {
  readonly signal: AbortSignal;
  /** Asks the command to finish, as the first Ctrl-C does. */
  readonly stop: () => void;
  /** Signals go there, and abort nothing, until the returned function is called. */
  readonly takeSignals: (to: (name: NodeJS.Signals) => void) => () => void;
  /** Gives the signals back to Node's defaults. */
  readonly release: () => void;
}

/**
 * Ctrl-C, SIGTERM and SIGHUP as an AbortSignal: the first asks the command to finish cleanly (no temporary file, no
 * half-written state), the second ends the process at once. The files are safe either way, since every one is written
 * whole beside its place and renamed; what a second Ctrl-C costs is the goodbye to relays.
 */
export function interruptible(): Interruptible {
  const controller = new AbortController();
  const stop = (by: string): void =>
    controller.abort(new AntsError("interrupted", `stopped by ${by}`, { details: { by } }));
  let taker: ((name: NodeJS.Signals) => void) | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (taker !== undefined) {
      taker(name);
      return;
    }
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    stop(name);
  };
  const names: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const name of names) process.on(name, onSignal);
  // A program that started this one with a channel to it (the demo), and was killed: nobody else would end this one.
  const onDisconnect = (): void => stop("the end of the program that started it");
  if (process.connected) process.once("disconnect", onDisconnect);
  return {
    signal: controller.signal,
    stop: () => stop("the program"),
    takeSignals: (to) => {
      taker = to;
      return () => {
        taker = undefined;
      };
    },
    release: () => {
      for (const name of names) process.off(name, onSignal);
      process.off("disconnect", onDisconnect);
    },
  };
}
