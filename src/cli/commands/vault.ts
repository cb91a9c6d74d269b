import { equalBytes, zero } from "../../../keys/bytes.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { AntsError } from "../../../keys/errors.js";
import { decodeMultikey, encodeMultikey } from "../../../keys/multikey.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { updateVaultFile } from "../../../keys/node/vault-file.js";
import { x25519PublicKey } from "../../../keys/x25519.js";
import { AgentHome } from "../../agent/home.js";
import type { CommandContext, CommandResult } from "../context.js";
import { describeSource, readPassphrase } from "../passphrase.js";
import { passphraseSlot } from "../passphrase-slot.js";
import { type UnlockOptions, unlock } from "../unlock.js";

export interface VaultPasswdOptions extends UnlockOptions {
  readonly newPassphraseFile?: string;
}

/** Wraps the vault's data key for another passphrase; the words and key files go on opening it. */
export async function vaultPasswd(context: CommandContext, options: VaultPasswdOptions): Promise<CommandResult> {
  const { out, env, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { path, vault, by } = await unlock(context, home.config.did, options);
  try {
    out.note(`opened with ${by}`);
    const { passphrase, source } = await readPassphrase({
      purpose: "change",
      subject: path,
      env,
      signal,
      warn: (text) => out.warn(text),
      ...(options.newPassphraseFile === undefined ? {} : { file: options.newPassphraseFile }),
    });
    try {
      await updateVaultFile(path, (present) => {
        // What another process wrote meanwhile stays.
        vault.refresh(present);
        return vault.withSlot(passphraseSlot(passphrase, env));
      });
    } finally {
      zero(passphrase);
    }
    await out.result({ vault: path, changed: true, source }, [
      `${path} opens with the new passphrase now (${describeSource(source)})`,
    ]);
  } finally {
    vault.close();
  }
  return undefined;
}

/** Opens the vault and checks that its keys are those of the home's identity. */
export async function vaultVerify(context: CommandContext, options: UnlockOptions): Promise<CommandResult> {
  const { out } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { did } = home.config;
  const { path, vault, by } = await unlock(context, did, options);
  try {
    const { signSeed, agreeSecret, highWater } = vault.content;
    const key = encodeMultikey(publicKeyFromSeed(signSeed));
    const live = home.identity.standingOf(key)?.live === true;
    if (!live)
      throw new AntsError("key-not-live", `the vault opens, but its key ${key} may not sign for ${did}`, {
        hint: "this is the vault of before a rotation, or of another copy of the agent: find the newer one",
        details: { did, key, vault: path },
      });
    const agree = home.identity.newest?.op.keys.agree;
    const readsMessages =
      agree !== undefined && equalBytes(decodeMultikey(agree).publicKey, x25519PublicKey(agreeSecret));
    if (!readsMessages) out.warn("messages are sealed to another key than the one in this vault");
    await out.result(
      { did, vault: path, by, key, slots: vault.slotTypes, ...(highWater === undefined ? {} : { highWater }) },
      [
        `${path} opens with ${by}`,
        `  of   ${did}`,
        `  key  ${key} (live)`,
        `  opens with: ${vault.slotTypes.join(", ")}`,
      ],
    );
  } finally {
    vault.close();
  }
  return undefined;
}
