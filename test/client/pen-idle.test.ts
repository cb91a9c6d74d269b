import { describe, expect, it } from "vitest";
import type { Clock } from "../../keys/ports.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import type { Pen } from "../../src/client/pen.js";
import type { PenLoss } from "../../src/client/pen-loss.js";
import { RelayPool } from "../../src/client/relay-pool.js";
import { createBatch } from "../../src/protocol/batch.js";
import { SimNetwork } from "../simulation/sim-network.js";
import { World } from "../simulation/world.js";

/** Asking and the answer, on lines of 1 ms. */
const CONTACT_MS = 50;
const UNCONFIRMED = expect.objectContaining({ code: "pen-unconfirmed" });

/** The timers of a process that can be stopped: those that came due meanwhile fire when it goes on. */
class StoppableClock implements Clock {
  readonly #clock: Clock;
  #goesOn: Promise<void> | undefined;
  resume: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs = () => this.#clock.nowMs();
  monotonicMs = () => this.#clock.monotonicMs();

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    await this.#clock.sleep(durationMs, signal);
    await this.#goesOn;
  }

  stop(): void {
    this.#goesOn = new Promise((resolve) => {
      this.resume = resolve;
    });
  }
}

async function holder(world: World, clock?: Clock): Promise<Pen> {
  const ports = clock === undefined ? world.ports : { ...world.ports, clock };
  const { context } = await world.start({ ports });
  const pen = await world.clock.run(acquirePen(context));
  await world.clock.pass(1_000);
  return pen;
}

async function takeOver(world: World): Promise<Pen> {
  const { context } = await world.start({ madeGenesis: false });
  return world.clock.run(acquirePen(context, { takeover: true }));
}

/** Tells of the loss, and when it was learnt of. */
function watch(world: World, pen: Pen): { loss?: PenLoss; atMs?: number } {
  const seen: { loss?: PenLoss; atMs?: number } = {};
  void pen.lost.then((loss) => Object.assign(seen, { loss, atMs: world.clock.monotonicMs() }));
  return seen;
}

describe("a holder that writes nothing", () => {
  it("hears of a takeover from the first relay that it asks, within five seconds", async () => {
    const world = new World();
    const pen = await holder(world);
    const seen = watch(world, pen);
    await takeOver(world);
    await world.clock.pass(5_000);
    expect(seen.loss).toMatchObject({ reason: "fenced", promised: 2 });
    expect(() => pen.check()).toThrow(expect.objectContaining({ code: "pen-lost" }));
  });

  it("hears of it at its first connection after it was cut off", async () => {
    const world = new World();
    const pen = await holder(world);
    for (const { url } of world.acceptors) {
      world.network.line(url).refuses = true;
      world.network.cut(url);
    }
    // The other one has lines of its own.
    const elsewhere = new SimNetwork(world.clock);
    for (const { url, accept } of world.acceptors) elsewhere.listen(url, accept);
    const relays = new RelayPool({ ...world.ports, dial: elsewhere.dial });
    const { context } = await world.start({ madeGenesis: false, relays });
    await world.clock.run(acquirePen(context, { takeover: true }));
    await world.clock.pass(120_000);
    expect(() => pen.check()).toThrow(UNCONFIRMED);
    const reached = new Promise<number>((resolve) => {
      for (const { url, accept } of world.acceptors) {
        world.network.line(url).refuses = false;
        world.network.listen(url, (socket) => {
          accept(socket);
          resolve(world.clock.monotonicMs());
        });
      }
    });
    expect(await world.clock.run(pen.lost)).toMatchObject({ reason: "fenced", promised: 2 });
    expect(world.clock.monotonicMs() - (await reached)).toBeLessThan(CONTACT_MS);
  });

  it("hears of it when it goes on after a pause", async () => {
    const world = new World();
    const clock = new StoppableClock(world.clock);
    const pen = await holder(world, clock);
    const seen = watch(world, pen);
    clock.stop();
    await world.clock.pass(120_000);
    await takeOver(world);
    await world.clock.pass(30_000);
    expect(seen.loss).toBeUndefined();
    const from = world.clock.monotonicMs();
    clock.resume();
    await world.clock.run(pen.lost);
    expect(seen.loss).toMatchObject({ reason: "fenced" });
    expect(seen.atMs! - from).toBeLessThan(CONTACT_MS);
  });

  it("asks with a line that every relay has: nothing is written for it, and the holder keeps its pen", async () => {
    const world = new World();
    const pen = await holder(world);
    const lines = world.acceptors.map((acceptor) => acceptor.lines.length);
    const frames = world.acceptors[0]!.frames.length;
    await world.clock.pass(60_000);
    pen.check();
    expect(world.acceptors.map((acceptor) => acceptor.lines.length)).toEqual(lines);
    const asked = world.acceptors[0]!.frames.length - frames;
    expect(asked).toBeGreaterThanOrEqual(11);
    expect(asked).toBeLessThanOrEqual(12);
    expect(pen.lanes.map(({ status }) => status.state)).toEqual(["up-to-date", "up-to-date", "up-to-date"]);
  });
});

function cutOff(world: World, relays: readonly { readonly url: string }[]): void {
  for (const { url } of relays) {
    world.network.line(url).refuses = true;
    world.network.cut(url);
  }
}

/** Passes time until the pen's effects are allowed; returns how long that took. */
async function untilAllowed(world: World, pen: Pen): Promise<number> {
  const fromMs = world.clock.monotonicMs();
  const isAllowed = () => {
    try {
      pen.check();
      return true;
    } catch {
      return false;
    }
  };
  for (let i = 0; i < 10_000 && !isAllowed(); i++) await world.clock.pass(10);
  pen.check();
  return world.clock.monotonicMs() - fromMs;
}

describe("effects without a quorum", () => {
  it("are allowed as soon as the claim is held", async () => {
    const world = new World();
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context));
    pen.check();
  });

  it("end within fifteen seconds of the last question that a quorum answered, and are allowed again by themselves", async () => {
    const world = new World();
    const pen = await holder(world);
    await world.clock.pass(60_000);
    pen.check();
    cutOff(world, world.acceptors.slice(1));
    await world.clock.pass(9_900);
    pen.check();
    await world.clock.pass(5_200);
    expect(() => pen.check()).toThrow(UNCONFIRMED);
    expect(() => pen.check()).toThrow("1 of 3 relays confirmed it in the last 15 s, and 2 are needed");
    await world.clock.pass(600_000);
    expect(() => pen.check()).toThrow(UNCONFIRMED);
    expect(pen.loss).toBeUndefined();
    world.network.line(world.acceptors[1]!.url).refuses = false;
    expect(await untilAllowed(world, pen)).toBeLessThanOrEqual(60_000);
    await world.clock.pass(60_000);
    pen.check();
  });

  it("are not allowed on answers that took too long: they count from the question", async () => {
    const world = new World();
    const pen = await holder(world);
    for (const { url } of world.acceptors) world.network.line(url).delayMs = 8_000;
    await world.clock.pass(16_000);
    for (let i = 0; i < 60; i++) {
      await world.clock.pass(1_000);
      expect(() => pen.check()).toThrow(UNCONFIRMED);
    }
    expect(pen.lanes.every(({ status }) => status.state !== "unreachable")).toBe(true);
    for (const { url } of world.acceptors) world.network.line(url).delayMs = 1;
    await untilAllowed(world, pen);
  });

  it("are not allowed to a process that goes on after a pause, until it has asked", async () => {
    const world = new World();
    const clock = new StoppableClock(world.clock);
    const pen = await holder(world, clock);
    clock.stop();
    await world.clock.pass(20_000);
    clock.resume();
    expect(() => pen.check()).toThrow(UNCONFIRMED);
    expect(await untilAllowed(world, pen)).toBeLessThan(CONTACT_MS);
  });

  it("are not allowed after a sleep of the machine that only the wall clock shows", async () => {
    const world = new World();
    let sleptMs = 0;
    const pen = await holder(world, {
      nowMs: () => world.clock.nowMs() + sleptMs,
      monotonicMs: () => world.clock.monotonicMs(),
      sleep: (durationMs, signal) => world.clock.sleep(durationMs, signal),
    });
    sleptMs = 3_600_000;
    expect(() => pen.check()).toThrow(UNCONFIRMED);
    expect(await untilAllowed(world, pen)).toBeLessThanOrEqual(5_000 + CONTACT_MS);
    sleptMs = 0;
    pen.check();
  });
});

describe("one relay of four contradicts, faults = 1", () => {
  it("allows no effect on acknowledgements of what was under way when it did", async () => {
    const world = new World({ relays: 4, faults: 1 });
    const pen = await holder(world);
    const [liar, ...others] = world.acceptors;
    liar!.onAnswer = (message) =>
      message.t === "ack" && message.at !== undefined
        ? { t: "refused", ref: message.ref, i: 0, at: [], code: "fenced", message: "", retryable: false, promised: 2 }
        : message;
    // It answers after 200 ms; what the others are sent at the same time they acknowledge after 600 ms.
    world.network.line(liar!.url).delayMs = 100;
    for (const { url } of others) world.network.line(url).delayMs = 300;
    await pen.write(({ epoch, after }) =>
      createBatch({
        did: world.did,
        seed: world.signSeed,
        epoch,
        after,
        drafts: [{ kind: "note", body: {}, timeMs: 0 }],
      }),
    );
    await world.clock.pass(650);
    expect(pen.committedSeq).toBe(1);
    expect(() => pen.check()).toThrow(expect.objectContaining({ code: "pen-unconfirmed" }));
    await world.clock.pass(200);
    pen.check();
    expect(pen.loss).toBeUndefined();
  });
});
