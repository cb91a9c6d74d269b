import { describe, expect, it } from "vitest";
import { hex } from "../../keys/bytes.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import type { Pen } from "../../src/client/pen.js";
import { RelayPool } from "../../src/client/relay-pool.js";
import { createBatch } from "../../src/protocol/batch.js";
import { createPromise } from "../../src/protocol/promise.js";
import type { Acceptor } from "../simulation/acceptor.js";
import { SimNetwork } from "../simulation/sim-network.js";
import { World } from "../simulation/world.js";

const UNCONFIRMED = expect.objectContaining({ code: "pen-unconfirmed" });

async function holder(world: World): Promise<Pen> {
  const { context } = await world.start();
  const pen = await world.clock.run(acquirePen(context));
  await world.clock.pass(1_000);
  return pen;
}

/** Another start asks one relay, over a line of its own, and gets no further. */
async function promiseAt(world: World, acceptor: Acceptor, epoch: number): Promise<void> {
  const elsewhere = new SimNetwork(world.clock);
  elsewhere.listen(acceptor.url, acceptor.accept);
  const relays = new RelayPool({ ...world.ports, dial: elsewhere.dial });
  const { did, signSeed: seed } = world;
  const instance = hex(world.random.bytes(8));
  const { stream } = acceptor;
  const line = createPromise({ did, epoch, stream, instance, timeMs: world.clock.nowMs(), takeover: true, seed });
  const connection = relays.get(acceptor.url);
  await world.clock.run(connection.opened());
  const { message } = await world.clock.run(connection.promise([line]));
  expect(message.t).toBe("promised");
  await world.clock.run(relays.close());
}

const note = (world: World, pen: Pen) =>
  pen.write(({ epoch, after }) =>
    createBatch({
      did: world.did,
      seed: world.signSeed,
      epoch,
      after,
      drafts: [{ kind: "note", body: {}, timeMs: 0 }],
    }),
  );

describe("a promise to a start that the others refused", () => {
  it("does not end the turn of a holder whom one relay had lost sight of", async () => {
    const world = new World();
    const pen = await holder(world);
    const [lost] = world.acceptors;
    world.network.line(lost!.url).refuses = true;
    world.network.cut(lost!.url);
    await world.clock.pass(120_000);
    const elsewhere = new SimNetwork(world.clock);
    for (const { url, accept } of world.acceptors) elsewhere.listen(url, accept);
    const relays = new RelayPool({ ...world.ports, dial: elsewhere.dial });
    const { context } = await world.start({ madeGenesis: false, relays });
    const error = await world.clock.run(acquirePen(context).catch((error) => error));
    expect(error.code).toBe("held");
    expect(lost!.promised(world.did)).toBe(2);
    world.network.line(lost!.url).refuses = false;
    await world.clock.pass(60_000);
    expect(pen.lanes[0]!.status).toMatchObject({ state: "refused", error: { code: "fenced" } });
    expect(pen.loss).toBeUndefined();
    pen.check();
    await world.clock.run(note(world, pen));
    await world.clock.pass(1_000);
    expect(pen.committedSeq).toBe(1);
  });

  it("stops the effects until the others have answered", async () => {
    const world = new World();
    const pen = await holder(world);
    const [asked, ...others] = world.acceptors;
    await promiseAt(world, asked!, 2);
    for (const { url } of others) world.network.line(url).delayMs = 500;
    await world.clock.run(note(world, pen));
    await world.clock.pass(100);
    expect(() => pen.check()).toThrow(UNCONFIRMED);
    await world.clock.pass(1_000);
    pen.check();
    expect(pen.committedSeq).toBe(1);
  });

  it("stops them again when the same relay promises anew: this time a quorum may have", async () => {
    const world = new World();
    const pen = await holder(world);
    const [asked, ...others] = world.acceptors;
    await promiseAt(world, asked!, 2);
    await world.clock.pass(60_000);
    pen.check();
    await promiseAt(world, asked!, 3);
    for (const { url } of others) world.network.line(url).swallows = true;
    const lane = pen.lanes[0]!;
    const hasHeard = () => lane.status.state === "refused" && lane.status.error.message.includes("3 was promised");
    for (let i = 0; i < 1_000 && !hasHeard(); i++) await world.clock.pass(100);
    expect(() => pen.check()).toThrow(UNCONFIRMED);
    for (const { url } of others) world.network.line(url).swallows = false;
    await world.clock.pass(60_000);
    pen.check();
  });

  it("ends it with so many that the others are no quorum", async () => {
    const world = new World();
    const pen = await holder(world);
    await promiseAt(world, world.acceptors[0]!, 2);
    await promiseAt(world, world.acceptors[1]!, 2);
    expect(await world.clock.run(pen.lost)).toMatchObject({ reason: "fenced", promised: 2 });
  });

  it("of this home's own last attempt is not taken for another instance, where too few relays answer", async () => {
    const world = new World();
    const others = world.acceptors.slice(1);
    for (const { url } of others) world.network.line(url).refuses = true;
    const attempt = async () => {
      const { context } = await world.start();
      return world.clock.run(acquirePen(context, { timeoutMs: 500 }).catch((error) => error));
    };
    expect(await attempt()).toMatchObject({ code: "no-quorum" });
    expect(world.acceptors[0]!.promised(world.did)).toBe(1);
    const error = await attempt();
    expect(error).toMatchObject({ code: "no-quorum" });
    expect(error.message).toContain("2 of 3 are needed");
    expect(error.message).toContain("or to an earlier attempt of this one");
    for (const { url } of others) world.network.line(url).refuses = false;
    const { context } = await world.start();
    (await world.clock.run(acquirePen(context))).check();
  });

  it("is passed over by the next claim, and that relay is with the others again", async () => {
    const world = new World();
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context));
    await promiseAt(world, world.acceptors[0]!, 7);
    await world.clock.run(pen.release());
    const next = await world.clock.run(acquirePen(context));
    await world.clock.pass(5_000);
    expect(next.epoch).toBe(8);
    expect(next.lanes.map(({ status }) => status.state)).toEqual(["up-to-date", "up-to-date", "up-to-date"]);
  });
});
