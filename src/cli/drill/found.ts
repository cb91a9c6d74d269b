import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { utf8 } from "../../../keys/bytes.js";
import type { Did } from "../../../keys/did.js";
import { generateSeed } from "../../../keys/ed25519/index.js";
import { createIdentity } from "../../../keys/identity/create.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { sealVault } from "../../../keys/node/vault.js";
import { writeVaultFile } from "../../../keys/node/vault-file.js";
import { generatePhrase, parsePhrase, phraseKeys } from "../../../keys/phrase.js";
import { systemRandom } from "../../../keys/ports.js";
import { x25519PublicKey } from "../../../keys/x25519.js";
import { AgentHome } from "../../agent/home.js";
import { systemPorts } from "../../client/ports.js";
import type { DrillHost, DrillRelay } from "./bed.js";

export interface ThrowAwayAgent {
  readonly did: Did;
  /** The keys, for a search of disks and wires: this agent lives as long as the drill. */
  readonly keys: Readonly<Record<"sign seed" | "agree secret" | "state key" | "phrase entropy", Uint8Array>>;
}

/**
 * Founds an agent on a host as `ants keygen` does, its words in `wordsFile`. Its vault opens at the lowest accepted
 * cost, since a drill waits for it dozens of times and nothing in it is worth guessing.
 */
export async function foundAgent(
  host: DrillHost,
  relays: readonly DrillRelay[],
  wordsFile: string,
  passphrase: string,
): Promise<ThrowAwayAgent> {
  const { words } = generatePhrase();
  const { entropy } = parsePhrase(words);
  const phrase = phraseKeys(entropy);
  const [signSeed, agreeSecret, stateKey] = [generateSeed(), systemRandom.bytes(32), systemRandom.bytes(32)];
  const { did, line } = createIdentity({
    signSeeds: [signSeed],
    agree: x25519PublicKey(agreeSecret),
    recoveryKeys: [phrase.recoveryKey(0).publicKey],
    escrow: phrase.escrow.publicKey,
    relays: relays.map(({ url, stream }) => ({ url, stream })),
    timeMs: systemPorts.clock.nowMs(),
  });
  const slots = [
    { type: "passphrase", passphrase: utf8(passphrase), kdf: "interactive" } as const,
    { type: "phrase", entropy } as const,
  ];
  const backup = encodeMultikey(phrase.backup.publicKey, "x25519");
  const content = { did, signSeed, agreeSecret, stateKey, earlier: [], backup, secrets: {} };
  await writeVaultFile(host.vault, sealVault(content, { slots }), { allowEphemeral: true });
  await AgentHome.create(nodeDisk, host.home, { did, label: `drill ${host.name}`, founded: true }, utf8(line));
  await host.place.own(host.folder);
  mkdirSync(dirname(wordsFile), { recursive: true, mode: 0o700 });
  await writeFile(wordsFile, `${words}\n`, { mode: 0o600 });
  return {
    did,
    keys: { "sign seed": signSeed, "agree secret": agreeSecret, "state key": stateKey, "phrase entropy": entropy },
  };
}
