import { mkdirSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { utf8 } from "../../../keys/bytes.js";
import type { Did } from "../../../keys/did.js";
import { generateSeed } from "../../../keys/ed25519/index.js";
import { createIdentity } from "../../../keys/identity/create.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { sealVault } from "../../../keys/node/vault.js";
import { generatePhrase, parsePhrase, phraseKeys } from "../../../keys/phrase.js";
import { systemRandom } from "../../../keys/ports.js";
import { x25519PublicKey } from "../../../keys/x25519.js";
import { AgentHome } from "../../agent/home.js";
import { systemPorts } from "../../client/ports.js";
import type { DrillRelay } from "./bed.js";
import type { DrillHost } from "./drill-host.js";
import { livingEntries } from "./living-folder.js";

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
  mkdirSync(dirname(wordsFile), { recursive: true, mode: 0o700 });
  await host.put("vault.json", sealVault(content, { slots }));
  const made = join(dirname(wordsFile), "founded");
  await AgentHome.create(nodeDisk, made, { did, label: `drill ${host.name}`, founded: true }, utf8(line));
  for await (const entry of livingEntries(made)) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) await host.put(join("ants", relative(made, path)), await readFile(path));
  }
  await rm(made, { recursive: true });
  await writeFile(wordsFile, `${words}\n`, { mode: 0o600 });
  return {
    did,
    keys: { "sign seed": signSeed, "agree secret": agreeSecret, "state key": stateKey, "phrase entropy": entropy },
  };
}
