import { describe, expect, it } from "vitest";
import { quorumSize } from "../../keys/identity/relay-set.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import { EpochsSeen } from "../../src/client/epochs-seen.js";
import { promiseRound } from "../../src/client/promise-round.js";
import { RelayPool } from "../../src/client/relay-pool.js";
import { SimNetwork } from "../simulation/sim-network.js";
import { World } from "../simulation/world.js";

const HUGE = 2 ** 40;

function setOf(names: string, faults: number) {
  const relays = [...names].map((name) => ({ url: `ws://${name}`, stream: "0123456789abcdef" }));
  return { relays, faults, quorum: quorumSize(relays.length, faults) };
}

function seenOf(told: Record<string, number>, ...sets: ReturnType<typeof setOf>[]): EpochsSeen {
  const seen = new EpochsSeen(3);
  seen.among(sets);
  for (const [name, epoch] of Object.entries(told)) seen.told(`ws://${name}`, epoch);
  return seen;
}

describe("the epoch to ask for", () => {
  it("is above what any relay tells of where none may lie", () => {
    expect(seenOf({ a: 5, b: 9, c: 4 }, setOf("abc", 0)).next(3)).toBe(10);
  });

  it("is above what more relays of a set tell of than may lie, and not above what those alone do", () => {
    expect(seenOf({ a: HUGE, b: 9, c: 4 }, setOf("abcd", 1)).next(3)).toBe(10);
  });

  it("is not driven up by one liar of each of two sets", () => {
    expect(seenOf({ a: HUGE, b: 5, e: HUGE, f: 6 }, setOf("abcd", 1), setOf("efgh", 1)).next(3)).toBe(7);
  });

  it("is above everything told of once an attempt was outbid, and not far above the chain", () => {
    const seen = seenOf({ a: 900, b: 5 }, setOf("abcd", 1));
    expect(seen.next(3)).toBe(6);
    seen.outbid();
    expect(seen.next(3)).toBe(901);
    seen.told("ws://a", HUGE);
    expect(seen.next(3)).toBe(3 + 4_096);
    seen.used(3 + 4_096);
    expect(seen.next(3)).toBe(3 + 4_097);
    expect(seen.next(7_000)).toBe(7_000 + 4_096);
  });
});

describe("claiming with four relays of which one may lie", () => {
  /** A start on a line of its own asks one relay, and gets no further. */
  async function promiseAt(world: World, i: number, epoch: number): Promise<void> {
    const elsewhere = new SimNetwork(world.clock);
    elsewhere.listen(world.acceptors[i]!.url, world.acceptors[i]!.accept);
    const relays = new RelayPool({ ...world.ports, dial: elsewhere.dial });
    const { context } = await world.start({ relays });
    const options = { epoch, seen: new EpochsSeen(0), takeover: true, timeoutMs: 1_000 };
    expect((await world.clock.run(promiseRound(context, options))).kind).toBe("no-quorum");
    expect(world.acceptors[i]!.promised(world.did)).toBe(epoch);
  }

  it("gets above one that promised far ahead while another is away", async () => {
    const world = new World({ relays: 4, faults: 1 });
    await promiseAt(world, 2, 1_000);
    world.network.line(world.acceptors[3]!.url).refuses = true;
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context, { takeover: true }));
    expect(pen.epoch).toBe(1_001);
  });

  it("is not led away by one that lies while another is away: when that is back, claims are as before", async () => {
    const world = new World({ relays: 4, faults: 1 });
    const [liar, , , away] = world.acceptors;
    liar!.onAnswer = (message) =>
      message.t === "promised"
        ? { t: "refused", ref: message.ref, code: "fenced", message: "", retryable: false, promised: HUGE }
        : message;
    world.network.line(away!.url).refuses = true;
    for (let start = 0; start < 20; start++) {
      const { context, kill } = await world.start();
      const error = await world.clock.run(acquirePen(context).catch((error) => error));
      expect(error.code).toBe("no-quorum");
      await world.clock.run(kill());
    }
    world.network.line(away!.url).refuses = false;
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context, { takeover: true }));
    expect(pen.epoch).toBeLessThan(5_000);
  });
});
