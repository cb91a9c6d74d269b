import { zero } from "../../keys/bytes.js";
import type { Did } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { keepMemoryOutOfCoreDumps } from "../../keys/node/core-dump.js";
import { type OpenVault, openVault } from "../../keys/node/vault.js";
import { readVaultFile } from "../../keys/node/vault-file.js";
import { assertVaultOf } from "../agent/open-home.js";
import type { CommandContext } from "./context.js";
import { describeSource, readPassphrase } from "./passphrase.js";
import { phraseOfFile } from "./phrase-input.js";
import { vaultPath } from "./places.js";

export interface UnlockOptions {
  /** Where the vault is, if not in its usual place. */
  readonly vault?: string;
  /** Opens it with the recovery words in this file instead of the passphrase. */
  readonly phraseFile?: string;
}

/** Whether something is set up that opens the vault without a person; whether it works is another question. */
export function opensUnattended(env: CommandContext["env"]): boolean {
  return Boolean(env.CREDENTIALS_DIRECTORY || env.ANTS_PASSPHRASE_COMMAND || env.ANTS_PASSPHRASE_FILE);
}

export interface UnlockedVault {
  readonly path: string;
  readonly vault: OpenVault;
  /** What opened it, for people: "a passphrase file". */
  readonly by: string;
}

/**
 * Opens the vault of an agent. Whoever gets it closes it. Throws what reading the file, the passphrase or the words
 * throws, "vault-wrong-passphrase" with the source that was wrong, and "vault-other-agent".
 */
export async function unlock(context: CommandContext, did: Did, options: UnlockOptions): Promise<UnlockedVault> {
  const opened = await unlockFile(context, vaultPath(options.vault, did, context.env), options.phraseFile);
  assertVaultOf(did, opened.vault, opened.path);
  return opened;
}

/** As {@link unlock}, of whatever agent the vault in this file is. */
export async function unlockFile(context: CommandContext, path: string, phraseFile?: string): Promise<UnlockedVault> {
  // Before anybody is asked: a passphrase for a file that isn't there helps nobody.
  const bytes = await readVaultFile(path);
  keepMemoryOutOfCoreDumps();
  return open(context, path, bytes, phraseFile);
}

async function open(
  context: CommandContext,
  path: string,
  bytes: Uint8Array,
  phraseFile: string | undefined,
): Promise<UnlockedVault> {
  if (phraseFile !== undefined) {
    const { entropy: phrase } = await phraseOfFile(phraseFile);
    try {
      return { path, vault: openVault(bytes, { phrase }), by: "the recovery words" };
    } finally {
      zero(phrase);
    }
  }
  const { out, env, signal } = context;
  const { passphrase, source } = await readPassphrase({
    purpose: "unlock",
    subject: path,
    env,
    signal,
    warn: (text) => out.warn(text),
  });
  const by = describeSource(source);
  try {
    return { path, vault: openVault(bytes, { passphrase }), by };
  } catch (error) {
    if (!isAntsError(error, "vault-wrong-passphrase")) throw error;
    throw new AntsError(error.code, `${error.message} (it came from ${by})`, {
      cause: error,
      details: { ...error.details, path, source },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  } finally {
    zero(passphrase);
  }
}
