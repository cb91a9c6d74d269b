import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEvent } from "ants-agent";
import { type OpenHomeOptions, openHome } from "ants-agent/agent";
import {
  type AntsError,
  createIdentity,
  generateSeed,
  publicKeyFromSeed,
  utf8,
  x25519PublicKey,
} from "ants-agent/keys";
import { KDF_MIN, nodeDisk, openVault, readVaultFile, sealVault, writeVaultFile } from "ants-agent/keys/node";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AgentHome } from "../../src/agent/home.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";

const PASSPHRASE = "correct horse battery staple";
const note = (text: string) => [{ kind: "note", body: { text } }];

let relay: TestRelay;
beforeAll(async () => {
  relay = await startTestRelay();
});
afterAll(() => relay.close());

/** A new agent's home and vault, as keygen leaves them. */
async function foundHome(at = relay): Promise<OpenHomeOptions> {
  const folder = temporaryFolder();
  const [signSeed, agreeSecret, stateKey] = [generateSeed(), generateSeed(), generateSeed()];
  const { did, line } = createIdentity({
    signSeeds: [signSeed],
    agree: x25519PublicKey(agreeSecret),
    recoveryKeys: [publicKeyFromSeed(generateSeed())],
    escrow: x25519PublicKey(generateSeed()),
    relays: [{ url: at.url, stream: at.stream }],
    timeMs: Date.now(),
  });
  const bytes = sealVault(
    { did, signSeed, agreeSecret, stateKey, earlier: [], secrets: {} },
    { slots: [{ type: "passphrase", passphrase: PASSPHRASE, kdf: KDF_MIN }] },
  );
  const vault = join(folder, "vault.json");
  await writeVaultFile(vault, bytes, { allowEphemeral: true });
  const home = join(folder, "home");
  await AgentHome.create(nodeDisk, home, { did, label: "test", founded: true }, utf8(line));
  return { home, vault, unlock: { passphrase: PASSPHRASE } };
}

describe("openHome", () => {
  let options: OpenHomeOptions;
  beforeEach(async () => {
    options = await foundHome();
  });

  test("takes a run of a folder that it was copied from for another instance, and its own for its own", async () => {
    const agent = await openHome(options);
    await agent.publisher.publish(note("hello"));
    const copy = `${options.home}-copy`;
    cpSync(options.home, copy, { recursive: true });
    // The original is at work.
    await expect(openHome({ ...options, home: copy, timeoutMs: 1_000 })).rejects.toMatchObject({ code: "held" });
    await agent.close();
    // A moment ago it was; by the relay's clock that may be any copy.
    await expect(openHome({ ...options, home: copy, timeoutMs: 1_000 })).rejects.toMatchObject({ code: "held" });
    await (await openHome(options)).close();
  });

  test("publishes, gives everything back, and notes the last committed event in the vault", async () => {
    const agent = await openHome(options);
    const { events } = await agent.publisher.publish(note("hello"));
    await Promise.all([agent.close(), agent.close()]);
    expect(await agent.lost).toEqual({ reason: "released" });
    const vault = openVault(await readVaultFile(options.vault), options.unlock);
    expect(vault.content.highWater).toEqual({ epoch: 1, seq: 1, id: events[0]!.id });
    vault.close();

    const again = await openHome(options);
    expect((await again.publisher.publish(note("and again"))).events[0]!.epoch).toBeGreaterThan(1);
    await again.close();
  });

  test("refuses a second process's home, a wrong passphrase and another agent's vault, and leaves nothing locked", async () => {
    const agent = await openHome(options);
    await expect(openHome(options)).rejects.toMatchObject({ code: "locked" });
    await agent.close();
    await expect(openHome({ ...options, unlock: { passphrase: "wrong" } })).rejects.toMatchObject({
      code: "vault-wrong-passphrase",
    });
    const other = await foundHome();
    await expect(openHome({ ...options, vault: other.vault })).rejects.toMatchObject({ code: "vault-other-agent" });
    await expect(openHome({ ...options, home: `${options.home}-not` })).rejects.toMatchObject({ code: "home-missing" });
    await (await openHome(options)).close();
  });

  test("gives the home back when too few relays answer in time", async () => {
    const away = await startTestRelay();
    const lonely = await foundHome(away);
    await away.close();
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(openHome({ ...lonely, timeoutMs: 200 })).rejects.toMatchObject({ code: "no-quorum" });
    }
  });

  test.each([
    ["home", undefined],
    ["vault", undefined],
    ["vault", ""],
    ["unlock", undefined],
    ["unlock", "a passphrase"],
    ["unlock", {}],
    ["timeoutMs", "30"],
    ["timeoutMs", Number.NaN],
  ])("names the option that is wrong: %s is %j", async (option, value) => {
    await expect(openHome({ ...options, [option]: value } as OpenHomeOptions)).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining(option),
    });
  });
});

describe("an agent at work", () => {
  test("opens its own private bodies, and nobody else's", async () => {
    const [options, other] = [await foundHome(), await foundHome()];
    await using agent = await openHome(options);
    await using stranger = await openHome(other);
    const body = { text: "for me alone" };
    const { events } = await agent.publisher.publish([{ kind: "note", body, private: true }, ...note("for all")]);
    const [sealed, open] = events.map(({ line }) => parseEvent(line).event);
    expect(sealed!.body).not.toEqual(body);
    expect(agent.openBody(sealed!)).toEqual(body);
    expect(agent.openBody(open!)).toEqual({ text: "for all" });
    expect(() => stranger.openBody(sealed!)).toThrow(expect.objectContaining({ code: "body-sealed" }));
  });

  test("says once that a part of its chain was fetched again", async () => {
    const options = await foundHome();
    const agent = await openHome(options);
    await agent.publisher.publish([...note("one"), ...note("two"), ...note("three")]);
    expect(agent.chain.mended).toBe(0);
    await agent.close();
    const file = join(options.home, ".ants/chain/000000000000.ndjson");
    const lines = readFileSync(file, "utf8").split("\n");
    writeFileSync(file, [...lines.slice(0, 2), ...lines.slice(3)].join("\n"));

    for (const mended of [1, 0]) {
      await using again = await openHome(options);
      expect(again.chain.mended).toBe(mended);
    }
  });

  test("says what an earlier run signed and another instance went on without, until somebody was told", async () => {
    const options = await foundHome();
    const copy = { ...options, home: `${options.home}-copy` };
    cpSync(options.home, copy.home, { recursive: true });
    const first = await openHome(options);
    expect(first.leftBehind).toEqual([]);
    await first.publisher.publish(note("one"));
    const second = await openHome({ ...copy, takeover: true });
    // The first does not know yet that it was fenced: it signs, and no relay takes it.
    const refused = await first.publisher.publish(note("two")).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "publish-unknown", hint: expect.stringContaining("the next start") });
    await first.close();
    await second.publisher.publish(note("instead"));
    await second.close();

    const [id] = (refused as AntsError).details.events as string[];
    const left = [{ epoch: 1, seq: 2, id, kind: "note" }];
    for (const told of [false, true]) {
      await using again = await openHome({ ...options, takeover: true });
      expect(again.leftBehind).toEqual(left);
      if (told) await again.leftBehindTold();
    }
    await using last = await openHome(options);
    expect(last.leftBehind).toEqual([]);
  });
});
