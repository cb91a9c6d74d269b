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
export { type Clock, type Disk, type DiskLock, type Random, systemClock, systemRandom } from "./ports.js";
