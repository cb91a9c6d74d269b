import { beforeEach, describe, expect, test } from "vitest";
import { AgentSteps, type StepOptions, stepFailed } from "../../src/agent/steps.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import type { Pen } from "../../src/client/pen.js";
import { penUnconfirmed } from "../../src/client/pen-loss.js";
import { Publisher } from "../../src/client/publisher.js";
import type { SimDisk } from "../simulation/sim-disk.js";
import { type SimInstance, World } from "../simulation/world.js";

/** One run of the agent: one turn of holding the pen. */
interface Run {
  readonly instance: SimInstance;
  readonly pen: Pen;
  readonly publisher: Publisher;
  readonly steps: AgentSteps;
}

const STATE_KEY = new Uint8Array(32).fill(7);

let world: World;
let run: Run;
/** What the outside world got, in order. */
let received: string[];

async function start(disk?: SimDisk): Promise<Run> {
  return inTime(begin(disk));
}

/** Within a run of the clock. */
async function begin(disk?: SimDisk): Promise<Run> {
  const instance = await world.start(disk === undefined ? {} : { disk });
  const pen = await acquirePen(instance.context, { takeover: true });
  const { clock, random, did } = world;
  const publisher = new Publisher({ did, seed: world.signSeed, pen, clock, random, stateKey: STATE_KEY });
  const { chain } = instance.context;
  const steps = new AgentSteps({ did, chain, publisher, pen: () => pen, stateKeys: [STATE_KEY] });
  return { instance, pen, publisher, steps };
}

/** The next run of this agent, after kill -9: on its disk, or on a host where nothing of it is. */
async function restart(where: "here" | "elsewhere" = "here"): Promise<void> {
  const { disk, kill } = run.instance;
  await inTime(kill());
  run = await start(where === "here" ? disk.afterCrash() : undefined);
}

const inTime = <T>(promise: Promise<T>): Promise<T> => world.clock.run(promise);

const step: AgentSteps["run"] = (...args) => inTime(run.steps.run(...args));

beforeEach(async () => {
  world = new World();
  received = [];
  run = await start();
});

const effect = (word: string) => () => {
  received.push(word);
  return word.length;
};

/** The service did it, and its answer was lost. */
const lostAnswer = (word: string) => () => {
  received.push(word);
  throw new TypeError("socket hang up");
};

describe("a step", () => {
  test("runs once, and later calls, runs and hosts get its result", async () => {
    expect(await step("a", "greet", effect("hello"))).toEqual({ status: "done", result: 5, ran: true });
    expect(await step("a", "greet", effect("hello"))).toEqual({ status: "done", result: 5, ran: false });
    for (const where of ["here", "elsewhere"] as const) {
      await restart(where);
      expect(await step("a", "greet", effect("hello"))).toEqual({ status: "done", result: 5, ran: false });
    }
    expect(received).toEqual(["hello"]);
    expect(await run.steps.get("a")).toMatchObject({ name: "greet", state: "done", attempts: 1 });
    expect(await run.steps.get("b")).toBeUndefined();
  });

  test("that is under way is waited for, not run again", async () => {
    const slow = async () => {
      received.push("slow");
      await world.clock.sleep(60_000);
      return "x";
    };
    const both = [run.steps.run("a", "slow", slow), run.steps.run("a", "slow", slow)];
    await world.clock.pass(30_000);
    expect(received).toEqual(["slow"]);
    expect(await run.steps.unknown()).toEqual([]);
    await expect(run.steps.settle("a", { status: "done" })).rejects.toMatchObject({ code: "usage" });
    const done = { status: "done", result: "x", ran: true };
    expect(await inTime(Promise.all(both))).toEqual([done, done]);
    expect(received).toEqual(["slow"]);
  });

  test("has an intent that a quorum has before its effect begins (E10), and both are private", async () => {
    const { chain } = run.instance.context;
    for (const [i, { url }] of world.acceptors.entries()) world.network.line(url).delayMs = 10 ** (i + 1);
    let held = 0;
    await step("a", "look", () => {
      held = world.acceptors.filter((acceptor) => acceptor.chain(world.did).includes(chain.head!.id)).length;
    });
    expect(held).toBeGreaterThanOrEqual(2);
    const lines = await chain.read(1, { maxBytes: 1e6, maxEntries: 10 });
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(Buffer.from(line).toString()).not.toContain("look");
  });

  test("does not begin without a quorum, however long that takes", async () => {
    for (const { url } of world.acceptors.slice(0, 2)) world.network.line(url).swallows = true;
    const waiting = run.steps.run("a", "x", effect("x"));
    await world.clock.pass(3_600_000);
    expect(received).toEqual([]);
    for (const { url } of world.acceptors) world.network.line(url).swallows = false;
    expect(await inTime(waiting)).toMatchObject({ status: "done", ran: true });
  });

  test("has the same idempotency key in every attempt and on every host (E14), and another in another agent", async () => {
    const keys = new Set<string>();
    const note = async ({ idempotencyKey, attempt }: { idempotencyKey: string; attempt: number }) => {
      keys.add(idempotencyKey);
      received.push(`attempt ${attempt}`);
      throw stepFailed("the service is closed");
    };
    await step("a", "pay", note);
    await restart("elsewhere");
    await step("a", "pay", note, { again: true });
    expect(received).toEqual(["attempt 1", "attempt 2"]);
    expect([...keys]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    world = new World({ seed: 2 });
    run = await start();
    await step("a", "pay", note);
    expect(keys.size).toBe(2);
  });

  test("that certainly failed stays failed until somebody says again", async () => {
    expect(stepFailed("the shop is closed")).toMatchObject({ code: "step-failed" });
    const closed = () => {
      throw stepFailed("the shop is closed");
    };
    const failed = { status: "failed", reason: "the shop is closed" };
    expect(await step("a", "buy", closed)).toEqual({ ...failed, ran: true });
    expect(await step("a", "buy", effect("x"))).toEqual({ ...failed, ran: false });
    expect(received).toEqual([]);
    expect(await step("a", "buy", effect("x"), { again: true })).toMatchObject({ status: "done" });
  });

  test("does not begin where another took the pen", async () => {
    const before = run;
    run = await start();
    const refused = await inTime(before.steps.run("a", "x", effect("x")).catch((error) => error));
    expect(refused).toMatchObject({ code: expect.stringMatching(/^(pen-lost|publish-unknown)$/) });
    expect(received).toEqual([]);
    // What the old one signed for it lost its place, so it says nothing.
    expect(await step("a", "x", effect("x"))).toMatchObject({ status: "done", ran: true });
  });

  test("asks the pen right before its effect", async () => {
    const { instance, publisher } = run;
    const pen = {
      loss: undefined,
      check: () => {
        throw penUnconfirmed({ reason: "fenced", relay: "ws://a.example" });
      },
    } as unknown as Pen;
    const { did } = world;
    const steps = new AgentSteps({
      did,
      chain: instance.context.chain,
      publisher,
      pen: () => pen,
      stateKeys: [STATE_KEY],
    });
    await expect(inTime(steps.run("a", "x", effect("x")))).rejects.toMatchObject({ code: "pen-unconfirmed" });
    expect(received).toEqual([]);
    await inTime(publisher.drain());
    expect(await step("a", "x", effect("x"))).toMatchObject({ ran: true });
  });

  test("that was aborted before it began is begun by the next call, in this run and in the next", async () => {
    for (const key of ["a", "b"]) {
      const abort = new AbortController();
      const aborted = run.steps.run(key, "x", effect(key), { signal: abort.signal }).catch((error) => error);
      await world.clock.pass(0);
      abort.abort(new TypeError("stop"));
      expect(await inTime(aborted)).toMatchObject({ code: "publish-unknown", cause: expect.any(TypeError) });
      expect(received).not.toContain(key);
      if (key === "b") {
        await inTime(run.publisher.drain());
        await restart("elsewhere");
      }
      expect(await run.steps.unknown()).toEqual([]);
      expect(await step(key, "x", effect(key))).toMatchObject({ status: "done", ran: true });
      expect((await run.steps.get(key))!.attempts).toBe(2);
    }
    expect(received).toEqual(["a", "b"]);
  });
});

describe("a step whose intent waits while the pen is claimed anew, and another holder has it in between", () => {
  /** Runs a step here while the pen is exchanged; `there` is done by another instance that has it meanwhile. */
  async function exchanged(there: (other: Run) => Promise<unknown>, options: StepOptions = {}): Promise<unknown> {
    const { instance, publisher } = run;
    let { pen } = run;
    const { chain } = instance.context;
    const { did } = world;
    const steps = new AgentSteps({ did, chain, publisher, pen: () => pen, stateKeys: [STATE_KEY] });
    let started: Promise<unknown> = Promise.resolve();
    await inTime(
      publisher.changePen(async () => {
        // Its intent waits for the next pen.
        started = steps.run("a", "pay", effect("here"), options).catch((error) => error);
        await world.clock.sleep(1);
        await pen.release();
        const other = await begin();
        await there(other);
        await other.publisher.close();
        await other.instance.kill();
        pen = await acquirePen(instance.context, { takeover: true });
        return pen;
      }),
    );
    const outcome = await inTime(started);
    run = { ...run, steps };
    return outcome;
  }

  const pay = (other: Run, did: () => unknown) => other.steps.run("a", "pay", did).catch(() => {});

  test("is not run again where that one did it", async () => {
    const outcome = await exchanged((other) => pay(other, effect("there")));
    expect(outcome).toEqual({ status: "done", result: 5, ran: false });
    expect(received).toEqual(["there"]);
  });

  test("is parked where nobody knows whether that one did it", async () => {
    expect(await exchanged((other) => pay(other, lostAnswer("there")))).toMatchObject({ code: "step-unknown" });
    expect(received).toEqual(["there"]);
    expect(await run.steps.unknown()).toMatchObject([{ key: "a", parked: true }]);
  });

  test("stays failed where it failed there", async () => {
    const fail = () => {
      throw stepFailed("the shop is closed");
    };
    const failed = { status: "failed", reason: "the shop is closed", ran: false };
    expect(await exchanged((other) => pay(other, fail))).toEqual(failed);
    expect(received).toEqual([]);
    expect((await run.steps.get("a"))!.state).toBe("failed");
  });

  test("is run where that one did something else", async () => {
    const other = (there: Run) => there.steps.run("b", "greet", effect("b"));
    expect(await exchanged(other)).toMatchObject({ status: "done", ran: true });
    expect(received).toEqual(["b", "here"]);
  });
});

describe("a step of which nobody knows whether it happened (E15)", () => {
  const lose = (options = {}): Promise<unknown> =>
    step("a", "pay", lostAnswer("paid"), { input: { amount: 3 }, ...options }).catch((error) => error);

  test("is parked with one alarm, listed, and not run again", async () => {
    expect(await lose()).toMatchObject({ code: "step-unknown", details: { key: "a" }, cause: expect.any(TypeError) });
    for (const where of ["here", "elsewhere"] as const) {
      await restart(where);
      const { chain } = run.instance.context;
      const { seq } = chain.head!;
      expect(await lose()).toMatchObject({ code: "step-unknown" });
      expect(chain.head!.seq).toBe(seq);
      expect(await run.steps.unknown()).toMatchObject([{ key: "a", input: { amount: 3 }, parked: true }]);
    }
    expect(received).toEqual(["paid"]);
  });

  test("is so after a kill while it was under way", async () => {
    void run.steps.run("a", "pay", () => {
      received.push("paid");
      return world.clock.sleep(1_000);
    });
    await world.clock.pass(500);
    expect(received).toEqual(["paid"]);
    await restart("elsewhere");
    expect(await run.steps.unknown()).toMatchObject([{ key: "a", state: "unknown", parked: false }]);
    expect(await lose()).toMatchObject({ code: "step-unknown" });
    expect(received).toEqual(["paid"]);
  });

  test("is done where verify, asking the receiver, finds it done (E13), at once or in the next run", async () => {
    const verify = () => ({ status: "done", result: "receipt 7" }) as const;
    expect(await lose({ verify })).toEqual({ status: "done", result: "receipt 7", ran: true });
    await step("b", "pay", lostAnswer("b")).catch(() => {});
    await restart();
    const found = { status: "done", result: "receipt 7", ran: false };
    expect(await step("b", "pay", lostAnswer("b"), { verify })).toEqual(found);
    expect(received).toEqual(["paid", "b"]);
  });

  test("is run again where verify says that it did not happen", async () => {
    const refuse = () => {
      throw new TypeError("connection refused");
    };
    const verify = () => ({ status: "not-done", reason: "the service knows nothing of it" }) as const;
    await expect(step("a", "pay", refuse, { verify })).rejects.toThrow("connection refused");
    expect((await run.steps.get("a"))!.state).toBe("not-done");
    expect(await step("a", "pay", effect("paid"))).toMatchObject({ status: "done", ran: true });
    expect((await run.steps.get("a"))!.attempts).toBe(2);
  });

  test("stays parked where verify cannot say, or fails itself", async () => {
    expect(await lose({ verify: () => ({ status: "unknown" }) })).toMatchObject({ code: "step-unknown" });
    const verify = () => {
      throw new RangeError("no such address");
    };
    expect(await lose({ verify })).toMatchObject({ code: "step-unknown", cause: expect.any(RangeError) });
    expect(received).toEqual(["paid"]);
  });

  test("is tried again where the receiver minds the key", async () => {
    expect(await lose({ repeatable: true })).toBeInstanceOf(TypeError);
    await restart("elsewhere");
    const seen: number[] = [];
    const note = async ({ attempt }: { attempt: number }) => {
      seen.push(attempt);
    };
    expect(await step("a", "pay", note, { repeatable: true })).toMatchObject({ status: "done" });
    expect(seen).toEqual([2]);
  });

  test("is settled by whoever found out", async () => {
    await lose();
    await inTime(run.steps.settle("a", { status: "done", result: "receipt 9" }));
    expect(await lose()).toEqual({ status: "done", result: "receipt 9", ran: false });
    await expect(run.steps.settle("a", { status: "done" })).rejects.toMatchObject({ code: "usage" });
    await expect(run.steps.settle("nothing", { status: "done" })).rejects.toMatchObject({ code: "usage" });
    expect(received).toEqual(["paid"]);
  });
});

describe("what a step refuses", () => {
  test.each([
    ["", "x"],
    ["a b", "x"],
    ["a".repeat(129), "x"],
    ["a", ""],
  ])("the key %j with the name %j", async (key, name) => {
    await expect(step(key, name, effect("x"))).rejects.toMatchObject({ code: "step-key" });
    expect(received).toEqual([]);
  });

  test("a key that names another step", async () => {
    await step("a", "pay", effect("x"));
    await expect(step("a", "greet", effect("y"))).rejects.toMatchObject({ code: "step-key" });
    expect(received).toEqual(["x"]);
  });

  test.each([[{ x: 1.5 }], [{ x: null }], [{ x: "long".repeat(5_000) }]])(
    "input that cannot be kept",
    async (input) => {
      const refused = step("a", "x", effect("x"), { input: input as never });
      await expect(refused).rejects.toMatchObject({ code: "step-input" });
      expect(received).toEqual([]);
    },
  );

  test("a result that cannot be kept, after the step is recorded as done", async () => {
    const big = () => {
      received.push("big");
      return "long".repeat(5_000);
    };
    await expect(step("a", "x", big)).rejects.toMatchObject({ code: "step-result" });
    await restart();
    expect(await step("a", "x", big)).toEqual({ status: "done", result: undefined, ran: false });
    expect(received).toEqual(["big"]);
  });

  test("to go on where the chain tells of steps that the vault cannot open", async () => {
    await inTime(run.publisher.publish([{ kind: "ants.step", body: { enc: "AAAA", k: "not-this-key" } }]));
    await expect(step("a", "x", effect("x"))).rejects.toMatchObject({ code: "step-unreadable" });
    expect(received).toEqual([]);
  });
});
