import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { concat, equalBytes, zero } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { MAX_SECRET_BYTES } from "../../keys/node/vault-secrets.js";
import { openTerminal, type Terminal } from "./tty.js";

export interface SecretInput {
  readonly name: string;
  readonly file?: string;
  /** Keep the newline after a single line. */
  readonly exact?: true;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly signal: AbortSignal;
}

/** A person who fails this often wants to think first. */
const MAX_ATTEMPTS = 3;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * The value of a secret: from the file, from stdin where that is no terminal, else asked for twice on /dev/tty, where
 * it is not shown. Never from the command line, which every program of the machine can read. A newline after a single
 * line of text is not part of it unless `exact`. The caller overwrites it. Throws "secret-empty", "secret-too-long",
 * "body-file", "passphrase-mismatch", "interrupted".
 */
export async function readSecretValue(input: SecretInput): Promise<Uint8Array> {
  if (input.file !== undefined) return checked(input, await readFile(input.file));
  if (input.stdin.isTTY !== true) return checked(input, await readStream(input.stdin, input.signal));
  const terminal = openTerminal();
  if (terminal === undefined) throw empty(input.name);
  try {
    return checked({ ...input, exact: true }, await askTwice(terminal, input));
  } finally {
    terminal.close();
  }
}

async function readStream(stdin: Readable, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const stop = (): void => void stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const part of stdin as AsyncIterable<Buffer>) {
      parts.push(part);
      size += part.length;
      if (size > MAX_SECRET_BYTES + 1) throw tooLong();
    }
    signal.throwIfAborted();
    return concat(...parts);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    zero(...parts);
  }
}

async function readFile(path: string): Promise<Uint8Array> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, constants.O_RDONLY);
  } catch (cause) {
    throw new AntsError("body-file", `cannot read ${path}: ${(cause as Error).message}`, { cause, details: { path } });
  }
  const buffer = new Uint8Array(MAX_SECRET_BYTES + 2);
  try {
    let size = 0;
    for (let read = -1; read !== 0 && size < buffer.length; size += read) {
      read = (await handle.read(buffer, size, buffer.length - size)).bytesRead;
    }
    return new Uint8Array(buffer.subarray(0, size));
  } catch (cause) {
    throw new AntsError("body-file", `cannot read ${path}: ${(cause as Error).message}`, { cause, details: { path } });
  } finally {
    zero(buffer);
    await handle.close();
  }
}

async function askTwice(terminal: Terminal, { name, signal }: SecretInput): Promise<Uint8Array> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const first = await terminal.readSecret(`Value of ${name} (not shown): `, signal);
    const second = await terminal.readSecret("The same again: ", signal);
    const same = equalBytes(first, second);
    zero(second);
    if (same) return first;
    zero(first);
    terminal.say("They are not the same.");
  }
  throw new AntsError("passphrase-mismatch", `the value was not entered twice alike in ${MAX_ATTEMPTS} attempts`, {
    hint: `write it into a 0600 file first: ants secret set ${name} --file FILE`,
  });
}

function checked({ name, exact }: SecretInput, bytes: Uint8Array): Uint8Array {
  const value = exact === true ? bytes : withoutNewline(bytes);
  if (value !== bytes) zero(bytes);
  if (value.length === 0) throw empty(name);
  if (value.length <= MAX_SECRET_BYTES) return value;
  zero(value);
  throw tooLong();
}

/** Of a single line of text; what has several lines, or bytes that are no text, is kept as it is. */
function withoutNewline(bytes: Uint8Array): Uint8Array {
  if (bytes.at(-1) !== NEWLINE || bytes.indexOf(NEWLINE) !== bytes.length - 1 || !isText(bytes)) return bytes;
  const end = bytes.at(-2) === RETURN ? bytes.length - 2 : bytes.length - 1;
  return new Uint8Array(bytes.subarray(0, end));
}

/** UTF-8 without control characters but tabs and line ends. */
function isText(bytes: Uint8Array): boolean {
  if (bytes.some((byte) => byte < 0x20 && byte !== 0x09 && byte !== NEWLINE && byte !== RETURN)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function empty(name: string): AntsError {
  return new AntsError("secret-empty", `expected a value for ${name}, got an empty one`, {
    hint: `pass it on stdin (ants secret set ${name} < FILE), with --file FILE, or run this at a terminal`,
  });
}

function tooLong(): AntsError {
  return new AntsError("secret-too-long", `expected at most ${MAX_SECRET_BYTES} bytes, got more`);
}
