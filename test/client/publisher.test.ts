import { describe, expect, it } from "vitest";
import { AntsError } from "../../keys/errors.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import { Publisher } from "../../src/client/publisher.js";
import { parseEvent } from "../../src/protocol/event.js";
import { openBody } from "../../src/protocol/private-body.js";
import { type SimInstance, World, type WorldOptions } from "../simulation/world.js";

const notes = (count: number, size = 1) =>
  Array.from({ length: count }, (_, i) => ({ kind: "note", body: { i, text: "x".repeat(size) } }));

async function publisherOf(world: World, instance: SimInstance) {
  const pen = await world.clock.run(acquirePen(instance.context));
  const { clock, random } = world;
  const stateKey = new Uint8Array(32).fill(7);
  const publisher = new Publisher({ did: world.did, seed: world.signSeed, pen, clock, random, stateKey });
  return { pen, publisher };
}

async function begin(options: WorldOptions = {}) {
  const world = new World(options);
  const instance = await world.start();
  return { world, instance, ...(await publisherOf(world, instance)) };
}

describe("publishing", () => {
  it("resolves at quorum with the positions on every relay that answered", async () => {
    const { world, publisher } = await begin();
    world.network.line(world.acceptors[2]!.url).delayMs = 500;
    const { events, relays } = await world.clock.run(publisher.publish(notes(3)));
    expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(events.map(({ line }) => parseEvent(line).id)).toEqual(events.map(({ id }) => id));
    const [a, b, c] = world.acceptors.map(({ url }) => relays[url]);
    expect(a).toEqual({ state: "acknowledged", at: [expect.any(Number), expect.any(Number), expect.any(Number)] });
    expect(b).toMatchObject({ state: "acknowledged" });
    expect(c).toEqual({ state: "unknown" });
    await world.clock.run(publisher.drain({ durability: "all" }));
    expect(publisher.relays().map(({ behind }) => behind)).toEqual([0, 0, 0]);
  });

  it("resolves at the wanted durability: one, quorum, all", async () => {
    const { world, publisher } = await begin();
    const delays = [10, 100, 1_000];
    for (const [i, { url }] of world.acceptors.entries()) world.network.line(url).delayMs = delays[i]!;
    await world.clock.pass(5_000);
    const startMs = world.clock.monotonicMs();
    const tookMs = async (durability: "one" | "quorum" | "all") => {
      await publisher.publish(notes(1), { durability });
      return world.clock.monotonicMs() - startMs;
    };
    const took = await world.clock.run(Promise.all([tookMs("one"), tookMs("quorum"), tookMs("all")]));
    expect(took).toEqual([20, 200, 2_000]);
  });

  it("is not slowed down by a dead relay, and brings it everything in order when it is back", async () => {
    for (const fault of ["refuses", "swallows"] as const) {
      const { world, publisher } = await begin();
      const [dead] = world.acceptors;
      const seqsAt = () => dead!.chain(world.did).length;
      world.network.line(dead!.url)[fault] = true;
      if (fault === "refuses") world.network.cut(dead!.url);
      const before = seqsAt();
      const startMs = world.clock.monotonicMs();
      for (let i = 0; i < 50; i++) {
        const { relays } = await world.clock.run(publisher.publish(notes(10)));
        expect(relays[dead!.url]!.state).not.toBe("acknowledged");
      }
      expect(world.clock.monotonicMs() - startMs).toBeLessThan(50 * 3);
      expect(seqsAt()).toBe(before);
      world.network.line(dead!.url)[fault] = false;
      await world.clock.run(publisher.drain({ durability: "all" }));
      expect(seqsAt()).toBe(501);
      expect(dead!.chain(world.did)).toEqual(world.acceptors[1]!.chain(world.did));
    }
  });

  it("catches up in full frames, not one event a frame", async () => {
    const { world, publisher } = await begin();
    const [dead] = world.acceptors;
    world.network.line(dead!.url).refuses = true;
    world.network.cut(dead!.url);
    for (let i = 0; i < 40; i++) await world.clock.run(publisher.publish(notes(25)));
    const before = dead!.frames.length;
    world.network.line(dead!.url).refuses = false;
    await world.clock.run(publisher.drain({ durability: "all" }));
    expect(dead!.frames.slice(before)).toEqual([256, 256, 256, 232]);
  });

  it("signs what is published at the same time as one batch", async () => {
    const { world, instance, publisher } = await begin();
    const before = instance.disk.appends;
    const all = await world.clock.run(Promise.all(Array.from({ length: 100 }, () => publisher.publish(notes(1)))));
    expect(instance.disk.appends - before).toBe(1);
    expect(all.map(({ events }) => events[0]!.seq)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(parseEvent(all[99]!.events[0]!.line).event.proof).toMatchObject({ index: 99, size: 100 });
  });

  it("publishes more events than one batch holds, in order", async () => {
    const { world, publisher } = await begin();
    const { events } = await world.clock.run(publisher.publish(notes(600)));
    expect(events).toHaveLength(600);
    expect(parseEvent(events[599]!.line).event.proof).toMatchObject({ size: 88 });
    expect(world.acceptors[0]!.chain(world.did)).toHaveLength(601);
  });

  it("splits frames by bytes too", async () => {
    const { world, publisher } = await begin();
    await world.clock.run(publisher.publish(notes(40, 60_000), { durability: "all" }));
    for (const { frames } of world.acceptors) for (const entries of frames) expect(entries).toBeLessThanOrEqual(17);
  });

  it("writes to its own disk before it sends anything", async () => {
    const { world, instance, publisher } = await begin();
    await world.clock.pass(1_000);
    let onDisk = false;
    instance.disk.beforeAppend = async () => {
      await world.clock.sleep(100);
      for (const acceptor of world.acceptors) expect(acceptor.chain(world.did)).toHaveLength(1);
      onDisk = true;
    };
    await world.clock.run(publisher.publish(notes(1)));
    expect(onDisk).toBe(true);
  });

  it("refuses a bad draft alone, and not those that came with it", async () => {
    const { world, publisher } = await begin();
    const outcomes = await world.clock.run(
      Promise.allSettled([
        publisher.publish(notes(1)),
        publisher.publish([{ kind: "No Kind", body: {} }]),
        publisher.publish([{ kind: "note", body: { text: "x".repeat(70_000) } }]),
        publisher.publish(notes(1)),
        publisher.publish([]),
      ]),
    );
    expect(outcomes.map((o) => (o.status === "fulfilled" ? o.value.events[0]!.seq : o.reason.code))).toEqual([
      1,
      "event-grammar",
      "event-too-long",
      2,
      "batch-size",
    ]);
  });

  it("seals private bodies under the state key, bound to their place", async () => {
    const { world, publisher } = await begin();
    const { events } = await world.clock.run(
      publisher.publish([{ kind: "note", body: { secret: "word" }, private: true }]),
    );
    const { event } = parseEvent(events[0]!.line);
    expect(JSON.stringify(event.body)).not.toContain("word");
    const stateKey = new Uint8Array(32).fill(7);
    const { epoch, seq, kind } = event;
    expect(openBody(event.body!, stateKey, { did: world.did, epoch, seq, kind })).toEqual({ secret: "word" });
  });
});

describe("what cannot be known", () => {
  it("rejects with publish-unknown when the caller stops waiting for signed events, and delivers them all the same", async () => {
    const { world, publisher } = await begin();
    for (const { url } of world.acceptors) world.network.line(url).delayMs = 60_000;
    const abort = new AbortController();
    const publishing = publisher.publish(notes(1), { signal: abort.signal });
    await world.clock.pass(10);
    abort.abort(new Error("enough"));
    const error = await world.clock.run(publishing.catch((error) => error));
    expect(error).toMatchObject({ code: "publish-unknown", details: { events: [expect.any(String)] } });
    expect(Object.values(error.details.relays)).toEqual([
      { state: "unknown" },
      { state: "unknown" },
      { state: "unknown" },
    ]);
    for (const { url } of world.acceptors) world.network.line(url).delayMs = 1;
    await world.clock.run(publisher.drain({ durability: "all" }));
    expect(world.acceptors[0]!.chain(world.did)).toContain(error.details.events[0]);
  });

  it("rejects with the signal's own reason when nothing was signed yet", async () => {
    const { world, instance, publisher } = await begin();
    instance.disk.beforeAppend = () => world.clock.sleep(100);
    const first = publisher.publish(notes(1));
    await world.clock.pass(1);
    const abort = new AbortController();
    const reason = new Error("enough");
    const second = publisher.publish(notes(1), { signal: abort.signal });
    abort.abort(reason);
    expect(await second.catch((error) => error)).toBe(reason);
    await world.clock.run(first);
    expect(instance.context.chain.head?.seq).toBe(1);
  });

  it("sends the same bytes again after a connection broke, whether the relay had them or not", async () => {
    const { world, publisher } = await begin();
    let drops = 0;
    for (const acceptor of world.acceptors) {
      acceptor.onAnswer = (message) => {
        if (message.t !== "ack" || message.at?.length !== 5 || drops > 20) return message;
        drops += 1;
        world.network.cut(acceptor.url);
        return undefined;
      };
    }
    for (let i = 0; i < 10; i++) await world.clock.run(publisher.publish(notes(5)));
    await world.clock.run(publisher.drain({ durability: "all" }));
    expect(drops).toBeGreaterThan(20);
    for (const acceptor of world.acceptors) expect(acceptor.chain(world.did)).toHaveLength(51);
  });

  it("after kill -9 the next process delivers what was on its disk", async () => {
    const { world, instance, publisher } = await begin();
    await world.clock.run(publisher.publish(notes(20)));
    for (const { url } of world.acceptors) world.network.line(url).swallows = true;
    const lost = publisher.publish(notes(300)).catch((error) => error);
    await world.clock.pass(100);
    expect(instance.context.chain.head?.seq).toBe(320);
    await world.clock.run(instance.kill());
    for (const { url } of world.acceptors) world.network.cut(url);
    for (const { url } of world.acceptors) world.network.line(url).swallows = false;

    const disk = instance.disk.afterCrash();
    const next = await world.start({ disk, earlierInstances: new Set([instance.context.instance]) });
    const again = await publisherOf(world, next);
    await world.clock.run(again.publisher.drain({ durability: "all" }));
    expect(again.pen.committedSeq).toBe(321);
    for (const acceptor of world.acceptors) {
      expect(acceptor.chain(world.did)).toHaveLength(322);
      expect(acceptor.head(world.did)?.id).toBe(again.pen.claim.id);
    }
    void lost;
  });

  it("says nothing was signed to those in the queue, and unknown to the others, when the pen is lost", async () => {
    const { world, instance, publisher, pen } = await begin();
    for (const { url } of world.acceptors) world.network.line(url).delayMs = 60_000;
    const first = publisher.publish(notes(1));
    await world.clock.pass(1);
    instance.disk.beforeAppend = () => world.clock.sleep(1_000);
    const second = publisher.publish(notes(1));
    await world.clock.pass(1);
    const third = publisher.publish(notes(1));
    void pen.release();
    const outcomes = await world.clock.run(Promise.allSettled([first, second, third]));
    expect(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.code)).toEqual([
      "publish-unknown",
      "publish-unknown",
      "pen-lost",
    ]);
    await expect(publisher.publish(notes(1))).rejects.toMatchObject({ code: "pen-lost" });
  });

  it("loses the pen when its own disk fails, and signs nothing more", async () => {
    const { world, instance, publisher, pen } = await begin();
    instance.disk.failing = "disk-full";
    await expect(publisher.publish(notes(1))).rejects.toMatchObject({ code: "chain-write-failed" });
    expect(await world.clock.run(pen.lost)).toMatchObject({ reason: "storage" });
    instance.disk.failing = undefined;
    await expect(publisher.publish(notes(1))).rejects.toMatchObject({ code: "pen-lost" });
  });
});

describe("relays that refuse", () => {
  it("waits as long as a rate limit says", async () => {
    const { world, publisher } = await begin();
    const [strict] = world.acceptors;
    let limited = true;
    strict!.refusing = (message) =>
      limited && message.t === "publish"
        ? new AntsError("rate-limited", "slower", { details: { retryAfterMs: 5_000 } })
        : undefined;
    await world.clock.run(publisher.publish(notes(1)));
    expect(publisher.relays()[0]!.status).toMatchObject({ state: "refused", error: { code: "rate-limited" } });
    limited = false;
    const startMs = world.clock.monotonicMs();
    await world.clock.run(publisher.drain({ durability: "all" }));
    expect(world.clock.monotonicMs() - startMs).toBeGreaterThan(4_000);
    expect(world.clock.monotonicMs() - startMs).toBeLessThan(5_100);
  });

  it("brings a relay that lost events, without a new stream, back to the chain", async () => {
    const { world, publisher } = await begin();
    await world.clock.run(publisher.publish(notes(20), { durability: "all" }));
    const [old] = world.acceptors;
    world.replaceRelay(0, old!.again(old!.stream));
    await world.clock.run(publisher.publish(notes(1)));
    await world.clock.run(publisher.drain({ durability: "all" }));
    expect(world.acceptors[0]!.chain(world.did)).toHaveLength(22);
  });

  it("leaves a relay alone that became another incarnation", async () => {
    const { world, publisher } = await begin();
    world.replaceRelay(0, world.acceptors[0]!.again());
    await world.clock.run(publisher.publish(notes(1)));
    await world.clock.pass(60_000);
    expect(publisher.relays()[0]!.status.state).toBe("wrong-stream");
    expect(world.acceptors[0]!.lines).toHaveLength(0);
  });

  it("sends the identity log to a relay that never heard of the agent", async () => {
    const world = new World();
    const [late] = world.acceptors;
    world.network.line(late!.url).refuses = true;
    const instance = await world.start();
    const { publisher } = await publisherOf(world, instance);
    await world.clock.run(publisher.publish(notes(1)));
    expect(late!.lines).toHaveLength(0);
    world.network.line(late!.url).refuses = false;
    await world.clock.run(publisher.drain({ durability: "all" }));
    expect(new TextDecoder().decode(late!.lines[0])).toContain('"type":"identity"');
    expect(late!.chain(world.did)).toHaveLength(2);
  });
});
