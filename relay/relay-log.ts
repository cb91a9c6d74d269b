/** What a relay tells its operator. Records are handed to a function that the program gives; nothing is printed here. */
import type { Clock } from "../keys/ports.js";
import { LOG_LEVELS, type LogLevel } from "./config.js";

/** One record: what happened, and facts about it. Never keys, bodies or auth lines. */
export interface LogRecord {
  readonly level: LogLevel;
  /** Wall clock, milliseconds since 1970. */
  readonly timeMs: number;
  /** A stable name: `listening`, `connection-refused`, `storage-failed` … */
  readonly event: string;
  readonly [fact: string]: unknown;
}

export type LogSink = (record: LogRecord) => void;

/** Writes records of at least one level to a sink. */
export class RelayLog {
  readonly #sink: LogSink | undefined;
  readonly #from: number;
  readonly #clock: Pick<Clock, "nowMs">;

  constructor(sink: LogSink | undefined, level: LogLevel, clock: Pick<Clock, "nowMs">) {
    this.#sink = sink;
    this.#from = LOG_LEVELS.indexOf(level);
    this.#clock = clock;
  }

  /** Passes a record on, unless its level is below the one that was asked for. */
  write(level: LogLevel, event: string, facts: Readonly<Record<string, unknown>> = {}): void {
    if (this.#sink === undefined || LOG_LEVELS.indexOf(level) < this.#from) return;
    this.#sink({ level, timeMs: this.#clock.nowMs(), event, ...facts });
  }
}
