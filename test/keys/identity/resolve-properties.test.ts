import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import { OperationSet } from "../../../keys/identity/operation-set.js";
import { type Resolution, resolveHeld, resolveIdentity, resolveSet } from "../../../keys/identity/resolve.js";
import { deactivate, genesis, rotate, update } from "./agent.js";

/**
 * Random families of operations, and an oracle that answers from the rules' wording with no regard for speed: it looks
 * for ancestors and knowledge by walking, head against head.
 */
const born = genesis();

type Step =
  | { readonly op: "update"; readonly parent: number; readonly over: readonly number[] }
  | { readonly op: "rotate" | "deactivate"; readonly parent: number };

const parent = fc.nat(11);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ op: fc.constant("update" as const), parent, over: fc.constant([]) }) },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant("update" as const), parent, over: fc.array(parent, { maxLength: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("rotate" as const), parent }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("deactivate" as const), parent }) },
);
const updates = step.filter(({ op }) => op === "update");
const family = fc.array(step, { minLength: 1, maxLength: 9 }).map(raise);
const contest = fc.array(updates, { minLength: 3, maxLength: 10 }).map(raise);

/** Real operations for the steps; a step that no author could take (after a deactivate, over itself) is left out. */
function raise(steps: readonly Step[]): ParsedOperation[] {
  const log = [born];
  for (const [i, step] of steps.entries()) {
    const above = log[step.parent % log.length]!;
    if (above.op.op === "deactivate") continue;
    const era = ancestors(above, log).filter(({ op }) => op.op === "rotate").length;
    const letter = ["", "b", "c"][i % 3]!;
    if (step.op === "rotate" && era < 8) log.push(rotate(above, era, { letter }));
    if (step.op === "deactivate") log.push(deactivate(above, era));
    if (step.op !== "update") continue;
    const path = new Set(ancestors(above, log));
    const over = [...new Set(step.over.map((n) => log[n % log.length]!))].filter((head) => !path.has(head));
    log.push(update(above, over.length > 0 ? { over } : {}));
  }
  return log;
}

/** The operation and all before it. */
function ancestors(operation: ParsedOperation, log: readonly ParsedOperation[]): ParsedOperation[] {
  const above = log.find(({ hash }) => hash === operation.op.prev);
  return above === undefined ? [operation] : [operation, ...ancestors(above, log)];
}

/** Everything that an operation's author shows to have known, by `prev` and `over`. */
function known(operation: ParsedOperation, log: readonly ParsedOperation[]): Set<ParsedOperation> {
  const links = [operation.op.prev, ...(operation.op.over ?? [])];
  const next = log.filter(({ hash }) => links.includes(hash));
  return new Set([operation, ...next.flatMap((one) => [...known(one, log)])]);
}

function oracle(log: readonly ParsedOperation[], pinned?: ParsedOperation): { status: string; head?: ParsedOperation } {
  const isAfter = (one: ParsedOperation, other: ParsedOperation) => ancestors(one, log).includes(other);
  let opening = born;
  for (;;) {
    const inEra = log.filter(
      (one) => one.op.op === "update" && isAfter(one, opening) && openingOf(one, log) === opening,
    );
    const rivals = log.filter(
      ({ op }) =>
        (op.op === "rotate" || op.op === "deactivate") && [opening, ...inEra].some(({ hash }) => hash === op.prev),
    );
    if (rivals.length === 0) return settle([opening, ...inEra]);
    const chosen = rivals.length === 1 ? rivals[0] : rivals.find((rival) => pinned && isAfter(pinned, rival));
    if (chosen === undefined) return { status: "conflicted" };
    if (chosen.op.op === "deactivate") return { status: "deactivated", head: chosen };
    opening = chosen;
  }
}

function openingOf(operation: ParsedOperation, log: readonly ParsedOperation[]): ParsedOperation {
  return ancestors(operation, log).find(({ op }) => op.op !== "update")!;
}

function settle(era: readonly ParsedOperation[]): { status: string; head?: ParsedOperation } {
  const heads = era.filter(({ hash }) => !era.some(({ op }) => op.prev === hash));
  const beats = (one: ParsedOperation, other: ParsedOperation) =>
    [...known(one, era)].some(
      (settlement) =>
        !known(other, era).has(settlement) &&
        ancestors(other, era).some(({ hash }) => settlement.op.over?.includes(hash)),
    );
  const winner = heads.find((one) =>
    heads.every((other) => one === other || (beats(one, other) && !beats(other, one))),
  );
  return winner === undefined ? { status: "contested" } : { status: "verified", head: winner };
}

function verdict(resolution: Resolution): unknown {
  if (resolution.status === "not-found") return resolution.status;
  if (resolution.status === "conflicted") return resolution.rivals;
  const { head, sides, operations } = resolution.state;
  const branches = resolution.status === "contested" ? resolution.branches : [];
  return [resolution.status, head.hash, branches, sides.map(({ hash }) => hash), operations.length];
}

describe.each([
  ["families of all kinds", family],
  ["contests of many branches", contest],
])("in %s", (_, families) => {
  test("the order of arrival makes no difference, pinned or not", () => {
    const shuffled = families.chain((log) =>
      fc.record({
        log: fc.constant(log),
        order: fc.shuffledSubarray(log, { minLength: log.length }),
        pin: fc.option(fc.nat(log.length - 1)),
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ log, order, pin }) => {
        const options = pin === null ? {} : { pinned: log[pin]!.hash };
        expect(verdict(resolveIdentity(born.did, order, options))).toEqual(
          verdict(resolveIdentity(born.did, log, options)),
        );
      }),
      { numRuns: 200 },
    );
  });

  test("the outcome is what the rules say, walked through by hand", () => {
    const withPin = families.chain((log) => fc.tuple(fc.constant(log), fc.option(fc.constantFrom(...log))));
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(withPin, ([log, pin]) => {
        const expected = oracle(log, pin ?? undefined);
        const actual = resolveIdentity(born.did, log, pin === null ? {} : { pinned: pin.hash });
        seen.set(actual.status, (seen.get(actual.status) ?? 0) + 1);
        expect(actual.status).toBe(expected.status);
        if (expected.head && "state" in actual) expect(actual.state.head.hash).toBe(expected.head.hash);
      }),
      { numRuns: 500 },
    );
    // The families are mixed enough to mean something.
    expect(seen.get("contested")).toBeGreaterThan(20);
    expect(seen.get("verified")).toBeGreaterThan(20);
  });

  test("a keeper that takes what it held first says what the whole resolution says, however far the set has grown", () => {
    fc.assert(
      fc.property(families, (log) => {
        const set = new OperationSet(born.did);
        for (const operation of log) {
          set.add(operation);
          const arrived = set.operations().map(({ hash }) => hash);
          const firstHeld = (rivals: readonly string[]) => arrived.find((hash) => rivals.includes(hash));
          const whole = resolveSet(set, { firstHeld });
          const held = resolveHeld(set);
          expect(held?.status).toBe(whole.status === "not-found" ? undefined : whole.status);
          if ("state" in whole) expect(held?.head.operation.hash).toBe(whole.state.head.hash);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a resolution stays what it was when the set grows on", () => {
    const grown = families.chain((log) => fc.tuple(fc.constant(log), fc.nat(log.length)));
    fc.assert(
      fc.property(grown, ([log, size]) => {
        const set = new OperationSet(born.did, log.slice(0, size));
        const early = resolveSet(set);
        for (const operation of log) set.add(operation);
        expect(verdict(early)).toEqual(verdict(resolveIdentity(born.did, log.slice(0, size))));
      }),
      { numRuns: 200 },
    );
  });

  test("during a contest the state is one that was verified before: the pin, or what all branches share", () => {
    const withPin = families.chain((log) => fc.tuple(fc.constant(log), fc.constantFrom(...log)));
    fc.assert(
      fc.property(withPin, ([log, pin]) => {
        const resolution = resolveIdentity(born.did, log, { pinned: pin.hash });
        if (resolution.status !== "contested") return;
        const { head } = resolution.state;
        const heads = log.filter(({ hash }) => resolution.branches.includes(hash));
        const shared = heads.map((one) => ancestors(one, log)).reduce((a, b) => a.filter((one) => b.includes(one)))[0]!;
        expect(heads.length).toBeGreaterThan(1);
        expect(head.hash).toBe(ancestors(pin, log).includes(shared) ? pin.hash : shared.hash);
      }),
      { numRuns: 200 },
    );
  });

  test("more operations never turn a rotated identity back into an earlier era's", () => {
    const grown = families.chain((log) => fc.tuple(fc.constant(log), fc.nat(log.length)));
    fc.assert(
      fc.property(grown, ([log, size]) => {
        const before = resolveIdentity(born.did, log.slice(0, size));
        if (before.status !== "verified") return;
        const after = resolveIdentity(born.did, log, { pinned: before.state.head.hash });
        if (after.status !== "conflicted" && after.status !== "not-found") {
          expect(after.state.era).toBeGreaterThanOrEqual(before.state.era);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("a set of five thousand operations", () => {
  const siblings = Array.from({ length: 2_500 }, () => update(born));
  const timed = (log: readonly ParsedOperation[]) => {
    const before = process.cpuUsage();
    const resolution = resolveIdentity(born.did, log);
    // Of the processor, since others may be using the machine.
    return { resolution, ms: process.cpuUsage(before).user / 1_000 };
  };

  test("is resolved in less than a second when all of them clash", () => {
    const { resolution, ms } = timed([born, ...siblings, ...siblings.map((sibling) => update(sibling))]);
    if (resolution.status !== "contested") throw new Error(`expected a contest, got ${resolution.status}`);
    expect(resolution.branches).toHaveLength(2_500);
    expect(ms).toBeLessThan(1_000);
  });

  test("and when each branch settles another", () => {
    const settling = siblings.map((sibling, i) => update(sibling, { over: [siblings[(i + 1) % siblings.length]!] }));
    const { resolution, ms } = timed([born, ...siblings, ...settling]);
    expect(resolution.status).toBe("contested");
    expect(ms).toBeLessThan(1_000);
  });

  test("and when each branch settles all before it", () => {
    const settling: ParsedOperation[] = [];
    for (const [i, sibling] of siblings.entries()) {
      const before = [...siblings.slice(Math.max(0, i - 15), i), ...settling.slice(-1)];
      settling.push(before.length === 0 ? update(sibling) : update(sibling, { over: before }));
    }
    const { resolution, ms } = timed([born, ...siblings, ...settling]);
    expect(resolution.status).toBe("verified");
    expect(ms).toBeLessThan(1_000);
  });
});
