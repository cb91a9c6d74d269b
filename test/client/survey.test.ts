import { IdentityLog, RelayPool, systemPorts } from "ants-agent";
import { startTestRelay } from "ants-agent/testing";
import { expect, it } from "vitest";
import { surveyIdentity } from "../../src/client/survey.js";
import { FloodingRelay } from "../support/flooding-relay.js";
import { give, Owner } from "../support/owner.js";

/** What an owner reads of its identity before it acts on it, from relays that a thief of the key may have named (N8). */

it("relays that a thief named are read up to a bound, and what the others have is taken", async () => {
  await using honest = await startTestRelay();
  const [owner, stranger] = [new Owner([honest]), new Owner([honest])];
  const siblings = Array.from({ length: 255 }, (_, i) => owner.update(owner.genesis, {}, { timeMs: 10 + i }).line);
  await using endless = await FloodingRelay.start([owner.genesis.line, ...siblings]);
  await using fake = await FloodingRelay.start(Array(32).fill(stranger.genesis.line));
  const theft = owner.update(owner.genesis, {
    relays: [honest, endless, { url: fake.url, stream: "00000000000000fe" }],
  });
  await give(honest, owner.genesis, theft);
  await using pool = new RelayPool(systemPorts);
  const log = new IdentityLog(owner.did, [owner.genesis.parsed]);
  const options = { pool, clock: systemPorts.clock, timeoutMs: 20_000 };
  const reports = await surveyIdentity(log, [honest.url], options);
  expect(reports).toMatchObject([
    { url: honest.url, state: "read" },
    { url: endless.url, state: "read" },
    { url: fake.url, state: "failed", error: { code: "relay-protocol" } },
  ]);
  expect(log.has(theft.hash)).toBe(true);
  expect(log.size).toBe(257);
});

it("hundreds of relays that a thief named do not keep the owner's first ones from being asked", async () => {
  await using honest = await startTestRelay();
  const owner = new Owner([honest]);
  const nowhere = (from: number) =>
    Array.from({ length: 60 }, (_, i) => ({
      url: `ws://127.0.0.1:${from + i}`,
      stream: (from + i).toString(16).padStart(16, "0"),
    }));
  const one = owner.update(owner.genesis, { relays: nowhere(1) });
  const two = owner.update(one, { relays: nowhere(101) });
  await using pool = new RelayPool(systemPorts);
  const log = new IdentityLog(owner.did, [owner.genesis.parsed, one.parsed, two.parsed]);
  const reports = await surveyIdentity(log, [], { pool, clock: systemPorts.clock, timeoutMs: 1_000 });
  expect(reports.length).toBeLessThanOrEqual(40);
  expect(reports).toContainEqual({ url: honest.url, state: "read", stream: honest.stream });
  expect(reports.map(({ url }) => url)).toContain("ws://127.0.0.1:101");
});
