import { join } from "node:path";
import { equalBytes, zero } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { keepMemoryOutOfCoreDumps } from "../../keys/node/core-dump.js";
import { runPassphraseCommand } from "./passphrase-command.js";
import { readSecretFile } from "./secret-file.js";
import { printable } from "./text.js";
import { openTerminal, type Terminal } from "./tty.js";

/** Where a passphrase came from, in the order in which they are tried. The first that is set up is the one: it
 * failing is an error, not a reason to try the next. */
export type PassphraseSource = "systemd-credential" | "command" | "file" | "terminal" | "variable";

export interface Passphrase {
  readonly source: PassphraseSource;
  /** Without the newline at its end. Overwrite it when done. */
  readonly passphrase: Uint8Array;
}

export interface PassphraseRequest {
  /**
   * "unlock" an existing vault; "create" one, which asks a person twice; "change" to another passphrase, which takes
   * it from `file` or a person only, since what is set up for unattended use is the old one.
   */
  readonly purpose: "unlock" | "create" | "change";
  /** What the passphrase is for, as the question names it: a path or a DID. */
  readonly subject: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes a line for stderr. */
  readonly warn: (text: string) => void;
  /** "change": the file that --new-passphrase-file names. */
  readonly file?: string;
  readonly signal?: AbortSignal;
  /** The person to ask, if there is one. /dev/tty unless given. */
  readonly terminal?: () => Terminal | undefined;
  readonly commandTimeoutMs?: number;
}

const CREDENTIAL_NAME = "ants-passphrase";
const MAX_PASSPHRASE_BYTES = 4_096;
/** Guessing costs 0.8 s a try at the default cost: with fewer characters a stolen vault falls to patience. */
const ADVISED_CHARACTERS = 12;
/** A person who fails this often wants to think first. */
const MAX_ATTEMPTS = 3;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * The passphrase, from the first of: the systemd credential "ants-passphrase", ANTS_PASSPHRASE_COMMAND,
 * ANTS_PASSPHRASE_FILE, the terminal, ANTS_PASSPHRASE (with a warning: other programs can read the environment). Never
 * from the command line. Without a terminal nobody is asked: AntsError "passphrase-missing" says what to set. Also
 * throws "passphrase-command", "passphrase-file", "passphrase-file-mode", "passphrase-format", "passphrase-empty",
 * "passphrase-too-long", "passphrase-mismatch", "interrupted".
 */
export async function readPassphrase(request: PassphraseRequest): Promise<Passphrase> {
  // From here on this process knows a secret, and soon the keys behind it.
  keepMemoryOutOfCoreDumps();
  const unattended = request.purpose === "change" ? await fromOption(request) : await withoutPerson(request);
  const found = unattended ?? (await fromTerminal(request)) ?? fromVariable(request);
  if (found === undefined) throw missing(request);
  if (request.purpose !== "unlock") {
    const advice = strengthAdvice(found.passphrase);
    if (advice !== undefined) request.warn(advice);
  }
  return found;
}

/** "the systemd credential ants-passphrase": what to tell a person about where the passphrase came from. */
export function describeSource(source: PassphraseSource): string {
  switch (source) {
    case "systemd-credential":
      return `the systemd credential ${CREDENTIAL_NAME}`;
    case "command":
      return "ANTS_PASSPHRASE_COMMAND";
    case "file":
      return "a passphrase file";
    case "terminal":
      return "the terminal";
    case "variable":
      return "the variable ANTS_PASSPHRASE";
  }
}

/** What is weak about a new passphrase; undefined when nothing obvious is. Advice only: nothing is refused. */
export function strengthAdvice(passphrase: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(passphrase);
  const characters = [...text];
  const weak =
    characters.length < ADVISED_CHARACTERS || new Set(characters).size < ADVISED_CHARACTERS / 2 || /^\d+$/.test(text);
  if (!weak) return undefined;
  return (
    "the passphrase is easy to guess for somebody who has the vault file: " +
    `${ADVISED_CHARACTERS} or more varied characters, or five random words, are not`
  );
}

async function withoutPerson(request: PassphraseRequest): Promise<Passphrase | undefined> {
  const { env } = request;
  const folder = env.CREDENTIALS_DIRECTORY;
  if (folder) {
    // The folder is systemd's own, and the modes in it are what its access lists look like: they are not judged.
    const path = join(folder, CREDENTIAL_NAME);
    const bytes = await readSecretFile(path, { absent: "skip", modes: "any" });
    if (bytes !== undefined) return accept("systemd-credential", bytes);
  }
  if (env.ANTS_PASSPHRASE_COMMAND?.trim()) {
    const bytes = await runPassphraseCommand(env.ANTS_PASSPHRASE_COMMAND, {
      env,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      ...(request.commandTimeoutMs === undefined ? {} : { timeoutMs: request.commandTimeoutMs }),
    });
    return accept("command", bytes);
  }
  if (env.ANTS_PASSPHRASE_FILE) return fromFile(env.ANTS_PASSPHRASE_FILE);
  return undefined;
}

async function fromOption(request: PassphraseRequest): Promise<Passphrase | undefined> {
  return request.file === undefined ? undefined : fromFile(request.file);
}

async function fromFile(path: string): Promise<Passphrase> {
  return accept("file", await readSecretFile(path));
}

async function fromTerminal(request: PassphraseRequest): Promise<Passphrase | undefined> {
  const terminal = (request.terminal ?? openTerminal)();
  if (terminal === undefined) return undefined;
  try {
    const subject = printable(request.subject);
    if (request.purpose === "unlock") {
      return accept("terminal", await terminal.readSecret(`Passphrase for ${subject}: `, request.signal));
    }
    return accept("terminal", await askTwice(terminal, subject, request.signal));
  } finally {
    terminal.close();
  }
}

async function askTwice(terminal: Terminal, subject: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const first = await terminal.readSecret(`New passphrase for ${subject}: `, signal);
    if (first.length === 0) {
      terminal.say("It cannot be empty: without it the vault protects nothing.");
      continue;
    }
    const second = await terminal.readSecret("The same again: ", signal);
    const same = equalBytes(first, second);
    zero(second);
    if (same) return first;
    zero(first);
    terminal.say("They are not the same.");
  }
  throw new AntsError("passphrase-mismatch", `no new passphrase was entered twice alike in ${MAX_ATTEMPTS} attempts`, {
    hint: "write it into a 0600 file first, and name that file",
  });
}

/** The last resort, and only where nobody can be asked. A passphrase to change to never comes from here. */
function fromVariable(request: PassphraseRequest): Passphrase | undefined {
  const value = request.env.ANTS_PASSPHRASE;
  if (request.purpose === "change" || !value) return undefined;
  request.warn(
    "the passphrase comes from the variable ANTS_PASSPHRASE, which other programs of this user can read: " +
      "prefer ANTS_PASSPHRASE_FILE or ANTS_PASSPHRASE_COMMAND",
  );
  return accept("variable", new TextEncoder().encode(value));
}

/** One newline at the end is the file's or the command's; the rest is the passphrase, which nobody could type otherwise. */
function accept(source: PassphraseSource, bytes: Uint8Array): Passphrase {
  let end = bytes.length;
  if (end > 0 && bytes[end - 1] === NEWLINE) end--;
  if (end > 0 && end < bytes.length && bytes[end - 1] === RETURN) end--;
  const passphrase = new Uint8Array(bytes.subarray(0, end));
  zero(bytes);
  const from = describeSource(source);
  if (passphrase.length === 0) {
    throw new AntsError("passphrase-empty", `expected a passphrase from ${from}, got an empty one`, {
      details: { source },
    });
  }
  if (passphrase.length > MAX_PASSPHRASE_BYTES) {
    zero(passphrase);
    throw new AntsError(
      "passphrase-too-long",
      `expected at most ${MAX_PASSPHRASE_BYTES} bytes from ${from}, got more`,
      {
        details: { source },
      },
    );
  }
  if (passphrase.some((byte) => byte === NEWLINE || byte === RETURN || byte === 0)) {
    zero(passphrase);
    throw new AntsError("passphrase-format", `expected one line from ${from}, got several or a zero byte`, {
      hint: "keep nothing but the passphrase there",
      details: { source },
    });
  }
  return { source, passphrase };
}

function missing(request: PassphraseRequest): AntsError {
  const change = request.purpose === "change";
  return new AntsError(
    "passphrase-missing",
    `no ${change ? "new passphrase" : "passphrase"} for ${request.subject}, and no terminal to ask on`,
    {
      hint: change
        ? "name a 0600 file that holds it: --new-passphrase-file FILE"
        : "set ANTS_PASSPHRASE_COMMAND (a command that prints it) or ANTS_PASSPHRASE_FILE (a 0600 file), " +
          `give the service a credential ${CREDENTIAL_NAME} (systemd: LoadCredentialEncrypted=), or use a terminal`,
    },
  );
}
