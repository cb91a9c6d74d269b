import type { VaultSlotInput } from "../../keys/node/vault-slot.js";
import { usageError } from "./usage.js";

/**
 * A vault's way in by passphrase. `ANTS_KDF` says what deriving its key costs, where the default does not fit:
 * "moderate" (the default: 256 MiB and most of a second) or "interactive" (64 MiB and a fifth of that), for hosts with
 * little memory and for tests; the passphrase must then be the harder to guess. Throws "usage" for anything else.
 */
export function passphraseSlot(
  passphrase: Uint8Array,
  env: Readonly<Record<string, string | undefined>>,
): Extract<VaultSlotInput, { type: "passphrase" }> {
  const kdf = env.ANTS_KDF || "moderate";
  if (kdf !== "moderate" && kdf !== "interactive")
    throw usageError(`ANTS_KDF is "moderate" or "interactive", not ${JSON.stringify(kdf)}`, "keygen");
  return { type: "passphrase", passphrase, kdf };
}
