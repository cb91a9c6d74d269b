export { base64url, concat, equalBytes, fromBase64url, fromHex, fromUtf8, hex, utf8, zero } from "./bytes.js";
export {
  canonicalBytes,
  canonicalize,
  type JsonObject,
  type JsonValue,
  parseCanonical,
  parseCanonicalObject,
} from "./canonical.js";
export { assertDid, type Did, didOfGenesis, isDid } from "./did.js";
export { ed25519Backends, generateSeed, publicKeyFromSeed, sign, verifyStrict } from "./ed25519/index.js";
export { AntsError, type AntsErrorOptions, isAntsError } from "./errors.js";
export { recoveryCommitment } from "./identity/commitment.js";
export {
  type CreatedOperation,
  createIdentity,
  type DeactivateInput,
  deactivateIdentity,
  type GenesisInput,
  type RotateChanges,
  type RotateInput,
  rotateIdentity,
  type UpdateChanges,
  type UpdateInput,
  updateIdentity,
} from "./identity/create.js";
export { operationHash, type ParsedOperation, parseOperation } from "./identity/operation.js";
export {
  type AnchorPoint,
  type IdentityState,
  type KeyStanding,
  type Resolution,
  type ResolveOptions,
  resolveIdentity,
} from "./identity/resolve.js";
export type { Anchor, IdentityOperation, OperationSignature, RelayAddress, Service } from "./identity/shape.js";
export {
  type ConsistencyClaim,
  consistencyPath,
  EMPTY_ROOT,
  Frontier,
  type FrontierJson,
  type InclusionClaim,
  inclusionPath,
  leafHash,
  MerkleTree,
  merkleRoot,
  nodeHash,
  rootFromPath,
  verifyConsistency,
  verifyInclusion,
} from "./merkle/index.js";
export { type DecodedMultikey, decodeMultikey, didKey, encodeMultikey, type KeyType, parseDidKey } from "./multikey.js";
export {
  type AgreementKey,
  type GeneratedPhrase,
  generatePhrase,
  type Phrase,
  type PhraseKeys,
  parsePhrase,
  phraseKeys,
  phraseOf,
  type RecoveryKey,
} from "./phrase.js";
export { type Clock, type Disk, type DiskLock, type Random, systemClock, systemRandom } from "./ports.js";
export { parseShare, type Share } from "./share-text.js";
export { combineShares, type SharePolicy, splitEntropy } from "./shares.js";
export { x25519PublicKey } from "./x25519.js";
