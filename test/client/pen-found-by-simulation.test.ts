import { describe, expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { rotateIdentity, updateIdentity } from "../../keys/identity/create.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import { createBatch, type SignedEvent } from "../../src/protocol/batch.js";
import { CLAIM_KIND, parseEvent } from "../../src/protocol/event.js";
import { MAX_EPOCH_LEAP } from "../../src/protocol/limits.js";
import { World } from "../simulation/world.js";

// What the simulation of the pen found, each as small as it gets. The seeds are kept in test/simulation/pen.

function signed(world: World, epoch: number, after: SignedEvent | undefined, kind: string, body: object): SignedEvent {
  const drafts = [{ kind, body: body as Record<string, string>, timeMs: 0 }];
  const { random, did, signSeed: seed } = world;
  if (after === undefined) return createBatch({ did, seed, epoch, drafts, random })[0]!;
  const { seq, id, epoch: before } = after.event;
  return createBatch({ did, seed, epoch, drafts, random, after: { epoch: before, seq, id } })[0]!;
}

function claim(world: World, epoch: number, after?: SignedEvent, operation = world.genesis): SignedEvent {
  const body = { instance: "0123456789abcdef", label: "before", identity: operation.hash };
  return signed(world, epoch, after, CLAIM_KIND, body);
}

const note = (world: World, after: SignedEvent, text: string) =>
  signed(world, after.event.epoch, after, "note", { text });

/** Puts a chain on some relays, in nobody's epoch. */
function put(
  world: World,
  relays: readonly number[],
  events: readonly SignedEvent[],
  ...more: ParsedOperation[]
): void {
  const operations = [world.genesis, ...more].map(({ line }) => line);
  for (const i of relays) world.acceptors[i]!.mirror([...operations, ...events.map(({ line }) => utf8(line))]);
}

/** Rotates to a fresh key with this event as the last good one, and tells every relay. */
function rotate(world: World, { event: { epoch, seq, id } }: SignedEvent) {
  const seed = world.random.bytes(32);
  const operation = rotateIdentity({
    parent: world.genesis,
    anchor: { epoch, seq, id },
    revealSeeds: [world.recoverySeed],
    newSignSeeds: [seed],
    nextRecoveryKeys: [publicKeyFromSeed(world.random.bytes(32))],
    timeMs: 0,
  }).parsed;
  put(world, [0, 1, 2], [], operation);
  return { seed, identity: new IdentityLog(world.did, [world.genesis, operation]) };
}

const parsed = (events: readonly SignedEvent[]) => events.map(({ line }) => parseEvent(utf8(line)));

describe("after a rotate", () => {
  it("claims above an anchor whose epoch a thief had raised, though no relay promised the new key anything", async () => {
    const world = new World();
    const first = claim(world, 1);
    const raised = claim(world, 1 + MAX_EPOCH_LEAP, first);
    const anchor = claim(world, 1 + 2 * MAX_EPOCH_LEAP, raised);
    put(world, [0, 1, 2], [first, raised, anchor]);
    const { context } = await world.start(rotate(world, anchor));
    const pen = await world.clock.run(acquirePen(context));
    expect(pen.epoch).toBe(2 + 2 * MAX_EPOCH_LEAP);
    await world.clock.run(pen.release());
  });

  it("claims where one relay has the anchor, and the others end in an event that is not before it", async () => {
    const world = new World();
    const first = claim(world, 1);
    const taken = claim(world, 2, first);
    const anchor = note(world, taken, "good");
    const left = note(world, first, "left behind");
    put(world, [0], [first, taken, anchor]);
    put(world, [1, 2], [first, left]);
    const { context } = await world.start(rotate(world, anchor));
    await context.chain.adopt(parsed([first, taken, anchor]));
    const pen = await world.clock.run(acquirePen(context));
    await world.clock.pass(2_000);
    expect(pen.claim.event.prev).toBe(anchor.event.id);
    for (const acceptor of world.acceptors) expect(acceptor.head(world.did)?.id).toBe(pen.claim.id);
    await world.clock.run(pen.release());
  });
});

describe("a home that a crash left", () => {
  // Who refuses a promise tells of no operation; of those that promised more, another round is granted, and told.
  it.each(["grant the promise at once", "had promised more"])(
    "with a claim whose operation it had not kept asks the relays for that operation: these %s",
    async (which) => {
      const world = new World();
      for (const acceptor of world.acceptors) {
        let isFirst = which === "had promised more";
        acceptor.refusing = ({ t }) => {
          if (t !== "promise" || !isFirst) return undefined;
          isFirst = false;
          return new AntsError("fenced", "another instance was promised more");
        };
      }
      const relays = world.acceptors.map(({ address }) => address);
      const changes = { relays: [relays[2]!, relays[0]!, relays[1]!] };
      const update = updateIdentity({ parent: world.genesis, changes, signSeed: world.signSeed, timeMs: 0 }).parsed;
      const first = claim(world, 1);
      const second = claim(world, 2, first, update);
      put(world, [0, 1, 2], [first, second], update);
      const { context } = await world.start();
      await context.chain.adopt(parsed([first, second]));
      const pen = await world.clock.run(acquirePen(context));
      expect(pen.epoch).toBe(which === "had promised more" ? 4 : 3);
      expect(context.identity.has(update.hash)).toBe(true);
      await world.clock.run(pen.release());
    },
  );
});

describe("a claim in the middle of the chain", () => {
  it("under an operation that lost a contest is brought to a relay that lacks both", async () => {
    const world = new World();
    const [a, b, c] = world.acceptors.map(({ address }) => address);
    const update = (relays: readonly (typeof a)[]) =>
      updateIdentity({
        parent: world.genesis,
        changes: { relays: relays.map((relay) => relay!) },
        signSeed: world.signSeed,
        timeMs: 0,
      }).parsed;
    const [kept, lost] = [update([b, c, a]), update([c, a, b])];
    const first = claim(world, 1);
    const second = claim(world, 2, first, lost);
    const third = claim(world, 3, second, kept);
    put(world, [0, 1], [first, second, third], kept, lost);
    put(world, [2], [], kept);
    const identity = new IdentityLog(world.did, [world.genesis, kept]);
    const { context } = await world.start({ identity });
    const pen = await world.clock.run(acquirePen(context));
    await world.clock.pass(120_000);
    for (const acceptor of world.acceptors) expect(acceptor.head(world.did)?.id).toBe(pen.claim.id);
    await world.clock.run(pen.release());
  });
});

describe("after a fork in one epoch, as the clone of a running machine makes it", () => {
  it("claims nothing while either branch may be committed, and then on the one that is", async () => {
    const world = new World();
    const first = claim(world, 1);
    const committed = note(world, first, "has a quorum");
    const forked = note(world, first, "has one relay");
    put(world, [0, 1], [first, committed]);
    put(world, [2], [first, forked]);
    const { context } = await world.start();
    await context.chain.adopt(parsed([first, forked]));
    const line = world.network.line(world.acceptors[0]!.url);
    line.refuses = true;
    const error = await world.clock.run(acquirePen(context, { timeoutMs: 5_000 }).catch((error) => error));
    expect(error).toMatchObject({
      code: "no-quorum",
      message: expect.stringContaining("two histories"),
      hint: expect.stringContaining("ants rotate"),
    });
    expect(context.chain.highestEpoch).toBe(1);
    line.refuses = false;
    const pen = await world.clock.run(acquirePen(context));
    expect(pen.claim.event.prev).toBe(committed.event.id);
    await world.clock.run(pen.release());
  });

  it("builds on what a quorum has, not on the longer branch that one relay has", async () => {
    const world = new World();
    const first = claim(world, 1);
    const committed = note(world, first, "has a quorum");
    const forked = note(world, first, "has one relay");
    const longer = note(world, forked, "and goes on");
    put(world, [0, 1], [first, committed]);
    put(world, [2], [first, forked, longer]);
    const { context } = await world.start();
    await context.chain.adopt(parsed([first, forked, longer]));
    const pen = await world.clock.run(acquirePen(context));
    expect(pen.claim.event.prev).toBe(committed.event.id);
    await world.clock.pass(2_000);
    for (const acceptor of world.acceptors) expect(acceptor.head(world.did)?.id).toBe(pen.claim.id);
    await world.clock.run(pen.release());
  });
});
