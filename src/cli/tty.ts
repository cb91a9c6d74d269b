import { closeSync, constants, openSync, writeSync } from "node:fs";
import { isatty, ReadStream } from "node:tty";
import { AntsError } from "../../keys/errors.js";

/** The person at the terminal, whatever stdin and stdout are connected to. */
export interface Terminal {
  /** A line that only the person sees. */
  say(text: string): void;
  /** Asks and reads a line that is not shown. Throws AntsError "interrupted" on Ctrl-C, Ctrl-D or the signal. */
  readSecret(prompt: string, signal?: AbortSignal): Promise<Uint8Array>;
  /** Gives the terminal back as it was found. */
  close(): void;
}

/** The controlling terminal, or undefined where the process has none (a service, cron, a container without -t). */
export function openTerminal(path = "/dev/tty"): Terminal | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
  if (!isatty(descriptor)) {
    closeSync(descriptor);
    return undefined;
  }
  return new DeviceTerminal(descriptor);
}

class DeviceTerminal implements Terminal {
  readonly #descriptor: number;
  readonly #input: ReadStream;
  /** What came after the line that was asked for: the answer to the next question, typed or pasted ahead. */
  #ahead: Uint8Array = new Uint8Array(0);

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.#input = new ReadStream(descriptor);
    this.#input.pause();
  }

  say(text: string): void {
    writeSync(this.#descriptor, `${text}\n`);
  }

  async readSecret(prompt: string, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    // Raw mode: nothing is echoed, and Ctrl-C arrives as a byte, so that the terminal is always given back.
    this.#input.setRawMode(true);
    writeSync(this.#descriptor, prompt);
    const line = new SecretLine();
    try {
      return await this.#read(prompt, line, signal);
    } finally {
      line.clear();
      writeSync(this.#descriptor, "\n");
    }
  }

  close(): void {
    this.#ahead.fill(0);
    this.#input.setRawMode(false);
    this.#input.destroy();
  }

  #read(prompt: string, line: SecretLine, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const take = (bytes: Uint8Array): boolean => {
        for (let i = 0; i < bytes.length; i++) {
          const outcome = line.feed(bytes[i]!);
          if (outcome === "more") continue;
          this.#ahead = bytes.slice(i + 1);
          settle(outcome === "done" ? () => resolve(line.bytes()) : () => reject(interrupted(prompt)));
          return true;
        }
        return false;
      };
      const onData = (chunk: Buffer): void => {
        // A copy first: slices of a Buffer share its memory, and what was typed ahead would be overwritten with it.
        const bytes = new Uint8Array(chunk);
        chunk.fill(0);
        take(bytes);
        bytes.fill(0);
      };
      const onEnd = (): void => settle(() => reject(interrupted(prompt)));
      const onError = (error: Error): void => settle(() => reject(error));
      const onAbort = (): void => settle(() => reject(signal?.reason));
      const settle = (finish: () => void): void => {
        this.#input.off("data", onData).off("end", onEnd).off("error", onError).pause();
        signal?.removeEventListener("abort", onAbort);
        finish();
      };
      const ahead = this.#ahead;
      this.#ahead = new Uint8Array(0);
      const answered = take(ahead);
      ahead.fill(0);
      if (answered) return;
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#input.on("data", onData).on("end", onEnd).on("error", onError).resume();
    });
  }
}

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const CTRL_U = 0x15;
const ESCAPE = 0x1b;
const DELETE = 0x7f;
/** A line of more bytes is no passphrase; what follows is ignored until the line ends, and it is then refused. */
const MAX_LINE_BYTES = 8_192;

/** The line editor of a secret: Backspace takes a character away, Ctrl-U all; other control keys do nothing. */
export class SecretLine {
  readonly #bytes = new Uint8Array(MAX_LINE_BYTES);
  #length = 0;
  /** Inside the sequence that an arrow or function key sends: it is no part of the secret. */
  #sequence: "none" | "escape" | "parameters" = "none";

  feed(byte: number): "more" | "done" | "interrupted" {
    if (this.#sequence === "escape") {
      this.#sequence = byte === 0x5b || byte === 0x4f ? "parameters" : "none";
      return "more";
    }
    if (this.#sequence === "parameters") {
      // ECMA-48: parameters and intermediates are 0x20 to 0x3f, the first byte above ends the sequence.
      if (byte >= 0x40) this.#sequence = "none";
      return "more";
    }
    switch (byte) {
      case RETURN:
      case NEWLINE:
        return "done";
      case CTRL_C:
      case CTRL_D:
        return "interrupted";
      case BACKSPACE:
      case DELETE:
        this.#eraseCharacter();
        return "more";
      case CTRL_U:
        this.clear();
        return "more";
      case ESCAPE:
        this.#sequence = "escape";
        return "more";
      default:
        if (byte >= 0x20 && this.#length < MAX_LINE_BYTES) this.#bytes[this.#length++] = byte;
        return "more";
    }
  }

  /** A copy of what was typed. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  clear(): void {
    this.#bytes.fill(0);
    this.#length = 0;
  }

  #eraseCharacter(): void {
    while (this.#length > 0) {
      const byte = this.#bytes[--this.#length]!;
      this.#bytes[this.#length] = 0;
      // Bytes 10xxxxxx continue a UTF-8 character: go on to the one that begins it.
      if ((byte & 0xc0) !== 0x80) return;
    }
  }
}

/** The same terminal is asked for words, codes and confirmations. */
function interrupted(prompt: string): AntsError {
  return new AntsError("interrupted", `stopped at the question: ${prompt.trim().replace(/:$/, "")}`);
}
