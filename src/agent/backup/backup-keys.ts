import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { ageRecipient } from "../../../keys/age.js";
import { utf8 } from "../../../keys/bytes.js";
import { AntsError } from "../../../keys/errors.js";
import { decodeMultikey } from "../../../keys/multikey.js";
import type { VaultContent } from "../../../keys/node/vault-content.js";
import type { AgreementKey } from "../../../keys/phrase.js";
import { LABEL } from "../../../keys/tags.js";
import { x25519PublicKey } from "../../../keys/x25519.js";
import type { BackupTier } from "./archive-name.js";

/** The X25519 key with which a host opens its hot backups. It follows from the state key (32 bytes), era by era. */
export function hostKey(stateKey: Uint8Array): AgreementKey {
  const secret = hkdf(sha256, stateKey, undefined, utf8(LABEL.backupHost), 32);
  return { secret, publicKey: x25519PublicKey(secret) };
}

/** The host keys of this era and of those before it, newest first: what opens the hot backups that there are. */
export function hostKeys(content: Pick<VaultContent, "stateKey" | "earlier">): AgreementKey[] {
  return [content, ...content.earlier].map(({ stateKey }) => hostKey(stateKey));
}

/** `age1…` of the phrase's backup key, as the vault knows it. Throws AntsError "backup-no-recipient". */
export function phraseRecipient({ backup, did }: Pick<VaultContent, "backup" | "did">): string {
  if (backup !== undefined) return ageRecipient(decodeMultikey(backup).publicKey);
  throw new AntsError("backup-no-recipient", "this vault does not say to whom backups are encrypted", {
    hint: "tell it once, with the recovery words: ants backup recipient --phrase-file FILE",
    details: { did },
  });
}

/**
 * Whom an archive of a tier is encrypted to: the phrase's backup key, and for a hot one the host too. Throws
 * AntsError "backup-no-recipient".
 */
export function recipientsOf(
  tier: BackupTier,
  content: Pick<VaultContent, "backup" | "did" | "stateKey">,
): readonly string[] {
  const phrase = phraseRecipient(content);
  return tier === "cold" ? [phrase] : [phrase, ageRecipient(hostKey(content.stateKey).publicKey)];
}
