import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KnownIdentities } from "../../src/client/known-identities.js";
import { systemPorts } from "../../src/client/ports.js";
import { Resolver, type ResolverOptions } from "../../src/client/resolver.js";
import { SimDisk } from "../simulation/sim-disk.js";
import { give, Owner } from "../support/owner.js";

/** From a DID to its identity over real relays (I12, N8): what they withhold, and what they disagree about. */
let relays: TestRelay[];

beforeEach(async () => {
  relays = await Promise.all([startTestRelay(), startTestRelay(), startTestRelay()]);
});
afterEach(async () => {
  await Promise.all(relays.map((relay) => relay.close()));
});

const resolver = (options: Partial<ResolverOptions> = {}) =>
  new Resolver({ relays: [relays[0]!.url], allowPrivate: true, timeoutMs: 5_000, ...options }, systemPorts);
const known = (disk = new SimDisk()) => new KnownIdentities(disk, "/known");

describe("a DID", () => {
  it("is verified by its own relays, whichever it is found at", async () => {
    const owner = new Owner(relays);
    await give(relays[0]!, owner.genesis);
    const result = await resolver().resolve(owner.did);
    expect(result).toMatchObject({ status: "verified", did: owner.did, relays: owner.genesis.operation.relays });
    expect(result.asked.map(({ address, answer }) => [address, answer])).toEqual([
      [relays[0]!.url, "log"],
      [relays[1]!.url, "nothing"],
      [relays[2]!.url, "nothing"],
    ]);
  });

  it("that no relay has is not found only if all of them say so", async () => {
    const owner = new Owner(relays);
    const urls = relays.map(({ url }) => url);
    expect(await resolver({ relays: urls }).resolve(owner.did)).toMatchObject({ status: "not-found" });
    await relays[2]!.close();
    expect(await resolver({ relays: urls }).resolve(owner.did)).toMatchObject({ status: "unreachable" });
    expect(await resolver({ relays: [] }).resolve(owner.did)).toMatchObject({ status: "unreachable" });
  });

  it("shows its newest operation, which one relay of three withholds", async () => {
    const owner = new Owner(relays);
    const moved = owner.update(owner.genesis, { handles: ["scout@relay.example"] });
    await give(relays[0]!, owner.genesis);
    await give(relays[1]!, owner.genesis, moved);
    await give(relays[2]!, owner.genesis, moved);
    const result = await resolver().resolve(owner.did);
    expect(result).toMatchObject({ status: "verified", state: { head: { hash: moved.hash } } });
  });

  it("is never taken back to an older state, and stays known while no relay answers", async () => {
    const disk = new SimDisk();
    const owner = new Owner(relays);
    const newer = owner.update(owner.genesis, { faults: 0, handles: ["scout@relay.example"] });
    await give(relays[0]!, owner.genesis);
    await give(relays[1]!, owner.genesis, newer);
    await resolver({ known: known(disk) }).resolve(owner.did);
    await relays[1]!.close();
    const later = await resolver({ known: known(disk) }).resolve(owner.did);
    expect(later).toMatchObject({ status: "verified", state: { head: { hash: newer.hash } } });
    await relays[0]!.close();
    await relays[2]!.close();
    const alone = await resolver({ known: known(disk) }).resolve(owner.did);
    expect(alone).toMatchObject({ status: "stale", state: { head: { hash: newer.hash } } });
  });

  it("that two readers of one store learn about at once is known as far as both learnt", async () => {
    const disk = new SimDisk();
    const owner = new Owner(relays);
    const newer = owner.update(owner.genesis, { handles: ["scout@relay.example"] });
    const [one, other] = [known(disk), known(disk)];
    const genesis = { operations: [owner.genesis.parsed], head: owner.genesis.hash };
    await one.save(owner.did, { operations: [owner.genesis.parsed, newer.parsed], head: newer.hash }, undefined);
    await other.save(owner.did, genesis, undefined);
    expect((await known(disk).load(owner.did))?.operations).toHaveLength(2);
    await Promise.all(relays.map((relay) => relay.close()));
    const result = await resolver({ known: known(disk) }).resolve(owner.did);
    expect(result).toMatchObject({ status: "stale", state: { head: { hash: newer.hash } } });
  });

  it("is followed to relays that only its old relay knows of", async () => {
    const [old, now] = relays;
    const owner = new Owner([old!]);
    const moved = owner.update(owner.genesis, { relays: [now!] });
    const again = owner.update(moved, { handles: ["scout@relay.example"] });
    await give(old!, owner.genesis, moved);
    await give(now!, owner.genesis, moved, again);
    const result = await resolver().resolve(owner.did);
    expect(result).toMatchObject({ status: "verified", state: { head: { hash: again.hash } } });
    await now!.close();
    expect(await resolver().resolve(owner.did)).toMatchObject({
      status: "stale",
      state: { head: { hash: moved.hash } },
    });
  });

  it("of which a relay under another name or stream speaks is known, and not confirmed", async () => {
    const [mirror] = relays;
    const owner = new Owner([{ url: mirror!.url, stream: "0123456789abcdef" }]);
    await give(mirror!, owner.genesis);
    expect(await resolver().resolve(owner.did)).toMatchObject({ status: "stale" });
  });

  it("that names no relay is confirmed by any that has it", async () => {
    const disk = new SimDisk();
    const owner = new Owner([]);
    await give(relays[0]!, owner.genesis);
    expect(await resolver({ known: known(disk) }).resolve(owner.did)).toMatchObject({ status: "verified" });
    await relays[0]!.close();
    expect(await resolver({ known: known(disk) }).resolve(owner.did)).toMatchObject({ status: "stale" });
  });

  it("of which more relays may lie needs more of them", async () => {
    const four = [...relays, await startTestRelay()];
    const owner = new Owner(four, { faults: 1 });
    await give(four[0]!, owner.genesis);
    expect(await resolver().resolve(owner.did)).toMatchObject({ status: "stale" });
    await give(four[1]!, owner.genesis);
    expect(await resolver().resolve(owner.did)).toMatchObject({ status: "verified" });
    await four[3]!.close();
  });

  it("is deactivated by its owner for good, and that is known when all relays are silent", async () => {
    const disk = new SimDisk();
    const owner = new Owner(relays);
    await give(relays[1]!, owner.genesis, owner.deactivate(owner.genesis));
    await give(relays[0]!, owner.genesis);
    expect(await resolver({ known: known(disk) }).resolve(owner.did)).toMatchObject({ status: "deactivated" });
    await Promise.all(relays.map((relay) => relay.close()));
    expect(await resolver({ known: known(disk) }).resolve(owner.did)).toMatchObject({ status: "deactivated" });
  });
});

describe("what its operations disagree about", () => {
  it("two updates: contested, and the pinned state is kept until one of them or a rotate settles it", async () => {
    const disk = new SimDisk();
    const owner = new Owner(relays);
    const one = owner.update(owner.genesis, { handles: ["one@relay.example"] });
    const other = owner.update(owner.genesis, { handles: ["other@relay.example"] });
    await give(relays[0]!, owner.genesis, one);
    expect(await resolver({ known: known(disk) }).resolve(owner.did)).toMatchObject({ status: "verified" });
    await give(relays[1]!, owner.genesis, other);
    const contested = await resolver({ known: known(disk) }).resolve(owner.did);
    expect(contested).toMatchObject({
      status: "contested",
      state: { head: { hash: one.hash } },
      branches: [one.hash, other.hash].sort(),
    });
    expect(await resolver().resolve(owner.did)).toMatchObject({
      status: "contested",
      state: { head: { op: { n: 0 } } },
    });
    const settled = owner.update(other, {}, { over: [one.hash] });
    await give(relays[2]!, owner.genesis, one, other, settled);
    const end = await resolver({ known: known(disk) }).resolve(owner.did);
    expect(end).toMatchObject({ status: "verified", state: { head: { hash: settled.hash } } });
  });

  it("two rotates of one era: the one that a quorum of the parent's relays held first", async () => {
    const owner = new Owner(relays);
    const [one, other] = [owner.rotate(owner.genesis), owner.rotate(owner.genesis)];
    await give(relays[0]!, owner.genesis, other, one);
    await give(relays[1]!, owner.genesis, one, other);
    await give(relays[2]!, owner.genesis, one, other);
    expect(await resolver().resolve(owner.did)).toMatchObject({
      status: "verified",
      state: { head: { hash: one.hash } },
    });
  });

  it("held first by no quorum: the pinned one; for who pinned neither, conflicted with both", async () => {
    const disk = new SimDisk();
    const owner = new Owner(relays);
    const [one, other] = [owner.rotate(owner.genesis), owner.rotate(owner.genesis)];
    await give(relays[0]!, owner.genesis, one);
    await resolver({ known: known(disk) }).resolve(owner.did);
    await give(relays[0]!, other);
    await give(relays[1]!, owner.genesis, other, one);
    await relays[2]!.close();
    const pinned = await resolver({ known: known(disk) }).resolve(owner.did);
    expect(pinned).toMatchObject({ status: "verified", state: { head: { hash: one.hash } } });
    const conflicted = await resolver().resolve(owner.did);
    expect(conflicted).toMatchObject({ status: "conflicted", rivals: [one.hash, other.hash].sort() });
    if (conflicted.status !== "conflicted") return;
    expect(conflicted.log.has(one.hash) && conflicted.log.has(other.hash)).toBe(true);
  });
});
