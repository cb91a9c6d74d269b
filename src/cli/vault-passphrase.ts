import { zero } from "../../keys/bytes.js";
import { isAntsError } from "../../keys/errors.js";
import { openVault } from "../../keys/node/vault.js";
import type { CommandContext } from "./context.js";
import { type Passphrase, readPassphrase } from "./passphrase.js";

export interface NewPassphraseOptions {
  /** Take the new passphrase from this file. */
  readonly newPassphraseFile?: string;
}

/**
 * The passphrase for a vault that is sealed anew: from the file that was named; else the one that is set up for
 * unattended use, which must open the vault as it is (a slip in it would lock its owner out); else a person chooses one.
 * `bytes`: the present vault file. Throws what `readPassphrase` throws, "vault-wrong-passphrase".
 */
export async function vaultPassphrase(
  { env, out, signal }: CommandContext,
  { newPassphraseFile: file }: NewPassphraseOptions,
  path: string,
  bytes: Uint8Array,
): Promise<Passphrase> {
  const request = { subject: path, env, signal, warn: (text: string) => out.warn(text) };
  if (file !== undefined) return readPassphrase({ ...request, purpose: "change", file });
  let unattended: Passphrase;
  try {
    unattended = await readPassphrase({ ...request, purpose: "unlock", terminal: () => undefined });
  } catch (error) {
    if (!isAntsError(error, "passphrase-missing")) throw error;
    return readPassphrase({ ...request, purpose: "change" });
  }
  try {
    openVault(bytes, { passphrase: unattended.passphrase }).close();
    return unattended;
  } catch (error) {
    zero(unattended.passphrase);
    throw error;
  }
}
