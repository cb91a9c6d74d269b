import { describe, expect, it } from "vitest";
import { AntsError } from "../../keys/errors.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import { EpochsSeen } from "../../src/client/epochs-seen.js";
import type { Pen } from "../../src/client/pen.js";
import { promiseRound } from "../../src/client/promise-round.js";
import { createBatch } from "../../src/protocol/batch.js";
import { pruneEvent } from "../../src/protocol/event.js";
import { MAX_EPOCH_LEAP } from "../../src/protocol/limits.js";
import type { RefusedMessage } from "../../src/protocol/messages.js";
import type { Acceptor } from "../simulation/acceptor.js";
import { World } from "../simulation/world.js";

const note = (pen: Pen, world: World, text: string) =>
  pen.write(({ epoch, after }) =>
    createBatch({
      did: world.did,
      seed: world.signSeed,
      epoch,
      after,
      drafts: [{ kind: "note", body: { text }, timeMs: world.clock.nowMs() }],
    }),
  );

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "nothing";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe("claiming the pen", () => {
  it("holds it once a quorum acknowledged the claim, and every relay ends up with the same chain", async () => {
    const world = new World();
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context));
    expect(pen.epoch).toBe(1);
    expect(pen.claim.event).toMatchObject({ seq: 0, kind: "ants.claim", body: { instance: context.instance } });
    const [event] = await world.clock.run(note(pen, world, "hello"));
    await world.clock.pass(1_000);
    expect(pen.committedSeq).toBe(1);
    for (const acceptor of world.acceptors) {
      expect(acceptor.chain(world.did)).toEqual([pen.claim.id, event!.id]);
    }
    await world.clock.run(pen.release());
    expect(await pen.lost).toEqual({ reason: "released" });
  });

  it("works with one of three relays refusing connections, and with one that swallows everything", async () => {
    for (const fault of ["refuses", "swallows"] as const) {
      const world = new World();
      world.network.line(world.acceptors[1]!.url)[fault] = true;
      const { context } = await world.start();
      const pen = await world.clock.run(acquirePen(context));
      await world.clock.run(note(pen, world, "x"));
      await world.clock.pass(1_000);
      expect(pen.committedSeq).toBe(1);
      expect(pen.lanes.map(({ status }) => status.state)).toEqual(["up-to-date", "unreachable", "up-to-date"]);
    }
  });

  it("gives up with no-quorum where two of three are away, and says which", async () => {
    const world = new World();
    for (const i of [0, 1]) world.network.line(world.acceptors[i]!.url).refuses = true;
    const { context } = await world.start();
    const error = await world.clock.run(acquirePen(context).catch((error) => error));
    expect(error).toMatchObject({ code: "no-quorum" });
    expect(error.message).toContain("2 of 3 are needed");
    expect(error.message).toContain(world.acceptors[0]!.url);
  });

  it("a started process claims a new epoch on what it finds on its disk", async () => {
    const world = new World();
    const first = await world.start();
    const pen = await world.clock.run(acquirePen(first.context));
    await world.clock.run(note(pen, world, "one"));
    await world.clock.run(first.kill());

    const second = await world.start({
      disk: first.disk.afterCrash(),
      earlierInstances: new Set([first.context.instance]),
    });
    expect(second.context.chain.head?.seq).toBe(1);
    const next = await world.clock.run(acquirePen(second.context));
    expect(next.epoch).toBe(2);
    expect(next.claim.event.prev).toBe(first.context.chain.head?.id);
  });

  it("carries what only its disk had to the relays, through the new claim", async () => {
    const world = new World();
    const first = await world.start();
    const pen = await world.clock.run(acquirePen(first.context));
    for (const { url } of world.acceptors) world.network.cut(url);
    for (const { url } of world.acceptors) world.network.line(url).refuses = true;
    const [event] = await world.clock.run(note(pen, world, "never sent"));
    await world.clock.run(first.kill());
    for (const { url } of world.acceptors) world.network.line(url).refuses = false;

    const second = await world.start({
      disk: first.disk.afterCrash(),
      earlierInstances: new Set([first.context.instance]),
    });
    const next = await world.clock.run(acquirePen(second.context));
    await world.clock.pass(60_000);
    expect(next.committedSeq).toBe(2);
    for (const { chain } of world.acceptors.map((acceptor) => ({ chain: acceptor.chain(world.did) }))) {
      expect(chain).toEqual([pen.claim.id, event!.id, next.claim.id]);
    }
  });

  it("fetches what its own disk lacks from a relay that has it", async () => {
    const world = new World();
    const first = await world.start();
    const pen = await world.clock.run(acquirePen(first.context));
    for (let i = 0; i < 5; i++) await world.clock.run(note(pen, world, `${i}`));
    await world.clock.pass(1_000);
    await world.clock.run(first.kill());
    await world.clock.pass(61_000);

    const second = await world.start({ madeGenesis: false });
    const next = await world.clock.run(acquirePen(second.context));
    expect(next.claim.event.seq).toBe(6);
    expect(second.context.chain.tree.size).toBe(7);
    expect(await second.context.chain.read(0, { maxBytes: 1e6, maxEntries: 100 })).toHaveLength(7);
  });

  it("begins a chain only in the home that made the genesis", async () => {
    const world = new World();
    const { context } = await world.start({ madeGenesis: false });
    expect(await world.clock.run(codeOf(acquirePen(context)))).toBe("chain-missing");
  });

  it("stops when the key is not live", async () => {
    const world = new World();
    const { context } = await world.start({ seed: world.random.bytes(32) });
    expect(await codeOf(acquirePen(context))).toBe("key-not-live");
  });
});

describe("two instances of one agent", () => {
  it("the second is refused while the first is live, and learns who holds the pen", async () => {
    const world = new World();
    const first = await world.start({ label: "laptop" });
    await world.clock.run(acquirePen(first.context));
    await world.clock.pass(100_000);
    const second = await world.start({ madeGenesis: false, label: "server" });
    const error = await world.clock.run(acquirePen(second.context).catch((error) => error));
    expect(error).toMatchObject({
      code: "held",
      details: { instance: first.context.instance, label: "laptop", sinceMs: expect.any(Number) },
    });
    expect(error.message).toContain('"laptop"');
    expect(error.hint).toContain("--takeover");
  });

  it("the second is refused as well where the relay shows something else than the holder's claim", async () => {
    const world = new World();
    const first = await world.start();
    const pen = await world.clock.run(acquirePen(first.context));
    const [event] = await world.clock.run(note(pen, world, "not asked for"));
    await world.clock.pass(1_000);
    const pruned = new TextEncoder().encode(pruneEvent(event!.line));
    for (const acceptor of world.acceptors) {
      acceptor.onAnswer = (message, lines) => {
        if (message.t === "entries" && lines.length === 1) (lines as Uint8Array[])[0] = pruned;
        return message;
      };
    }
    const second = await world.start({ madeGenesis: false });
    const error = await world.clock.run(acquirePen(second.context).catch((error) => error));
    expect(error).toMatchObject({ code: "held", details: { instance: first.context.instance } });
  });

  it("tries again where one relay promised to another start that is gone: nobody else has the pen", async () => {
    const world = new World();
    const { context } = await world.start();
    const last = world.acceptors[2]!;
    last.onAnswer = (message) => {
      if (message.t !== "ack") return message;
      last.onAnswer = (message) => message;
      const { ref } = message;
      return { t: "refused", ref, i: 0, at: [], code: "fenced", message: "promised", retryable: false, promised: 2 };
    };
    const pen = await world.clock.run(acquirePen(context));
    await world.clock.pass(1_000);
    expect(pen.loss).toBeUndefined();
    expect(pen.epoch).toBe(3);
  });

  it("takes over where it is told to, and the first is fenced and stops", async () => {
    const world = new World();
    const first = await world.start();
    const pen = await world.clock.run(acquirePen(first.context));
    await world.clock.run(note(pen, world, "mine"));
    await world.clock.pass(1_000);
    const second = await world.start({ madeGenesis: false });
    const next = await world.clock.run(acquirePen(second.context, { takeover: true }));
    expect(next.epoch).toBe(2);
    pen.check();
    await world.clock.run(note(pen, world, "too late"));
    const loss = await world.clock.run(pen.lost);
    expect(loss).toMatchObject({ reason: "fenced", promised: 2 });
    expect(() => pen.check()).toThrow(expect.objectContaining({ code: "pen-lost" }));
    expect(await codeOf(note(pen, world, "no"))).toBe("pen-lost");
    await world.clock.run(note(next, world, "mine now"));
    await world.clock.pass(1_000);
    expect(next.committedSeq).toBe(3);
    // What was not committed stays, as a side branch of the first home.
    expect(first.context.chain.head?.seq).toBe(2);
    expect(world.acceptors[0]!.chain(world.did)).toHaveLength(4);
  });

  it("stops as soon as one relay says that it is fenced, also where that relay answers nothing more", async () => {
    const world = new World();
    const first = await world.start();
    const pen = await world.clock.run(acquirePen(first.context));
    await world.clock.pass(1_000);
    const second = await world.start({ madeGenesis: false });
    const [near, ...far] = world.acceptors;
    await world.clock.run(acquirePen(second.context, { takeover: true }));
    for (const { url } of far) world.network.line(url).swallows = true;
    let refused = 0;
    near!.onAnswer = (message) => (message.t === "refused" && ++refused > 1 ? undefined : message);
    const startMs = world.clock.monotonicMs();
    await Promise.all([note(pen, world, "a"), world.clock.pass(0).then(() => note(pen, world, "b"))]);
    expect(await world.clock.run(pen.lost)).toMatchObject({ reason: "fenced" });
    expect(world.clock.monotonicMs() - startMs).toBeLessThan(100);
  });

  it("waits until the holder is silent, where it is told to wait", async () => {
    const world = new World();
    const first = await world.start();
    await world.clock.run(acquirePen(first.context));
    const second = await world.start({ madeGenesis: false });
    const told: string[] = [];
    const waiting = acquirePen(second.context, { wait: true, onWait: ({ code }) => told.push(code) });
    await world.clock.pass(90_000);
    expect(told).toContain("held");
    await world.clock.run(first.kill());
    const diedMs = world.clock.monotonicMs();
    const pen = await world.clock.run(waiting);
    expect(pen.epoch).toBeGreaterThan(1);
    expect(world.clock.monotonicMs() - diedMs).toBeGreaterThan(40_000);
  });

  it("never gives the pen to two that start at the same moment", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World({ seed });
      const instances = [await world.start(), await world.start()];
      const outcomes = await world.clock.run(
        Promise.all(instances.map(({ context }) => acquirePen(context).catch((error) => error))),
      );
      const pens = outcomes.filter((outcome): outcome is Pen => "epoch" in outcome);
      const live: Pen[] = [];
      for (const pen of pens) {
        await world.clock.run(note(pen, world, "effect").catch(() => undefined));
        await world.clock.pass(5_000);
        if (pen.loss === undefined && pen.committedSeq === pen.head.seq) live.push(pen);
      }
      expect(live.length, `seed ${seed}`).toBe(1);
      const chains = new Set(world.acceptors.map((acceptor) => acceptor.chain(world.did).join()));
      expect(chains.size, `seed ${seed}`).toBe(1);
    }
  });

  it("stops at an event of its own epoch that it did not sign", async () => {
    const world = new World();
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context));
    await world.clock.pass(1_000);
    const { epoch, seq, id } = pen.head;
    const drafts = [{ kind: "note", body: { text: "thief" }, timeMs: 0 }];
    const stolen = createBatch({ did: world.did, seed: world.signSeed, epoch, after: { epoch, seq, id }, drafts });
    world.acceptors[0]!.mirror(stolen.map(({ line }) => line));
    await world.clock.run(note(pen, world, "mine"));
    expect(await world.clock.run(pen.lost)).toMatchObject({ reason: expect.stringMatching(/foreign-event|fork/) });
  });
});

describe("somebody with the same key", () => {
  it.each([
    ["as far as one claim leaps", 1, "nothing"],
    ["further", 3, "epoch-order"],
  ])("has epochs promised %s: taking over gives %s leaps %s", async (_, leaps, code) => {
    const world = new World();
    const { context: owner } = await world.start();
    const first = await world.clock.run(acquirePen(owner));
    await world.clock.run(first.release());
    const written = owner.chain.highestEpoch;
    const { context: thief } = await world.start();
    for (let i = 1; i <= leaps; i += 1) {
      const [epoch, seen] = [i * MAX_EPOCH_LEAP, new EpochsSeen(0)];
      const round = await world.clock.run(promiseRound(thief, { epoch, seen, takeover: true, timeoutMs: 10_000 }));
      expect(round.kind).toBe("granted");
    }
    const { context } = await world.start();
    const error = await world.clock.run(acquirePen(context, { takeover: true }).catch((error) => error));
    expect(error.code ?? "nothing").toBe(code);
    if (code === "nothing") return;
    expect(error.hint).toContain("ants rotate");
    expect(context.chain.highestEpoch).toBe(written);
  });
});

describe("relays that fail or lie", () => {
  it("does not count a relay under another stream than the identity names", async () => {
    const world = new World();
    world.replaceRelay(0, world.acceptors[0]!.again());
    world.replaceRelay(1, world.acceptors[1]!.again());
    const { context } = await world.start();
    const error = await world.clock.run(acquirePen(context).catch((error) => error));
    expect(error.code).toBe("no-quorum");
    expect(error.message).toContain("another incarnation");
  });

  it("does not count a relay that became another incarnation while the pen is held", async () => {
    const world = new World();
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context));
    await world.clock.run(note(pen, world, "one"));
    await world.clock.pass(1_000);
    expect(pen.committedSeq).toBe(1);
    for (const i of [0, 1]) world.replaceRelay(i, world.acceptors[i]!.again());
    await world.clock.run(note(pen, world, "two"));
    await world.clock.pass(60_000);
    expect(pen.committedSeq).toBe(1);
    expect(pen.lanes.map(({ status }) => status.state)).toEqual(["wrong-stream", "wrong-stream", "up-to-date"]);
    expect(world.acceptors[0]!.chain(world.did)).toEqual([]);
  });

  it("does not count a promise whose head nobody delivers", async () => {
    const world = new World();
    const liar = world.acceptors[0]!;
    liar.onAnswer = (message) =>
      message.t === "promised" ? { ...message, head: { epoch: 9, seq: 99, id: "ab".repeat(32) } } : message;
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context));
    expect(pen.epoch).toBe(1);
    expect(pen.claim.event.seq).toBe(0);
  });

  it("asks again with the identical line when the answer to a promise was lost", async () => {
    const world = new World();
    let lost = 0;
    for (const acceptor of world.acceptors) {
      acceptor.onAnswer = (message) => {
        if (message.t !== "promised" || lost >= 3) return message;
        lost += 1;
        world.network.cut(acceptor.url);
        return undefined;
      };
    }
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context));
    expect(lost).toBe(3);
    expect(pen.epoch).toBe(1);
  });
});

describe("one relay of four lies, faults = 1", () => {
  type Answer = Acceptor["onAnswer"];
  const refusal = (code: string, more: Partial<RefusedMessage> = {}): Partial<RefusedMessage> => ({
    code,
    message: "liar",
    retryable: false,
    ...more,
  });
  const lies: Record<string, (epoch: number) => Partial<RefusedMessage>> = {
    fenced: (epoch) => refusal("fenced", { promised: epoch + 1 }),
    "key-not-live": () => refusal("key-not-live"),
    fork: () => refusal("fork"),
    superseded: () => refusal("superseded"),
    "a foreign head": (epoch) => refusal("gap", { head: { epoch, seq: 1, id: "ab".repeat(32) } }),
    "a code of this side": () => refusal("chain-write-failed"),
  };
  const refusingPublishes =
    (lie: Partial<RefusedMessage>): Answer =>
    (message) =>
      message.t === "ack" && message.at !== undefined
        ? ({ t: "refused", ref: message.ref, i: 0, at: [], ...lie } as RefusedMessage)
        : message;

  async function heldPen() {
    const world = new World({ relays: 4, faults: 1 });
    const instance = await world.start();
    const pen = await world.clock.run(acquirePen(instance.context));
    await world.clock.pass(1_000);
    return { world, pen, instance };
  }

  for (const [name, lie] of Object.entries(lies)) {
    it(`goes on beside a relay that answers ${name}, and takes it in again later`, async () => {
      const { world, pen } = await heldPen();
      world.acceptors[0]!.onAnswer = refusingPublishes(lie(pen.epoch));
      await world.clock.run(note(pen, world, "one"));
      await world.clock.pass(100);
      expect(pen.loss).toBeUndefined();
      pen.check();
      expect(pen.committedSeq).toBe(1);
      expect(pen.lanes[0]!.status).toMatchObject({ state: "refused", error: { message: "liar" } });
      world.acceptors[0]!.onAnswer = (message) => message;
      await world.clock.pass(120_000);
      expect(pen.lanes.map(({ status }) => status.state)).toEqual(Array(4).fill("up-to-date"));
    });
  }

  it("counts no acknowledgement that a refusal of an entry beyond the frame pretends", async () => {
    const { world, pen } = await heldPen();
    for (const { url } of world.acceptors.slice(2)) {
      world.network.cut(url);
      world.network.line(url).refuses = true;
    }
    world.acceptors[0]!.onAnswer = refusingPublishes(refusal("overloaded", { i: 1_000_000, retryable: true }));
    await world.clock.run(note(pen, world, "one"));
    await world.clock.pass(30_000);
    expect(pen.committedSeq).toBe(0);
    expect(pen.lanes[0]!.acknowledgedSeq).toBe(0);
  });

  it("is held by a claim that it refuses", async () => {
    const world = new World({ relays: 4, faults: 1 });
    world.acceptors[0]!.onAnswer = refusingPublishes(refusal("fenced", { promised: 2 }));
    const { context } = await world.start();
    expect((await world.clock.run(acquirePen(context))).epoch).toBe(1);
  });

  it("stops when a second relay says that it is fenced", async () => {
    const { world, pen } = await heldPen();
    for (const i of [0, 1]) {
      world.acceptors[i]!.onAnswer = refusingPublishes(refusal("fenced", { promised: pen.epoch + 1 }));
    }
    await world.clock.run(note(pen, world, "one"));
    expect(await world.clock.run(pen.lost)).toMatchObject({ reason: "fenced" });
    expect(() => pen.check()).toThrow(expect.objectContaining({ code: "pen-lost" }));
  });

  it("asks the others at once, and allows no effect while a quorum of them doesn't answer", async () => {
    const { world, pen } = await heldPen();
    const [liar, away] = world.acceptors;
    liar!.onAnswer = refusingPublishes(refusal("fenced", { promised: pen.epoch + 1 }));
    world.network.cut(away!.url);
    world.network.line(away!.url).refuses = true;
    await world.clock.run(note(pen, world, "one"));
    await world.clock.pass(60_000);
    expect(pen.loss).toBeUndefined();
    expect(() => pen.check()).toThrow(expect.objectContaining({ code: "pen-unconfirmed" }));
    world.network.line(away!.url).refuses = false;
    await world.clock.pass(60_000);
    pen.check();
  });

  it("a real fence is learnt of from the relays that it had not written to", async () => {
    const { world, pen } = await heldPen();
    const second = await world.start({ madeGenesis: false });
    await world.clock.run(acquirePen(second.context, { takeover: true }));
    // The lines to all but one hold back what is written, so that one relay alone tells of it first.
    for (const { url } of world.acceptors.slice(1)) world.network.line(url).delayMs = 500;
    await world.clock.run(note(pen, world, "too late"));
    await world.clock.pass(10);
    expect(() => pen.check()).toThrow(expect.objectContaining({ code: "pen-unconfirmed" }));
    expect(await world.clock.run(pen.lost)).toMatchObject({ reason: "fenced" });
  });

  it("is not stopped by a promise whose identity log it then refuses with a code of ours", async () => {
    for (const code of ["no-relays", "key-not-live", "identity-conflicted"]) {
      const world = new World({ relays: 4, faults: 1 });
      const [liar] = world.acceptors;
      liar!.onAnswer = (message) => (message.t === "promised" ? { ...message, identity: "ab".repeat(32) } : message);
      liar!.refusing = (message) => (message.t === "follow" ? new AntsError(code, "the relay's word") : undefined);
      const { context } = await world.start();
      expect((await world.clock.run(acquirePen(context))).epoch).toBe(1);
    }
  });
});
