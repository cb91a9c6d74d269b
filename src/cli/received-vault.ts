import { equalBytes, fromUtf8, utf8, zero } from "../../keys/bytes.js";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { nodeDisk } from "../../keys/node/disk.js";
import type { JoinedAgent } from "../../keys/node/join-answer.js";
import { type OpenVault, openVault } from "../../keys/node/vault.js";
import type { HighWater } from "../../keys/node/vault-content.js";
import { readVaultFile, updateVaultFile, writeVaultFile } from "../../keys/node/vault-file.js";
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

/** A received vault as it is on this device now: to be worked with and closed by whoever got it. */
export interface KeptVault {
  readonly vault: OpenVault;
  /** What its file opens with, for people. */
  readonly source: string;
}

/**
 * Writes a vault that was received under this device's own passphrase. Where one of the same key is there already (a copy
 * that was kept for this day, or what a cut-off attempt left), its ways in stay, and its content becomes the received
 * one, unless it knows of later events. Throws "vault-exists" and what reading the passphrase throws.
 */
export async function keepReceivedVault(
  { out, env, signal }: CommandContext,
  { vault }: Pick<JoinedAgent, "vault">,
  path: string,
  ephemeral: { readonly allowEphemeral: boolean },
): Promise<KeptVault> {
  const present = (await nodeDisk.read(path)) !== undefined;
  // Before it is read or asked for: a vault that was received opens with nothing that its old host had but the words.
  if (!present) out.note(`choosing the passphrase of the new vault ${path} now: it need not be the old device's`);
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
      return { vault, source: describeSource(source) };
    }
    const here = openVault(await readVaultFile(path), { passphrase });
    try {
      await takeOver(here, vault, path);
    } catch (error) {
      here.close();
      throw error;
    }
    return { vault: here, source: describeSource(source) };
  } finally {
    zero(passphrase);
  }
}

/** Brings what was received into the vault that is here, in memory and in its file. */
async function takeOver(here: OpenVault, received: OpenVault, path: string): Promise<void> {
  await updateVaultFile(
    path,
    (present) => {
      here.refresh(present);
      if (here.did !== received.did || !equalBytes(here.content.signSeed, received.content.signSeed))
        throw new AntsError("vault-exists", `there is another vault at ${path}`, {
          hint: "name another place with --vault",
          details: { path },
        });
      if (isLater(here.content.highWater, received.content.highWater)) return present;
      // A copy: both vaults are closed, each with what it holds.
      return here.reseal(structuredClone(received.content));
    },
    { label: "ants, keeping a vault that was received" },
  );
}

function isLater(mark: HighWater | undefined, than: HighWater | undefined): boolean {
  if (mark === undefined || than === undefined) return mark !== undefined;
  return mark.epoch !== than.epoch ? mark.epoch > than.epoch : mark.seq > than.seq;
}
