import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ChainEvent, compareHeads, judge } from "../../src/protocol/chain.js";
import { MAX_EPOCH_LEAP } from "../../src/protocol/limits.js";
import { ChainTree, keyView } from "./chain-tree.js";

const MIRROR = Number.POSITIVE_INFINITY;

/** An event named by its epoch, seq and a letter: "3.41b" follows `prev`. */
function event(name: string, prev?: ChainEvent, more: Partial<ChainEvent> = {}): ChainEvent {
  const [, epoch, seq] = /^(\d+)\.(\d+)/.exec(name)!;
  const claim = prev === undefined || Number(epoch) > prev.epoch;
  const links = prev === undefined ? {} : { prev: prev.id };
  return { epoch: Number(epoch), seq: Number(seq), id: name, key: "k0", claim, ...links, ...more };
}

/** A tree that holds claim 1.0 and the events 1.1 and 1.2; its head is 1.2. */
function threeEvents() {
  const tree = new ChainTree(keyView([["k0"]]));
  const c0 = event("1.0");
  const e1 = event("1.1", c0);
  const e2 = event("1.2", e1);
  for (const each of [c0, e1, e2]) expect(tree.take(1, each)).toEqual({ kind: "store", movesHead: true });
  return { tree, c0, e1, e2 };
}

const code = (tree: ChainTree, stated: number, each: ChainEvent) => {
  const verdict = tree.take(stated, each);
  return verdict.kind === "refuse"
    ? verdict.code
    : verdict.kind === "store"
      ? `store ${verdict.movesHead}`
      : verdict.kind;
};

describe("the chain rule, row by row", () => {
  it("fences a frame whose stated epoch is below the promised one, before everything else", () => {
    const { tree, e2 } = threeEvents();
    tree.promised = 2;
    expect(code(tree, 1, e2)).toBe("fenced");
    expect(code(tree, 1, event("1.3", e2, { key: "stranger" }))).toBe("fenced");
    expect(code(tree, 2, e2)).toBe("duplicate");
  });

  it("asks for the identity log of a key it has never heard of", () => {
    const { tree, e2 } = threeEvents();
    expect(code(tree, 1, event("1.3", e2, { key: "stranger" }))).toBe("identity-needed");
  });

  it("refuses everything of a deactivated DID", () => {
    const { tree, e2 } = threeEvents();
    tree.keys = keyView([["k0"]], [], true);
    expect(code(tree, 1, event("1.3", e2))).toBe("key-not-live");
    expect(code(tree, 1, e2)).toBe("key-not-live");
  });

  it("knows a stored event by its id, and asks of a crowded place for one rival only", () => {
    const { tree, c0, e1 } = threeEvents();
    tree.take(2, event("2.2", e1));
    for (let i = 0; i < 50; i++) tree.take(2, event("1.1", c0, { id: `1.1#${i}` }));
    const limits: number[] = [];
    const view = Object.create(tree, {
      idsAt: {
        value: (epoch: number, seq: number, limit: number) => {
          limits.push(limit);
          return tree.idsAt(epoch, seq).slice(0, limit);
        },
      },
    }) as ChainTree;
    expect(judge(view, 2, event("1.1", c0, { id: "1.1#49" }))).toEqual({ kind: "duplicate" });
    expect(limits).toEqual([]);
    expect(judge(view, 2, event("1.1", c0, { id: "1.1#50" }))).toMatchObject({ kind: "store", forkOf: e1.id });
    expect(limits).toEqual([1]);
  });

  it("answers a stored event as a duplicate, and as superseded when its own epoch left it behind", () => {
    const { tree, c0, e1, e2 } = threeEvents();
    expect(code(tree, 1, e1)).toBe("duplicate");
    tree.take(2, event("2.1", c0));
    expect(code(tree, MIRROR, e2)).toBe("duplicate");
    tree.promised = 0;
    expect(code(tree, 1, e2)).toBe("superseded");
  });

  it("reports a gap where the predecessor is missing, and where seq 0 is no claim", () => {
    const { tree } = threeEvents();
    expect(code(tree, 1, event("1.5", { ...event("1.4"), id: "unknown" }))).toBe("gap");
    expect(code(new ChainTree(keyView([["k0"]])), 1, event("1.0", undefined, { claim: false }))).toBe("gap");
  });

  it("refuses a second event at one epoch and seq from a writer of that epoch, and names the one that is there", () => {
    const { tree, e1 } = threeEvents();
    expect(tree.take(1, event("1.2x", e1))).toMatchObject({ kind: "refuse", code: "fork", forkOf: "1.2" });
    expect(tree.events).toHaveLength(3);
  });

  it("stores a second event at one epoch and seq from a backfill, as proof of the fork, and leaves the head", () => {
    const { tree, e1 } = threeEvents();
    expect(tree.take(2, event("1.2x", e1))).toEqual({ kind: "store", movesHead: false, forkOf: "1.2" });
    expect(tree.head?.id).toBe("1.2");
  });

  it("moves the head to its successor in the same epoch", () => {
    const { tree, e2 } = threeEvents();
    expect(code(tree, 1, event("1.3", e2))).toBe("store true");
  });

  it("moves the head to a claim of a higher epoch anywhere in the tree; what is off the path is superseded", () => {
    const { tree, c0, e1, e2 } = threeEvents();
    expect(code(tree, 2, event("2.1", c0))).toBe("store true");
    expect(tree.chain().map(({ id }) => id)).toEqual(["2.1", "1.0"]);
    expect(tree.onChain(e1.id)).toBe(false);
    expect(code(tree, 3, event("3.3", e2))).toBe("store true");
    expect(tree.chain().map(({ id }) => id)).toEqual(["3.3", "1.2", "1.1", "1.0"]);
  });

  it("stores backfill of an older epoch below the head without moving it, so that somebody can always claim", () => {
    const { tree, e2 } = threeEvents();
    tree.take(3, event("3.3", e2));
    expect(code(tree, 3, event("1.3", e2))).toBe("store false");
    expect(code(tree, 3, event("2.3", e2))).toBe("store false");
    expect(tree.head?.id).toBe("3.3");
  });

  it("calls anything else a fork: an event of the stated epoch that does not continue the chain", () => {
    const { tree, c0, e1 } = threeEvents();
    expect(code(tree, 2, event("2.1", c0))).toBe("store true");
    tree.promised = 0;
    const side = event("1.3", { ...e1, id: "1.2", seq: 2 });
    expect(code(tree, 1, side)).toBe("fork");
  });

  it("keeps epochs in order: never above the stated one, a claim above its predecessor's by at most 2^20", () => {
    const { tree, e2 } = threeEvents();
    expect(code(tree, 1, event("2.3", e2))).toBe("epoch-order");
    expect(code(tree, 9, event("2.3", e2, { claim: false }))).toBe("epoch-order");
    expect(code(tree, 9, event("1.3", e2, { claim: true }))).toBe("epoch-order");
    const far = 1 + MAX_EPOCH_LEAP;
    expect(code(tree, MIRROR, event(`${far + 1}.3`, e2))).toBe("epoch-order");
    expect(code(tree, MIRROR, event(`${far}.3`, e2))).toBe("store true");
  });
});

describe("the chain rule after a rotate", () => {
  it("voids what the retired key wrote beyond the anchor, and goes on from the anchor", () => {
    const { tree, e1, e2 } = threeEvents();
    tree.take(500, event("500.3", e2));
    tree.rotate(keyView([["k0"], ["k1"]], [{ epoch: 1, seq: 1, id: "1.1" }]));
    expect(tree.head?.id).toBe("1.1");
    expect(code(tree, 501, event("501.4", { ...e2, id: "500.3", seq: 3, epoch: 500 }))).toBe("key-not-live");
    expect(code(tree, 2, event("2.2", e1, { key: "k1" }))).toBe("store true");
    expect(tree.chain().map(({ id }) => id)).toEqual(["2.2", "1.1", "1.0"]);
  });

  it("takes the new key's events only behind the anchor", () => {
    const { tree, c0, e2 } = threeEvents();
    tree.rotate(keyView([["k0"], ["k1"]], [{ epoch: 1, seq: 1, id: "1.1" }]));
    expect(code(tree, 2, event("2.1", c0, { key: "k1" }))).toBe("key-not-live");
    expect(code(tree, 2, event("2.3", e2, { key: "k1" }))).toBe("key-not-live");
    expect(code(tree, 2, event("2.0", undefined, { key: "k1" }))).toBe("key-not-live");
  });

  it("takes the ancestors of an anchor that is not there yet, and leaves a wrong branch when it arrives", () => {
    const tree = new ChainTree(keyView([["k0"]]));
    const c0 = event("1.0");
    const wrong = event("1.1w", c0);
    tree.take(1, c0);
    tree.take(1, wrong);
    tree.rotate(keyView([["k0"], ["k1"]], [{ epoch: 2, seq: 2, id: "2.2" }]));
    expect(tree.head?.id).toBe("1.1w");
    const c1 = event("2.1", c0);
    expect(code(tree, MIRROR, c1)).toBe("store true");
    expect(code(tree, MIRROR, event("2.2", c1))).toBe("store true");
    expect(tree.head?.id).toBe("2.2");
    expect(code(tree, MIRROR, event("1.2w", wrong))).toBe("key-not-live");
  });

  it("begins anew at seq 0 where the rotate named no anchor", () => {
    const { tree } = threeEvents();
    tree.rotate(keyView([["k0"], ["k1"]], [undefined]));
    expect(tree.head).toBeUndefined();
    expect(code(tree, 2, event("2.0", undefined, { key: "k1" }))).toBe("store true");
    expect(tree.chain().map(({ id }) => id)).toEqual(["2.0"]);
  });
});

describe("the chain rule over random histories", () => {
  const step = fc.record({
    parent: fc.nat(),
    claimBy: fc.integer({ min: 0, max: 3 }),
    stated: fc.oneof(fc.constant(MIRROR), fc.integer({ min: 1, max: 12 })),
    twin: fc.boolean(),
    again: fc.integer({ min: 0, max: 5 }),
  });

  it("never lets the head go back, keeps one path, and answers a second time as it must", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tree = new ChainTree(keyView([["k0"]]));
        const made: ChainEvent[] = [event("1.0")];
        tree.take(1, made[0]!);
        for (const [i, { parent, claimBy, stated, twin, again }] of steps.entries()) {
          const from = made[parent % made.length]!;
          const epoch = from.epoch + claimBy;
          const next = event(`${epoch}.${from.seq + 1}${twin ? `t${i}` : "a"}`, from);
          const unique = made.some(({ id }) => id === next.id) ? { ...next, id: `${next.id}#${i}` } : next;
          const sent = again === 0 ? from : unique;
          const before = { head: tree.head!, stored: tree.events.length, promised: tree.promised };
          const known = tree.find(sent.id) !== undefined;
          const verdict = tree.take(stated, sent);
          if (again !== 0) made.push(unique);

          expect(compareHeads(tree.keys, tree.head!, before.head)).toBeGreaterThanOrEqual(0);
          expect(tree.events.length).toBe(before.stored + (verdict.kind === "store" ? 1 : 0));
          expect(new Set(tree.events.map(({ id }) => id)).size).toBe(tree.events.length);
          expect(tree.chain().map(({ seq }) => seq)).toEqual(tree.chain().map((_, k, all) => all.length - 1 - k));
          if (stated < before.promised) expect(verdict).toMatchObject({ code: "fenced" });
          else if (known) expect(["duplicate", "refuse"]).toContain(verdict.kind);
          if (verdict.kind === "store") expect(tree.take(MIRROR, sent)).toEqual({ kind: "duplicate" });
        }
      }),
      { numRuns: 500 },
    );
  });

  it("gives the same tree, whatever the order in which a mirror hears of it", () => {
    const history = fc.array(fc.record({ parent: fc.nat(), claimBy: fc.integer({ min: 0, max: 2 }) }), {
      maxLength: 25,
    });
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat()), (steps, order) => {
        const made: ChainEvent[] = [event("1.0")];
        for (const [i, { parent, claimBy }] of steps.entries()) {
          const from = made[parent % made.length]!;
          made.push({ ...event(`${from.epoch + claimBy}.${from.seq + 1}`, from), id: `e${i}` });
        }
        const tree = new ChainTree(keyView([["k0"]]));
        const waiting = [...made];
        for (let tries = 0; waiting.length > 0 && tries < 5_000; tries++) {
          const [next] = waiting.splice(order.next().value! % waiting.length, 1);
          if (tree.take(MIRROR, next!).kind === "refuse") waiting.push(next!);
        }
        expect(new Set(tree.events.map(({ id }) => id))).toEqual(new Set(made.map(({ id }) => id)));
      }),
      { numRuns: 200 },
    );
  });
});
