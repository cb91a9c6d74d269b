import { join } from "node:path";
import { createIdentity, generateSeed, publicKeyFromSeed, utf8, x25519PublicKey } from "ants-agent/keys";
import { KDF_MIN, nodeDisk, sealVault, writeVaultFile } from "ants-agent/keys/node";
import { AgentHome } from "../../src/agent/home.js";
import type { Sandbox } from "../transcripts/sandbox.js";

/** What opens the vaults of {@link foundInSandbox}. */
export const PASSPHRASE = "plum orbit velvet canyon";

/**
 * Founds an agent on these relays in the sandbox's home, as keygen does, but with a vault that opens at the lowest
 * accepted cost: tests that run a hundred commands wait for each of them.
 *
 * @returns the path of its vault, in the usual place
 */
export async function foundInSandbox(sandbox: Sandbox, urls: readonly string[]): Promise<string> {
  const relays = await Promise.all(
    urls.map(async (url) => {
      const answer = await fetch(`${url.replace("ws", "http")}/.well-known/ants-relay`);
      return { url, stream: ((await answer.json()) as { stream: string }).stream };
    }),
  );
  const [signSeed, agreeSecret, stateKey] = [generateSeed(), generateSeed(), generateSeed()];
  const { did, line } = createIdentity({
    signSeeds: [signSeed],
    agree: x25519PublicKey(agreeSecret),
    recoveryKeys: [publicKeyFromSeed(generateSeed())],
    escrow: x25519PublicKey(generateSeed()),
    relays,
    timeMs: Date.now(),
  });
  const home = sandbox.env.HOME!;
  const vault = join(home, ".local/share/ants/vaults", `${did.slice("did:ants:".length)}.json`);
  const slots = [{ type: "passphrase", passphrase: PASSPHRASE, kdf: KDF_MIN }] as const;
  const content = { did, signSeed, agreeSecret, stateKey, earlier: [], secrets: {} };
  await writeVaultFile(vault, sealVault(content, { slots }), { allowEphemeral: true });
  await AgentHome.create(nodeDisk, join(home, "ants"), { did, label: "test", founded: true }, utf8(line));
  return vault;
}
