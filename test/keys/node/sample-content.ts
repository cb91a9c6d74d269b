import { encodeMultikey } from "../../../keys/multikey.js";
import type { VaultContent } from "../../../keys/node/vault-content.js";
import type { Secret } from "../../../keys/node/vault-secrets.js";
import { systemRandom } from "../../../keys/ports.js";

/** A content with fresh random keys, a high-water mark, an earlier era, a rotation under way, a backup recipient and two named secrets. */
export function sampleContent(): VaultContent {
  const key = () => systemRandom.bytes(32);
  const api = secretOf(systemRandom.bytes(16)).credentials[0]!;
  return {
    did: `did:ants:${"a".repeat(52)}`,
    signSeed: key(),
    agreeSecret: key(),
    stateKey: key(),
    highWater: { epoch: 3, seq: 41, id: "ab".repeat(32) },
    earlier: [{ agreeSecret: key(), stateKey: key() }],
    next: { signSeed: key(), agreeSecret: key(), stateKey: key(), operation: '{"type":"identity"}' },
    backup: encodeMultikey(key(), "x25519"),
    secrets: {
      "mail.token": secretOf(systemRandom.bytes(40)),
      api: {
        credentials: [
          { ...api, refused: { version: 1, atMs: 5, recorded: false } },
          {
            label: "backup",
            versions: [
              { number: 7, id: "ab".repeat(8), madeMs: 3, expiresMs: 9, value: systemRandom.bytes(3) },
              { number: 6, id: "cd".repeat(8), madeMs: 2, revoked: true, value: new Uint8Array(0) },
            ],
          },
        ],
      },
    },
  };
}

/** A secret of one credential with one version. */
export function secretOf(value: Uint8Array): Secret {
  return { credentials: [{ label: "main", versions: [{ number: 1, id: "0".repeat(16), madeMs: 1, value }] }] };
}
