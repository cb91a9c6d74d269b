import { spawn } from "node:child_process";
import { concat, zero } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";

/** A manager that has not answered by then waits for somebody who is not there. */
const COMMAND_TIMEOUT_MS = 10_000;
/** More output is no passphrase. */
const MAX_OUTPUT_BYTES = 8_192;

export interface PassphraseCommandOptions {
  /** The command's environment. ANTS_PASSPHRASE is left out of it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/**
 * Runs the command that prints the passphrase, without a shell, and returns its whole output. Its stderr is ours, and
 * it may use the terminal by itself. Throws AntsError "passphrase-command", never with the output in it.
 */
export async function runPassphraseCommand(text: string, options: PassphraseCommandOptions): Promise<Uint8Array> {
  const [command, ...args] = parseCommand(text);
  const timeoutMs = options.timeoutMs ?? COMMAND_TIMEOUT_MS;
  const { ANTS_PASSPHRASE: _, ...env } = options.env;
  const parts: Uint8Array[] = [];
  const size = () => parts.reduce((sum, part) => sum + part.length, 0);
  options.signal?.throwIfAborted();
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(command!, args, { env, stdio: ["ignore", "pipe", "inherit"] });
      const timer = setTimeout(() => fail(refused(command!, `did not answer within ${timeoutMs / 1000} s`)), timeoutMs);
      const onAbort = () => fail(options.signal?.reason);
      const end = () => {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", onAbort);
      };
      const fail = (error: unknown) => {
        end();
        child.kill("SIGKILL");
        // A grandchild may keep the pipe open: it is not waited for.
        child.stdout.destroy();
        reject(error);
      };
      options.signal?.addEventListener("abort", onAbort, { once: true });
      child.on("error", (error) => fail(refused(command!, `could not be started (${error.message})`, error)));
      child.stdout.on("data", (chunk: Buffer) => {
        parts.push(chunk);
        if (size() > MAX_OUTPUT_BYTES) fail(refused(command!, `printed more than ${MAX_OUTPUT_BYTES} bytes`));
      });
      child.on("close", (code, signal) => {
        end();
        if (code === 0) resolve();
        else reject(refused(command!, code === null ? `was ended by ${signal}` : `failed with exit code ${code}`));
      });
    });
    return concat(...parts);
  } finally {
    zero(...parts);
  }
}

/**
 * The words of a command: a JSON array of strings, or words with spaces between them. Nothing is expanded, so
 * characters that a shell would treat are refused outside of JSON. Throws AntsError "passphrase-command".
 */
export function parseCommand(text: string): readonly string[] {
  const trimmed = text.trim();
  if (trimmed.startsWith("[")) {
    let words: unknown;
    try {
      words = JSON.parse(trimmed);
    } catch (cause) {
      throw syntax("it begins with [ and is no JSON", cause);
    }
    if (Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === "string" && word !== "")) {
      return words;
    }
    throw syntax("expected a JSON array of one or more strings");
  }
  if (/["'\\$`|&;<>(){}*?]/.test(trimmed)) {
    throw syntax("it is not run by a shell, and quotes, variables, pipes and patterns mean nothing in it");
  }
  return trimmed.split(/\s+/);
}

function syntax(because: string, cause?: unknown): AntsError {
  return new AntsError("passphrase-command", `could not read ANTS_PASSPHRASE_COMMAND: ${because}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: `write it as JSON: ANTS_PASSPHRASE_COMMAND='["pass","show","ants"]' (a pipe needs ["sh","-c","…"])`,
  });
}

function refused(command: string, because: string, cause?: unknown): AntsError {
  return new AntsError("passphrase-command", `ANTS_PASSPHRASE_COMMAND: ${command} ${because}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: "run the command by hand: it must print the passphrase, and nothing else, within 10 s",
    details: { command },
  });
}
