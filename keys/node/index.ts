export { keepMemoryOutOfCoreDumps } from "./core-dump.js";
export { createNodeDisk, type NodeDiskOptions, nodeDisk } from "./disk.js";
export { KDF_MAX, KDF_MIN, KDF_MODERATE, type KdfChoice, type KdfCost } from "./kdf.js";
export { type LockOptions, lockFile } from "./lock.js";
export { assertDurablePlace, type Place, placeOf } from "./place.js";
export { type OpenVault, openVault, sealVault } from "./vault.js";
export {
  type EarlierKeys,
  type HighWater,
  MAX_EARLIER_KEYS,
  type NextKeys,
  type VaultContent,
} from "./vault-content.js";
export {
  readVaultFile,
  type UpdateVaultOptions,
  updateVaultFile,
  type WriteVaultOptions,
  writeVaultFile,
} from "./vault-file.js";
export {
  CREDENTIAL_LABEL,
  type Credential,
  MAX_CREDENTIALS,
  MAX_SECRET_BYTES,
  MAX_SECRETS,
  MAX_VERSIONS,
  type Refusal,
  SECRET_NAME,
  type Secret,
  type SecretVersion,
} from "./vault-secrets.js";
export { normalizePassphrase, type VaultSlotInput, type VaultSlotType, type VaultUnlock } from "./vault-slot.js";
