import { once } from "node:events";
import { isAntsError } from "../../keys/errors.js";
import { errorRow, exitCodeOf } from "../protocol/errors.js";
import { painted, printable, rendered, type Text } from "./text.js";

/**
 * What a command says, and where: results on stdout, everything else on stderr, so that `ants … | jq` and
 * `ants … > file` never mix the two. With `--json` stdout carries JSON only: one value, or JSON Lines for a stream.
 *
 * Texts come from relays, other agents and files: whatever is in them, a terminal obeys nothing of it ({@link rendered}).
 */

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export class Output {
  readonly json: boolean;
  readonly #quiet: boolean;
  readonly #stdout: NodeJS.WriteStream;
  readonly #stderr: NodeJS.WriteStream;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.#quiet = options.quiet;
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
  }

  /** True where a person is likely to read stdout as it is written. */
  get terminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /**
   * One line of the result on stdout. Resolves when the stream has room again, so that a slow pipe slows the command
   * instead of filling memory.
   */
  line(text: Text): Promise<void> {
    return this.#write(rendered(text, this.#stdout));
  }

  /** One JSON value as one line on stdout, with escapes for whatever a terminal obeys or doesn't show. */
  value(value: unknown): Promise<void> {
    return this.#write(printable(JSON.stringify(value)));
  }

  /**
   * A line of JSON on stdout, byte for byte: it may be what somebody signed. JSON leaves some characters as they are that
   * a terminal obeys (U+009B); on one, which no program reads, they are written as JSON's own escapes.
   */
  exact(json: string): Promise<void> {
    return this.#write(this.terminal ? printable(json) : json);
  }

  /** The result in whichever form was asked for: `value` with --json, else `lines`. */
  async result(value: unknown, lines: readonly Text[]): Promise<void> {
    if (this.json) return this.value(value);
    for (const line of lines) await this.line(line);
  }

  /** What a person may want to know on the way; --quiet drops it. */
  note(text: string): void {
    if (!this.#quiet) this.#tell(text);
  }

  /** What a person should act on; --quiet keeps it. */
  warn(text: string): void {
    this.#tell([painted("yellow", "warning:"), " ", text]);
  }

  /** The end of a failed command: a line with its code and a way out, or {code, message, hint} on stderr with --json. */
  failure(error: unknown): void {
    const { code, message, hint } = describe(error);
    if (this.json) {
      const json = JSON.stringify({ code, message, ...(hint === undefined ? {} : { hint }) });
      this.#stderr.write(`${printable(json)}\n`);
      return;
    }
    this.#tell([painted("red", "error:"), " ", message, " ", painted("dim", `[${code}]`)]);
    if (hint !== undefined) this.#tell([painted("cyan", "hint:"), " ", hint]);
  }

  /** A line on stderr that shows how far long work is; silent where stderr is no terminal, and in the first second. */
  progress(label: string): Progress {
    const visible = this.#stderr.isTTY === true && !this.#quiet && !this.json;
    return new Progress(visible ? this.#stderr : undefined, label);
  }

  async #write(line: string): Promise<void> {
    if (!this.#stdout.write(`${line}\n`)) await once(this.#stdout, "drain");
  }

  #tell(text: Text): void {
    this.#stderr.write(`${rendered(text, this.#stderr)}\n`);
  }
}

/** Work shorter than this shows no progress. */
const PROGRESS_AFTER_MS = 1000;
/** A terminal gains nothing from more lines than this. */
const PROGRESS_EVERY_MS = 100;

export class Progress {
  readonly #stream: NodeJS.WriteStream | undefined;
  readonly #label: string;
  readonly #started = performance.now();
  #shown = 0;
  #stage: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WriteStream | undefined, label: string) {
    this.#stream = stream;
    this.#label = label;
  }

  /** How much is done. */
  at(done: number | string): void {
    clearTimeout(this.#stage);
    const now = performance.now();
    if (this.#stream === undefined || now - this.#started < PROGRESS_AFTER_MS) return;
    if (now - this.#shown < PROGRESS_EVERY_MS) return;
    this.#show(done);
  }

  /** What is done from now on without saying how far it is: it stands there until something else does. */
  stage(what: string): void {
    clearTimeout(this.#stage);
    const waitMs = Math.max(0, this.#started + PROGRESS_AFTER_MS - performance.now());
    if (waitMs === 0) this.#show(what);
    else this.#stage = setTimeout(() => this.#show(what), waitMs);
  }

  /** Takes the line away again. */
  end(): void {
    clearTimeout(this.#stage);
    if (this.#shown > 0) this.#stream?.write("\r\x1b[2K");
  }

  #show(text: number | string): void {
    this.#shown = performance.now();
    this.#stream?.write(`\r\x1b[2K${this.#label} ${text}`);
  }
}

/** What `failure` prints and `main` exits with. An error that is not ours is a defect of ours, and is said to be one. */
export function describe(error: unknown): { code: string; message: string; hint?: string; exit: number } {
  if (isAntsError(error)) {
    const hint = error.hint ?? errorRow(error.code)?.wayOut;
    return { code: error.code, message: error.message, exit: exitCodeOf(error), ...(hint ? { hint } : {}) };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    code: "internal",
    message,
    hint: "this is a defect in ants: please report it with the lines above",
    exit: 1,
  };
}
