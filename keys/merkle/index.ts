export { Frontier, type FrontierJson } from "./frontier.js";
export { EMPTY_ROOT, leafHash, nodeHash } from "./hashes.js";
export { consistencyProof, inclusionProof, type NodeSource, rootAt } from "./log-tree.js";
export {
  type ConsistencyClaim,
  type InclusionClaim,
  rootFromPath,
  verifyConsistency,
  verifyInclusion,
} from "./proof.js";
export {
  parseTilePath,
  TILE_HEIGHT,
  TILE_WIDTH,
  tileCoordinates,
  tilePath,
  tilesBetween,
} from "./tiles.js";
export { consistencyPath, inclusionPath, MerkleTree, merkleRoot } from "./tree.js";
