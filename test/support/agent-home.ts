import { join } from "node:path";
import type { OpenHomeOptions } from "ants-agent/agent";
import { createIdentity, generateSeed, publicKeyFromSeed, utf8, x25519PublicKey } from "ants-agent/keys";
import { KDF_MIN, nodeDisk, sealVault, writeVaultFile } from "ants-agent/keys/node";
import { AgentHome } from "../../src/agent/home.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";

const PASSPHRASE = "correct horse battery staple";

/** A home and its vault, with everything that made them. */
export interface FoundedHome {
  readonly did: `did:ants:${string}`;
  readonly options: OpenHomeOptions;
  readonly folder: string;
  readonly genesis: string;
  readonly signSeed: Uint8Array;
  readonly agreeSecret: Uint8Array;
  readonly recoverySeed: Uint8Array;
}

/** A new agent's home and vault, as keygen leaves them. */
export async function foundHome(
  relays: readonly { readonly url: string; readonly stream: string }[],
): Promise<FoundedHome> {
  const folder = temporaryFolder();
  const [signSeed, agreeSecret, stateKey, recoverySeed] = [
    generateSeed(),
    generateSeed(),
    generateSeed(),
    generateSeed(),
  ];
  const { did, line: genesis } = createIdentity({
    signSeeds: [signSeed],
    agree: x25519PublicKey(agreeSecret),
    recoveryKeys: [publicKeyFromSeed(recoverySeed)],
    escrow: x25519PublicKey(generateSeed()),
    relays: relays.map(({ url, stream }) => ({ url, stream })),
    timeMs: Date.now(),
  });
  const bytes = sealVault(
    { did, signSeed, agreeSecret, stateKey, earlier: [], secrets: {} },
    { slots: [{ type: "passphrase", passphrase: PASSPHRASE, kdf: KDF_MIN }] },
  );
  const vault = join(folder, "vault.json");
  await writeVaultFile(vault, bytes, { allowEphemeral: true });
  const home = join(folder, "home");
  await AgentHome.create(nodeDisk, home, { did, label: "test", founded: true }, utf8(genesis));
  const options = { home, vault, unlock: { passphrase: PASSPHRASE } };
  return { did, options, folder, genesis, signSeed, agreeSecret, recoverySeed };
}
