import { sha256Hex } from "#platform";
import { utf8 } from "../bytes.js";
import { canonicalize } from "../canonical.js";
import { encodeMultikey } from "../multikey.js";
import { TAG_BYTES } from "../tags.js";

/**
 * The commitment to a recovery key (32-byte Ed25519 public key) in an operation whose sign keys (Multikey) are
 * `signKeys`: hex SHA-256("ants/recovery/1\n" ‖ multikey ‖ "\n" ‖ JCS(signKeys)). Bound to the sign keys, so that
 * copied into another agent's operation it commits to nothing.
 */
export function recoveryCommitment(publicKey: Uint8Array, signKeys: readonly string[]): string {
  return commitmentOf(encodeMultikey(publicKey), signKeys);
}

/** As {@link recoveryCommitment}, for a key that already is a Multikey. */
export function commitmentOf(multikey: string, signKeys: readonly string[]): string {
  return commitmentsUnder(signKeys)(multikey);
}

/** {@link commitmentOf} for many keys under the same sign keys. */
export function commitmentsUnder(signKeys: readonly string[]): (multikey: string) => string {
  const suffix = `\n${canonicalize(signKeys)}`;
  return (multikey) => sha256Hex(TAG_BYTES.recovery, utf8(multikey + suffix));
}
