import { describe, expect, it } from "vitest";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { rotateIdentity } from "../../keys/identity/create.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import type { ChainHead } from "../../src/protocol/event.js";
import { type SimInstance, World } from "../simulation/world.js";

/** A home with the key of a rotate, which did not make the genesis and has no chain. */
function afterRotate(world: World, anchor: ChainHead | undefined, madeGenesis = false): Promise<SimInstance> {
  const seed = world.random.bytes(32);
  const { parsed } = rotateIdentity({
    parent: world.genesis,
    ...(anchor === undefined ? {} : { anchor }),
    revealSeeds: [world.recoverySeed],
    newSignSeeds: [seed],
    nextRecoveryKeys: [publicKeyFromSeed(world.random.bytes(32))],
    timeMs: world.clock.nowMs(),
  });
  const identity = new IdentityLog(world.did, [world.genesis, parsed]);
  return world.start({ seed, identity, madeGenesis });
}

describe("after a rotate", () => {
  it("that names no anchor the chain begins anew, in any home that has the new key", async () => {
    const world = new World();
    const { context: before } = await world.start();
    const gone = await world.clock.run(acquirePen(before));
    await world.clock.run(gone.release());
    const { context } = await afterRotate(world, undefined);
    const pen = await world.clock.run(acquirePen(context, { takeover: true }));
    expect(pen.claim.event.seq).toBe(0);
    await world.clock.pass(2_000);
    // A second such home goes on with that chain.
    const { context: second } = await world.start({
      seed: context.seed,
      identity: context.identity,
      madeGenesis: false,
    });
    const next = await world.clock.run(acquirePen(second, { takeover: true }));
    expect(next.claim.event).toMatchObject({ seq: 1, prev: pen.claim.id });
  });

  it.each([true, false])(
    "whose anchor nobody serves nothing is signed (home of the genesis: %s)",
    async (madeGenesis) => {
      const world = new World();
      const { context } = await afterRotate(world, { epoch: 3, seq: 9, id: "ab".repeat(32) }, madeGenesis);
      const error = await world.clock.run(acquirePen(context, { timeoutMs: 5_000 }).catch((error) => error));
      expect(error).toMatchObject({ code: "chain-missing", details: { seq: 9 } });
      expect(context.chain.tree.size).toBe(0);
    },
  );

  it("whose anchor lies beyond what is served nothing is signed", async () => {
    const world = new World();
    const { context: before } = await world.start();
    const pen = await world.clock.run(acquirePen(before));
    await world.clock.pass(1_000);
    await world.clock.run(pen.release());
    const { context } = await afterRotate(world, { epoch: 1, seq: 9, id: "ab".repeat(32) });
    const error = await world.clock.run(
      acquirePen(context, { takeover: true, timeoutMs: 5_000 }).catch((error) => error),
    );
    expect(error).toMatchObject({ code: "chain-missing", details: { seq: 9 } });
    expect(context.chain.highestEpoch).toBeLessThan(2);
  });

  it("that has a rival nothing is asked or signed: the identity is in conflict, whoever's key this is", async () => {
    const world = new World();
    const seeds = [world.random.bytes(32), world.random.bytes(32)];
    const rivals = seeds.map(
      (seed) =>
        rotateIdentity({
          parent: world.genesis,
          revealSeeds: [world.recoverySeed],
          newSignSeeds: [seed],
          nextRecoveryKeys: [publicKeyFromSeed(world.random.bytes(32))],
          timeMs: world.clock.nowMs(),
        }).parsed,
    );
    const identity = new IdentityLog(world.did, [world.genesis, ...rivals]);
    const { context } = await world.start({ seed: seeds[0]!, identity });
    const error = await acquirePen(context).catch((error) => error);
    expect(error).toMatchObject({ code: "identity-conflicted", details: { status: "conflicted" } });
    expect(context.chain.tree.size).toBe(0);
  });
});
