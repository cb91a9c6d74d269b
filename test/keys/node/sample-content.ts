import type { VaultContent } from "../../../keys/node/vault-content.js";
import { systemRandom } from "../../../keys/ports.js";

/** A content with fresh random keys, a high-water mark and two named secrets. */
export function sampleContent(): VaultContent {
  return {
    did: `did:ants:${"a".repeat(52)}`,
    signSeed: systemRandom.bytes(32),
    agreeSecret: systemRandom.bytes(32),
    stateKey: systemRandom.bytes(32),
    highWater: { epoch: 3, seq: 41, id: "ab".repeat(32) },
    secrets: { "mail.token": systemRandom.bytes(40), api: systemRandom.bytes(16) },
  };
}
