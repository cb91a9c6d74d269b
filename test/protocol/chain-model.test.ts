import fc from "fast-check";
import { expect, it } from "vitest";
import type { ChainEvent } from "../../src/protocol/chain.js";
import { MAX_EPOCH_LEAP } from "../../src/protocol/limits.js";
import { ChainTree, keyView } from "./chain-tree.js";

/** What a relay remembers, as plainly as it can be written down. */
interface Model {
  readonly stored: ChainEvent[];
  head: ChainEvent | undefined;
  promised: number;
}

const KNOWN_KEY = "k0";

/** The table of protocol.md, "The chain rule", row by row; the first match answers. */
function answer({ stored, head, promised }: Model, stated: number, event: ChainEvent): string {
  const { id, epoch, seq, claim } = event;
  const prev = stored.find((each) => each.id === event.prev && each.seq === seq - 1);
  const floor = prev?.epoch ?? 0;
  const isOrdered = claim ? epoch > floor && epoch <= floor + MAX_EPOCH_LEAP : epoch === floor;
  const isKnown = stored.some((each) => each.id === id);
  const isTaken = stored.some((each) => each.id !== id && each.epoch === epoch && each.seq === seq);
  const follows = head !== undefined && event.prev === head.id && epoch === head.epoch;
  const rises = claim && epoch > (head?.epoch ?? 0);
  const rows: [boolean, string][] = [
    [stated < promised, "fenced"],
    [event.key !== KNOWN_KEY, "identity-needed"],
    [isKnown && epoch === stated && !pathTo(stored, head).includes(id), "superseded"],
    [isKnown, "duplicate"],
    [prev === undefined && !(seq === 0 && claim), "gap"],
    [epoch > stated || !isOrdered, "epoch-order"],
    [isTaken && epoch === stated, "fork"],
    [follows || rises, "store, the head moves"],
    [epoch < stated, "store, the head stays"],
    [true, "fork"],
  ];
  return rows.find(([applies]) => applies)![1];
}

function pathTo(stored: readonly ChainEvent[], head: ChainEvent | undefined): string[] {
  const path: string[] = [];
  for (let at = head; at !== undefined; at = stored.find(({ id }) => id === at?.prev)) path.push(at.id);
  return path;
}

const step = fc.record({
  /** Which event is continued, of all that were ever made. */
  parent: fc.nat(),
  /** How far the epoch is above the parent's. */
  up: fc.constantFrom(0, 0, 0, 1, 1, 2, 5, MAX_EPOCH_LEAP, MAX_EPOCH_LEAP + 1),
  /** The stated epoch, as it lies to the event's. */
  stated: fc.constantFrom("mirror" as const, 0, 0, 0, 1, 3, -1, -3),
  what: fc.constantFrom("new", "new", "new", "again", "again", "orphan", "twin", "wrong claim", "stranger", "begin"),
  /** Promises that are given meanwhile; -1: those of a key that was rotated away no longer count. */
  promise: fc.constantFrom(0, 0, 0, 0, 1, 3, -1, -1),
});

it("the chain rule answers as its table does, whatever came before", () => {
  const answers = new Map<string, number>();
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 50 }), (steps) => {
      const tree = new ChainTree(keyView([[KNOWN_KEY]]));
      const model: Model = { stored: [], head: undefined, promised: 0 };
      const made: ChainEvent[] = [{ epoch: 1, seq: 0, id: "first", key: KNOWN_KEY, claim: true }];
      for (const [i, { parent, up, stated, what, promise }] of steps.entries()) {
        const from = made[parent % made.length]!;
        const next: ChainEvent = {
          epoch: from.epoch + up,
          seq: from.seq + 1,
          id: what === "twin" ? `twin ${i}` : `${from.id} ${up}`,
          prev: what === "orphan" ? "nowhere" : from.id,
          key: what === "stranger" ? "k9" : KNOWN_KEY,
          claim: what === "wrong claim" ? up === 0 : up > 0,
        };
        const event = what === "again" || i === 0 ? from : what === "begin" ? { ...made[0]!, id: `begin ${i}` } : next;
        if (!made.some(({ id }) => id === event.id)) made.push(event);
        const inEpoch = stated === "mirror" ? Number.POSITIVE_INFINITY : Math.max(1, event.epoch + stated);

        const expected = answer(model, inEpoch, event);
        const verdict = tree.take(inEpoch, event);
        const got =
          verdict.kind === "refuse"
            ? verdict.code
            : verdict.kind === "store"
              ? `store, the head ${verdict.movesHead ? "moves" : "stays"}`
              : verdict.kind;
        expect(got, JSON.stringify({ event, inEpoch })).toBe(expected);
        answers.set(got, (answers.get(got) ?? 0) + 1);
        if (expected.startsWith("store")) {
          model.stored.push(event);
          if (expected === "store, the head moves") model.head = event;
          if (event.claim) model.promised = Math.max(model.promised, event.epoch);
        }
        model.promised = promise < 0 ? 0 : model.promised + promise;
        tree.promised = model.promised;
        expect(tree.head?.id).toBe(model.head?.id);
      }
    }),
    { numRuns: 2_000 },
  );
  // A model that never meets a row says nothing about it.
  for (const each of ["fenced", "identity-needed", "superseded", "duplicate", "gap", "epoch-order", "fork"]) {
    expect(answers.get(each), each).toBeGreaterThan(10);
  }
  expect(answers.get("store, the head moves")).toBeGreaterThan(500);
  expect(answers.get("store, the head stays")).toBeGreaterThan(100);
});
