import { equalBytes, fromUtf8, utf8, zero } from "../../keys/bytes.js";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { nodeDisk } from "../../keys/node/disk.js";
import type { JoinedAgent } from "../../keys/node/join-answer.js";
import { openVault } from "../../keys/node/vault.js";
import { readVaultFile, writeVaultFile } from "../../keys/node/vault-file.js";
import { IdentityLog } from "../client/identity-log.js";
import type { CommandContext } from "./context.js";
import { describeSource, readPassphrase } from "./passphrase.js";
import { passphraseSlot } from "./passphrase-slot.js";

/**
 * The identity that came with an agent's keys, where it is that of the DID, and vault and signature are of a key that is
 * live in it. Throws AntsError "join-no-identity".
 */
export function receivedIdentity({ vault, identity }: JoinedAgent, signer: string, did: string): IdentityLog {
  const lines = fromUtf8(identity).split("\n").filter(Boolean);
  const log = IdentityLog.learnt(did, lines.map(utf8));
  const key = encodeMultikey(publicKeyFromSeed(vault.content.signSeed));
  const live = log.newest !== undefined && !log.deactivated && log.standingOf(key)?.live === true;
  if (live && key === signer && vault.did === did) return log;
  throw new AntsError("join-no-identity", `the answer holds no identity of ${did} with the key that it brings`, {
    details: { did, key },
  });
}

/**
 * Writes a vault that was received under this device's own passphrase; one that a cut-off attempt left here is taken for
 * it. Resolves with what it opens with, for people. Throws "vault-exists" and what reading the passphrase throws.
 */
export async function keepReceivedVault(
  { out, env, signal }: CommandContext,
  { vault }: Pick<JoinedAgent, "vault">,
  path: string,
  ephemeral: { readonly allowEphemeral: boolean },
): Promise<string> {
  const present = (await nodeDisk.read(path)) !== undefined;
  const { passphrase, source } = await readPassphrase({
    purpose: present ? "unlock" : "create",
    subject: present ? path : "the vault of this device",
    env,
    signal,
    warn: (text) => out.warn(text),
  });
  try {
    if (!present) {
      await writeVaultFile(path, vault.withSlot(passphraseSlot(passphrase, env)), ephemeral);
      return describeSource(source);
    }
    const here = openVault(await readVaultFile(path), { passphrase });
    const same = here.did === vault.did && equalBytes(here.content.signSeed, vault.content.signSeed);
    here.close();
    if (same) return describeSource(source);
  } finally {
    zero(passphrase);
  }
  throw new AntsError("vault-exists", `there is another vault at ${path}`, {
    hint: "name another place with --vault",
    details: { path },
  });
}
