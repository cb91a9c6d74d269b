import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../keys/canonical.js";
import { AntsError } from "../../keys/errors.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import type { Pen } from "../../src/client/pen.js";
import { createBatch } from "../../src/protocol/batch.js";
import type { ParsedEvent } from "../../src/protocol/event.js";
import { HANDOVER_KIND } from "../../src/protocol/handover.js";
import { type SimInstance, World } from "../simulation/world.js";

async function write(world: World, pen: Pen, kind: string, body: JsonObject): Promise<ParsedEvent> {
  const [event] = await world.clock.run(
    pen.write(({ epoch, after }) =>
      createBatch({
        did: world.did,
        seed: world.signSeed,
        epoch,
        after,
        drafts: [{ kind, body, timeMs: world.clock.nowMs() }],
      }),
    ),
  );
  await world.clock.pass(1_000);
  return event!;
}

const SUCCESSOR = "00000000000000b2";

/** An agent at work that has handed over to {@link SUCCESSOR} and is still connected. */
async function handedOver(): Promise<{ world: World; first: SimInstance; pen: Pen; event: string }> {
  const world = new World();
  const first = await world.start();
  const pen = await world.clock.run(acquirePen(first.context));
  await write(world, pen, "note", { text: "before" });
  const { id } = await write(world, pen, HANDOVER_KIND, { instance: SUCCESSOR, until: world.clock.nowMs() });
  return { world, first, pen, event: id };
}

const to = (event: string) => ({ handover: { event, instance: SUCCESSOR } });
const failure = (world: World, promise: Promise<unknown>) =>
  world.clock.run(promise.then(() => ({ code: "nothing" })).catch((error) => error as { code: string }));

describe("starting with a hand-over", () => {
  it("claims on it at once, while the old holder is still connected", async () => {
    const { world, pen, event } = await handedOver();
    const second = await world.start({ madeGenesis: false, instance: SUCCESSOR });
    const startMs = world.clock.monotonicMs();
    const next = await world.clock.run(acquirePen(second.context, to(event)));
    expect(world.clock.monotonicMs() - startMs).toBeLessThan(5_000);
    expect(next.claim.event).toMatchObject({ epoch: 2, prev: event, body: { instance: SUCCESSOR } });
    await world.clock.pass(61_000);
    await write(world, next, "note", { text: "after" });
    expect(next.committedSeq).toBe(next.claim.event.seq + 1);
    await world.clock.run(pen.release());
  });

  it("claims on it where one relay is dead and where one has not got it", async () => {
    const { world, event } = await handedOver();
    world.replaceRelay(0, world.acceptors[0]!.again(world.acceptors[0]!.stream));
    const second = await world.start({ madeGenesis: false, instance: SUCCESSOR });
    const next = await world.clock.run(acquirePen(second.context, to(event)));
    expect(next.claim.event.prev).toBe(event);
  });

  it("is refused when it was used, without disturbing whoever used it (B16)", async () => {
    const { world, event } = await handedOver();
    const second = await world.start({ madeGenesis: false, instance: SUCCESSOR });
    const next = await world.clock.run(acquirePen(second.context, to(event)));
    await world.clock.run(second.relays.close());
    // So long after that courtesy protects nobody any more.
    await world.clock.pass(3_600_000);
    const replayed = await world.start({ madeGenesis: false, instance: SUCCESSOR });
    expect(await failure(world, acquirePen(replayed.context, to(event)))).toMatchObject({
      code: "handover-used",
      details: { handover: event },
    });
    expect(world.acceptors.map((acceptor) => acceptor.promised(world.did))).toEqual([2, 2, 2]);
    expect(world.acceptors.map((acceptor) => acceptor.head(world.did)?.id)).toEqual(
      world.acceptors.map(() => next.claim.id),
    );
  });

  it("is refused when the old holder claimed anew", async () => {
    const { world, first, pen, event } = await handedOver();
    await world.clock.run(pen.release());
    const again = await world.clock.run(acquirePen(first.context));
    const second = await world.start({ madeGenesis: false, instance: SUCCESSOR });
    expect(await failure(world, acquirePen(second.context, to(event)))).toMatchObject({ code: "handover-used" });
    await write(world, again, "note", { text: "the old holder goes on" });
    expect(again.loss).toBeUndefined();
  });

  it("is refused for an instance that it does not name, before anything is asked", async () => {
    const { world, event } = await handedOver();
    const second = await world.start({ madeGenesis: false });
    expect(await failure(world, acquirePen(second.context, to(event)))).toMatchObject({
      code: "handover-other-instance",
    });
    expect(world.acceptors.map((acceptor) => acceptor.promised(world.did))).toEqual([1, 1, 1]);
  });

  it("falls back to the courtesy of 60 s where no relay has the hand-over", async () => {
    const world = new World();
    const first = await world.start();
    await world.clock.run(acquirePen(first.context));
    const second = await world.start({ madeGenesis: false, instance: SUCCESSOR });
    expect(await failure(world, acquirePen(second.context, to("ab".repeat(32))))).toMatchObject({ code: "held" });
  });

  it("claims on nothing but the hand-over, also where a quorum promised and none refused it", async () => {
    const world = new World();
    const first = await world.start();
    await world.clock.run(acquirePen(first.context));
    await world.clock.run(first.kill());
    await world.clock.pass(120_000);
    const second = await world.start({ madeGenesis: false, instance: SUCCESSOR });
    expect(await failure(world, acquirePen(second.context, to("ab".repeat(32))))).toMatchObject({
      code: "handover-used",
    });
    expect(second.context.chain.head?.seq).toBe(0);
  });

  it("goes on in the same process when its first claim reached one relay only", async () => {
    const { world, event } = await handedOver();
    const second = await world.start({ madeGenesis: false, instance: SUCCESSOR });
    // Two relays promise, and the claim gets to one of them only.
    world.network.cut(world.acceptors[2]!.url);
    world.network.line(world.acceptors[2]!.url).refuses = true;
    const busy = new AntsError("overloaded", "busy");
    world.acceptors[1]!.refusing = (message) => (message.t === "publish" ? busy : undefined);
    const opening = acquirePen(second.context, { ...to(event), timeoutMs: 120_000 });
    opening.catch(() => undefined);
    await world.clock.pass(25_000);
    expect(world.acceptors.map((acceptor) => acceptor.head(world.did)?.epoch)).toEqual([3, 1, 1]);
    world.acceptors[1]!.refusing = undefined;
    const pen = await world.clock.run(opening);
    expect(pen.claim.event).toMatchObject({ epoch: 3, body: { instance: SUCCESSOR } });
    expect(second.context.chain.tree.find(event, 2)?.onChain).toBe(true);
  });
});
