import { startTestRelay } from "ants-agent/testing";
import { expect, it } from "vitest";
import { systemPorts } from "../../src/client/ports.js";
import { Resolver } from "../../src/client/resolver.js";
import { give, Owner } from "../support/owner.js";

/** The handles that a relay gives, and the way from a relay that an agent left (N8, I12). */
const resolver = () => new Resolver({ relays: [], allowPrivate: true }, systemPorts);

it("a relay answers for the handles at itself, and for who moved away while it is there", async () => {
  await using relay = await startTestRelay();
  await using next = await startTestRelay();
  const handle = `scout@${new URL(relay.url).host}`;
  const owner = new Owner([relay], { handles: [handle] });
  await give(relay, owner.genesis);
  expect(await resolver().resolve(handle)).toMatchObject({ status: "verified", did: owner.did, handle });

  const moved = owner.update(owner.genesis, { relays: [next] });
  await give(relay, moved);
  await give(next, owner.genesis, moved);
  const result = await resolver().resolve(handle);
  expect(result).toMatchObject({ status: "verified", did: owner.did, relays: [{ url: next.url }] });
});

it("who comes second does not get the name: its log may say so, the relay does not", async () => {
  await using relay = await startTestRelay();
  const handle = `scout@${new URL(relay.url).host}`;
  const [first, second] = [new Owner([relay], { handles: [handle] }), new Owner([relay], { handles: [handle] })];
  await give(relay, first.genesis);
  await give(relay, second.genesis);
  expect(await resolver().resolve(handle)).toMatchObject({ status: "verified", did: first.did });
  expect(await resolver().resolve(`nobody@${new URL(relay.url).host}`)).toMatchObject({ status: "not-found" });
});
