import { systemPorts } from "ants-agent";
import { startTestRelay } from "ants-agent/testing";
import { expect, it } from "vitest";
import { Resolver } from "../../src/client/resolver.js";
import { FloodingRelay } from "../support/flooding-relay.js";
import { give, Owner } from "../support/owner.js";

/** Relays that answer a question about an identity with whatever they like (N8). */

it("a relay that sends operations without end is cut off, one that sends others' is not believed", async () => {
  await using honest = await startTestRelay();
  const [owner, stranger] = [new Owner([honest]), new Owner([honest])];
  await give(honest, owner.genesis);
  await using endless = await FloodingRelay.start(Array(256).fill(owner.genesis.line));
  await using fake = await FloodingRelay.start(Array(32).fill(stranger.genesis.line));
  const resolver = new Resolver({ relays: [endless.url, fake.url, honest.url] }, systemPorts);
  const result = await resolver.resolve(owner.did);
  expect(result.status).toBe("verified");
  expect(result.asked).toMatchObject([
    { address: endless.url, answer: "log", operations: 1, cut: true },
    { address: fake.url, answer: "failed", code: "relay-protocol" },
    { address: honest.url, answer: "log", operations: 1 },
  ]);
});

it("relays that an identity names by the hundred are not all dialled, and the owner's oldest and newest are", async () => {
  await using honest = await startTestRelay();
  const owner = new Owner([honest]);
  const nowhere = (from: number) =>
    Array.from({ length: 60 }, (_, i) => ({
      url: `ws://127.0.0.1:${from + i}`,
      stream: (from + i).toString(16).padStart(16, "0"),
    }));
  const one = owner.update(owner.genesis, { relays: nowhere(1) });
  const two = owner.update(one, { relays: nowhere(101) });
  const three = owner.update(two, { relays: nowhere(201) });
  await give(honest, owner.genesis, one, two, three);
  const resolver = new Resolver({ relays: [], allowPrivate: true, known: pinned(owner) }, systemPorts);
  const result = await resolver.resolve(owner.did);
  expect(result.status).toBe("stale");
  expect(result.asked.length).toBeLessThanOrEqual(64);
  expect(result.asked.map(({ address }) => address)).toContain("ws://127.0.0.1:201");
  expect("state" in result && result.state.head.hash).toBe(three.hash);
});

function pinned(owner: Owner) {
  const pin = { operations: [owner.genesis.parsed], head: owner.genesis.hash };
  return { load: () => Promise.resolve(pin), save: () => Promise.resolve() };
}
