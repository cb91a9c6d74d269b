import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { credentialRefused, type OpenHomeOptions, openHome, type SecretAlarm } from "ants-agent/agent";
import { createIdentity, fromUtf8, generateSeed, publicKeyFromSeed, utf8, x25519PublicKey } from "ants-agent/keys";
import { KDF_MIN, nodeDisk, sealVault, writeVaultFile } from "ants-agent/keys/node";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentHome } from "../../src/agent/home.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";

let relay: TestRelay;
beforeAll(async () => {
  relay = await startTestRelay();
});
afterAll(() => relay.close());

async function foundHome(): Promise<OpenHomeOptions> {
  const folder = temporaryFolder();
  const [signSeed, agreeSecret, stateKey] = [generateSeed(), generateSeed(), generateSeed()];
  const { did, line } = createIdentity({
    signSeeds: [signSeed],
    agree: x25519PublicKey(agreeSecret),
    recoveryKeys: [publicKeyFromSeed(generateSeed())],
    escrow: x25519PublicKey(generateSeed()),
    relays: [{ url: relay.url, stream: relay.stream }],
    timeMs: Date.now(),
  });
  const slots = [{ type: "passphrase", passphrase: "correct horse battery staple", kdf: KDF_MIN }] as const;
  const vault = join(folder, "vault.json");
  const bytes = sealVault({ did, signSeed, agreeSecret, stateKey, earlier: [], secrets: {} }, { slots });
  await writeVaultFile(vault, bytes, { allowEphemeral: true });
  const home = join(folder, "home");
  await AgentHome.create(nodeDisk, home, { did, label: "test", founded: true }, utf8(line));
  return { home, vault, unlock: { passphrase: "correct horse battery staple" } };
}

test("an agent at work uses its vault's secrets, with fall-back, and knows an old vault by its chain (I13, B17)", async () => {
  const options = await foundHome();
  const alarms: SecretAlarm[] = [];
  {
    await using agent = await openHome(options);
    agent.onAlarm((alarm) => alarms.push(alarm));
    const put = (mode: "set" | "rotate", label: string, text: string) =>
      agent.secrets.keeper.put({ name: "api", label, mode, value: utf8(text) });
    await put("set", "main", "first");
    await put("set", "backup", "second");
    copyFileSync(options.vault, `${options.vault}.old`);
    const used = await agent.useSecret("api", (value, { label }) => {
      if (label === "main") throw credentialRefused("the account is closed");
      return fromUtf8(value);
    });
    expect(used).toBe("second");
    expect(alarms).toMatchObject([{ label: "main", reason: "the account is closed", next: "backup" }]);
    await put("rotate", "main", "third");
    expect(await agent.useSecret("api", (value) => fromUtf8(value))).toBe("third");
    const kinds = [];
    for (let seq = 0; seq <= agent.chain.head!.seq; seq++) {
      const event = JSON.parse(fromUtf8(await agent.chain.line(agent.chain.tree.chainAt(seq)!)));
      kinds.push(event.kind);
      if (event.kind !== "ants.claim") expect(Object.keys(event.body)).toEqual(["enc", "k"]);
    }
    expect(kinds).toEqual(["ants.claim", "ants.secret", "ants.secret", "ants.alarm", "ants.secret"]);
  }
  await using old = await openHome({ ...options, vault: `${options.vault}.old` });
  const told: SecretAlarm[] = [];
  old.onAlarm((alarm) => told.push(alarm));
  const only = { label: "main" };
  await expect(old.useSecret("api", () => expect.unreachable(), only)).rejects.toMatchObject({ code: "secret-stale" });
  expect(await old.useSecret("api", (value) => fromUtf8(value))).toBe("second");
  expect(told).toMatchObject([{ alarm: "secret-stale", label: "main", version: 1, next: "backup" }]);
  expect(await old.useSecret("api", (value) => fromUtf8(value), { ...only, allowStale: true })).toBe("first");
  await expect(old.useSecret("none", () => 1)).rejects.toMatchObject({ code: "secret-unknown" });
});
