/**
 * Every domain tag of the project, in one place, so that no two uses can collide. A statement is hashed or signed as
 * tag ‖ JCS(statement): a signature made for one purpose is worthless for any other (protocol.md, "Bytes").
 */
export const TAG = {
  /** identity operations: their hash and their signatures */
  identity: "ants/identity/1\n",
  /** event ids */
  event: "ants/event/1\n",
  /** the author's signature over the Merkle root of a batch */
  batch: "ants/batch/1\n",
  /** promise lines: their hash and their signature */
  promise: "ants/promise/1\n",
  /** auth lines */
  auth: "ants/auth/1\n",
  /** commitments to recovery keys */
  recovery: "ants/recovery/1\n",
  /** copies of a vault */
  copy: "ants/copy/1\n",
  /** answers to another device that joins */
  join: "ants/join/1\n",
  /** manifests of backups */
  backup: "ants/backup/1\n",
  /** idempotency keys of steps */
  step: "ants/step/1\n",
} as const;

/** The tags as bytes, for the hot paths. Never written to. */
export const TAG_BYTES: { readonly [name in keyof typeof TAG]: Uint8Array } = {
  identity: asciiBytes(TAG.identity),
  event: asciiBytes(TAG.event),
  batch: asciiBytes(TAG.batch),
  promise: asciiBytes(TAG.promise),
  auth: asciiBytes(TAG.auth),
  recovery: asciiBytes(TAG.recovery),
  copy: asciiBytes(TAG.copy),
  join: asciiBytes(TAG.join),
  backup: asciiBytes(TAG.backup),
  step: asciiBytes(TAG.step),
};

/**
 * `info` labels of every key derivation (HKDF-SHA256) and of the hashes that derive something from a secret. A label
 * that ends in "/" is followed by a decimal index.
 */
export const LABEL = {
  /** recovery key number i of a phrase: label ‖ i */
  phraseRecovery: "ants/phrase/recovery/1/",
  /** X25519 escrow key of a phrase */
  phraseEscrow: "ants/phrase/escrow/1",
  /** X25519 backup key of a phrase */
  phraseBackup: "ants/phrase/backup/1",
  /** key of the vault's phrase slot */
  phraseVault: "ants/phrase/vault/1",
  /** what shares of a phrase carry along, so that a wrong result is noticed */
  phraseShares: "ants/phrase/shares/1",
  /** an agent's keys, sealed to the one-time key of another device */
  joinSeal: "ants/join-seal/1",
  /** the code that a person carries from the one device to the other */
  joinCode: "ants/join-code/1",
  /** the code of a request to move, for a person to carry */
  moveCode: "ants/move-code/1",
  /** authenticated header of a vault file */
  vaultHeader: "ants/vault/header/1",
  /** a slot's wrapping of the vault's data key */
  vaultSlot: "ants/vault/slot/1",
  /** key of the vault's key-file slot */
  vaultKeyFile: "ants/vault/key-file/1",
  /** public id of a state key, the `k` of private bodies */
  stateKeyId: "ants/state-key/1",
  /** reading keys that a claim carries, sealed to the escrow key of the phrase */
  escrow: "ants/escrow/1",
  /** a message's content key, sealed to one of its readers */
  messageKey: "ants/message/key/1",
  /** X25519 key with which a host opens its own hot backups, derived from the state key */
  backupHost: "ants/backup/host/1",
  /** key of the tags by which an agent knows its own archives from their names, from a state key */
  backupName: "ants/backup/name/1",
  /** key of the fingerprints by which the secret scan's allow-list names a value, from a state key */
  scanFingerprint: "ants/scan/fingerprint/1",
} as const;

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
