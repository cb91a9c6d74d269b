import { base64url, fromBase64url } from "../bytes.js";
import { type Did, isDid } from "../did.js";
import { AntsError } from "../errors.js";
import { readSignedLine, signedLine } from "../signed-line.js";
import { TAG_BYTES } from "../tags.js";
import { type HighWater, parseHighWater, type VaultContent } from "./vault-content.js";
import { MAX_VAULT_BYTES } from "./vault-format.js";

/**
 * A copy of a vault for another place, a signed line (signed-line.ts):
 *   {"did","format":"ants-vault-copy","highWater"?,"key","sig","time","v":1,"vault":"<base64url of a vault file>"}
 * signed by the sign key that is in the vault. What stands outside the encryption can therefore be believed before
 * anybody is asked for a passphrase, as far as the key is the agent's.
 */
export interface VaultCopy {
  readonly did: Did;
  /** Multikey of the sign key in it. */
  readonly key: string;
  /** The last event that the agent was known to have written when the copy was made. */
  readonly highWater?: HighWater;
  /** When it was made, milliseconds since the epoch by its maker's clock. */
  readonly timeMs: number;
  /** The bytes of a vault file. */
  readonly vault: Uint8Array;
}

const FORMAT = "ants-vault-copy";
const VERSION = 1;
/** Base64url takes four characters for three bytes; what is around them is small. */
export const MAX_VAULT_COPY_BYTES = Math.ceil((MAX_VAULT_BYTES * 4) / 3) + 4_096;

/** Signs a copy of `vault`, the file of an agent whose opened content this is. */
export function formatVaultCopy(vault: Uint8Array, content: VaultContent, timeMs: number): Uint8Array {
  const { did, signSeed, highWater } = content;
  const statement = { did, format: FORMAT, time: timeMs, v: VERSION, vault: base64url(vault) };
  const mark = highWater === undefined ? {} : { highWater: { ...highWater } };
  return signedLine(TAG_BYTES.copy, { ...statement, ...mark }, signSeed);
}

/**
 * Reads a copy and checks its signature. Whether its key may speak for its DID, only the identity log tells. Throws
 * AntsError "vault-copy-format", "vault-copy-damaged" (changed since it was made), "vault-version".
 */
export function parseVaultCopy(bytes: Uint8Array): VaultCopy {
  const line = readSignedLine(TAG_BYTES.copy, bytes, MAX_VAULT_COPY_BYTES);
  if (line === undefined) throw refused("one signed line of canonical JSON");
  const { did, format, highWater, time, v, vault } = line.statement;
  if (format !== FORMAT) throw refused(`"format":"${FORMAT}"`);
  if (v !== VERSION) {
    throw new AntsError("vault-version", `expected a copy of version ${VERSION}, got ${JSON.stringify(v)}`, {
      hint: "it was written by a newer ants: update this one",
    });
  }
  if (!line.isSigned) {
    throw new AntsError("vault-copy-damaged", "the copy was changed since it was made: its signature does not match", {
      hint: "make another copy: ants vault export",
    });
  }
  if (!isDid(did) || typeof time !== "number" || typeof vault !== "string") throw refused("a DID, a time and a vault");
  return {
    did,
    key: line.key,
    ...(highWater === undefined ? {} : { highWater: parseHighWater(highWater) }),
    timeMs: time,
    vault: fromBase64url(vault),
  };
}

function refused(expected: string): AntsError {
  return new AntsError("vault-copy-format", `not a copy of a vault: expected ${expected}`, {
    hint: "check the path: ants vault export makes such a file",
  });
}
