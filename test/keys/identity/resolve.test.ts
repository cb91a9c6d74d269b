import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../../keys/bytes.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { recoveryCommitment } from "../../../keys/identity/commitment.js";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import { type Resolution, type ResolveOptions, resolveIdentity } from "../../../keys/identity/resolve.js";
import { cpuMs } from "../../support/cpu-time.js";
import { codeOf } from "../code-of.js";
import { altered, anchor, deactivate, genesis, keyOf, relay, rotate, secret, signOperation, update } from "./agent.js";

let born: ParsedOperation;
beforeAll(() => {
  born = genesis();
});

/** The part of a resolution that says who won. */
function verdict(resolution: Resolution): Record<string, unknown> {
  const { status } = resolution;
  if (status === "not-found") return { status };
  if (status === "conflicted") return { status, rivals: resolution.rivals };
  const head = resolution.state.head.hash;
  return status === "contested" ? { status, head, branches: resolution.branches } : { status, head };
}

/** Resolves in every order (a hundred random ones where there are too many) and expects one and the same answer. */
function resolveInEveryOrder(operations: readonly ParsedOperation[], options: ResolveOptions = {}): Resolution {
  const first = resolveIdentity(born.did, operations, options);
  const check = (order: readonly ParsedOperation[]) => {
    const again = resolveIdentity(born.did, order, options);
    expect(verdict(again)).toEqual(verdict(first));
    if ("state" in again && "state" in first) expect(hashes(again.state.sides)).toEqual(hashes(first.state.sides));
  };
  if (operations.length <= 6) {
    for (const order of permutations(operations)) check(order);
  } else {
    const orders = fc.shuffledSubarray([...operations], { minLength: operations.length });
    fc.assert(fc.property(orders, check), { numRuns: 100 });
  }
  return first;
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [i, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(i, 1))) yield [item, ...rest];
  }
}

function hashes(operations: readonly ParsedOperation[]): string[] {
  return operations.map(({ hash }) => hash);
}

function sorted(...operations: readonly ParsedOperation[]): string[] {
  return hashes(operations).sort();
}

function grow(parent: ParsedOperation, count: number, relayName: string): ParsedOperation[] {
  const branch: ParsedOperation[] = [];
  for (let i = 0; i < count; i++) {
    branch.push(update(branch.at(-1) ?? parent, { changes: { relays: [relay(`${relayName}${i}`)] } }));
  }
  return branch;
}

describe("without a clash", () => {
  test("the last of the log speaks for the agent", () => {
    const log = [born, ...grow(born, 3, "r")];
    const resolution = resolveInEveryOrder(log);
    expect(verdict(resolution)).toEqual({ status: "verified", head: log[3]!.hash });
    expect(resolution).toMatchObject({ did: born.did, state: { operations: log, era: 0, sides: [] } });
  });

  test("lines and strings do as well as parsed operations; what is invalid or foreign is ignored", () => {
    const log = [born, ...grow(born, 2, "r")];
    const foreign = genesis({ handles: ["foreign.example.com"] });
    const lines = [
      utf8("garbage"),
      foreign.line,
      log[2]!.line,
      "{}",
      fromUtf8(log[1]!.line),
      update(foreign),
      log[0]!.line,
    ];
    expect(verdict(resolveIdentity(born.did, lines))).toEqual({ status: "verified", head: log[2]!.hash });
  });

  test("a hole in the log hides what is beyond it", () => {
    const log = [born, ...grow(born, 3, "r")];
    expect(verdict(resolveIdentity(born.did, log.toSpliced(2, 1)))).toEqual({ status: "verified", head: log[1]!.hash });
  });

  test("without the genesis nothing is found, whatever else is there", () => {
    expect(resolveIdentity(born.did, [update(born)])).toEqual({ status: "not-found", did: born.did });
    expect(resolveIdentity(born.did, [])).toEqual({ status: "not-found", did: born.did });
    expect(codeOf(() => resolveIdentity("did:ants:nobody", []))).toBe("did-syntax");
  });

  test("a set without the operation that was pinned is no basis for an answer", () => {
    const next = update(born);
    expect(codeOf(() => resolveIdentity(born.did, [born], { pinned: next.hash }))).toBe("identity-pin-missing");
  });
});

describe("a thief with the hot key", () => {
  test("who renames the relays a hundred times loses to the owner's rotate, in every order", () => {
    const own = update(born);
    const stolen = grow(own, 100, "thief");
    const rescue = rotate(own, 0, { anchor: anchor(3, 41) });
    const resolution = resolveInEveryOrder([born, own, ...stolen, rescue]);
    expect(verdict(resolution)).toEqual({ status: "verified", head: rescue.hash });
    expect(resolution).toMatchObject({ state: { operations: [born, own, rescue], sides: stolen } });
  });

  test("loses on every relay that saw the rotate and its ancestors, whatever else it saw", () => {
    const own = update(born);
    const stolen = grow(own, 20, "thief");
    const rescue = rotate(own, 0);
    fc.assert(
      fc.property(fc.shuffledSubarray(stolen), (seen) => {
        const resolution = resolveIdentity(born.did, [...seen, rescue, own, born]);
        expect(verdict(resolution)).toEqual({ status: "verified", head: rescue.hash });
      }),
    );
  });

  test("loses also to verifiers who had pinned the thief's state, and when the rotate builds on it", () => {
    const stolen = grow(born, 10, "thief");
    const pinned = stolen.at(-1)!.hash;
    for (const parent of [born, stolen[4]!, stolen[9]!]) {
      const rescue = rotate(parent, 0);
      const resolution = resolveInEveryOrder([born, ...stolen, rescue], { pinned });
      expect(verdict(resolution)).toEqual({ status: "verified", head: rescue.hash });
    }
  });

  test("gains nothing by settling contests, by updates beside the rotate, or by going on after it", () => {
    const rescue = rotate(born, 0);
    const aside = update(born, { over: [rescue] });
    const after = signOperation(altered(update(born), { n: 2, prev: rescue.hash }), ["hot 0"]);
    const log = [born, rescue, aside, after, update(aside)];
    expect(verdict(resolveInEveryOrder(log))).toEqual({ status: "verified", head: rescue.hash });
  });

  test("who copies commitment and escrow key into a genesis of their own is not found as the victim", () => {
    const victimsKey = publicKeyFromSeed(secret("recovery 0"));
    const copy = signOperation(
      altered(born, { keys: { ...born.op.keys, sign: [keyOf("thief")] }, handles: ["victim.example.com"] }),
      ["thief"],
    );
    expect(copy.op.recovery.commit).toEqual(born.op.recovery.commit);
    expect(copy.op.escrow).toBe(born.op.escrow);
    const commitsTo = ({ op }: ParsedOperation) =>
      op.recovery.commit.includes(recoveryCommitment(victimsKey, op.keys.sign));
    expect([born, copy].filter(commitsTo)).toEqual([born]);
    expect(copy.did).not.toBe(born.did);
  });
});

describe("two rotates of one era", () => {
  let rivals: ParsedOperation[];
  let log: ParsedOperation[];
  beforeAll(() => {
    const own = update(born);
    rivals = [rotate(own, 0), rotate(born, 0, { letter: "b" })];
    log = [born, own, ...rivals, update(rivals[0]!), update(rivals[1]!)];
  });

  test("conflict when nothing tells which came first: no state at all", () => {
    expect(resolveInEveryOrder(log)).toEqual({ status: "conflicted", did: born.did, rivals: sorted(...rivals) });
  });

  test("the one that a quorum held first wins", () => {
    for (const i of [0, 1] as const) {
      const resolution = resolveInEveryOrder(log, { firstHeld: () => rivals[i]!.hash });
      expect(verdict(resolution)).toEqual({ status: "verified", head: log[4 + i]!.hash });
      expect(resolution).toMatchObject({ state: { era: 1 } });
    }
  });

  test("the callback is told the rivals, and asked about each rival's own parent", () => {
    const asked: string[] = [];
    const firstHeld = (hashesOfRivals: readonly string[], parent: { n: number }) => {
      asked.push(`${parent.n} ${hashesOfRivals.join()}`);
      return undefined;
    };
    resolveIdentity(born.did, log, { firstHeld });
    const names = sorted(...rivals).join();
    expect(asked.sort()).toEqual([`0 ${names}`, `1 ${names}`]);
  });

  test("each held first by the relays of its own parent: nobody came first", () => {
    const firstHeld = (_: readonly string[], parent: { n: number }) => rivals[parent.n === 1 ? 0 : 1]!.hash;
    expect(resolveInEveryOrder(log, { firstHeld }).status).toBe("conflicted");
    const pinned = rivals[1]!.hash;
    expect(verdict(resolveInEveryOrder(log, { firstHeld, pinned }))).toMatchObject({ head: log[5]!.hash });
  });

  test("else the one that this verifier pinned, or whose descendant it pinned", () => {
    for (const [pin, head] of [
      [2, 4],
      [4, 4],
      [3, 5],
      [5, 5],
    ] as const) {
      const resolution = resolveInEveryOrder(log, { pinned: log[pin]!.hash });
      expect(verdict(resolution)).toEqual({ status: "verified", head: log[head]!.hash });
    }
  });

  test("a pin from before the clash decides nothing", () => {
    expect(resolveInEveryOrder(log, { pinned: born.hash }).status).toBe("conflicted");
  });

  test("a quorum outweighs a pin, and an answer that names no rival is none", () => {
    const pinned = rivals[0]!.hash;
    const held = resolveInEveryOrder(log, { pinned, firstHeld: () => rivals[1]!.hash });
    expect(verdict(held)).toMatchObject({ head: log[5]!.hash });
    const nonsense = resolveInEveryOrder(log, { pinned, firstHeld: () => born.hash });
    expect(verdict(nonsense)).toMatchObject({ head: log[4]!.hash });
  });

  test("a deactivate is a rival like any other", () => {
    const end = deactivate(born, 0);
    const clash = [born, rivals[1]!, end];
    expect(resolveInEveryOrder(clash)).toMatchObject({ status: "conflicted", rivals: sorted(rivals[1]!, end) });
    expect(resolveInEveryOrder(clash, { pinned: end.hash }).status).toBe("deactivated");
    expect(resolveInEveryOrder(clash, { pinned: rivals[1]!.hash }).status).toBe("verified");
  });

  test("a recovery key that is used again much later ends nothing: who pinned a later state keeps it", () => {
    const second = rotate(rivals[1]!, 1);
    const reuse = rotate(born, 0, { letter: "c" });
    const all = [born, rivals[1]!, second, reuse];
    expect(verdict(resolveInEveryOrder(all, { pinned: second.hash }))).toEqual({
      status: "verified",
      head: second.hash,
    });
    const byQuorum = resolveInEveryOrder(all, { firstHeld: () => rivals[1]!.hash });
    expect(verdict(byQuorum)).toEqual({ status: "verified", head: second.hash });
  });

  test("in a later era leave the eras before it as they are", () => {
    const second = [rotate(rivals[1]!, 1), rotate(rivals[1]!, 1, { letter: "b" })];
    const all = [born, rivals[1]!, ...second];
    expect(resolveInEveryOrder(all)).toMatchObject({ status: "conflicted", rivals: sorted(...second) });
  });
});

describe("two updates that clash", () => {
  let left: ParsedOperation;
  let right: ParsedOperation;
  beforeAll(() => {
    left = update(born, { changes: { relays: [relay("l")] } });
    right = update(born, { changes: { relays: [relay("r")] } });
  });

  test("are contested: who had pinned nothing goes on with what both share", () => {
    const grown = update(left);
    expect(verdict(resolveInEveryOrder([born, left, right, grown]))).toEqual({
      status: "contested",
      head: born.hash,
      branches: sorted(grown, right),
    });
  });

  test("verifiers keep what they pinned, and don't follow its branch either", () => {
    const log = [born, left, right, update(left), update(right)];
    for (const pinned of [left.hash, right.hash]) {
      expect(verdict(resolveInEveryOrder(log, { pinned }))).toMatchObject({ status: "contested", head: pinned });
    }
  });

  test("a pin from before the fork moves on to what all branches share", () => {
    const shared = update(born);
    const log = [born, shared, update(shared), update(shared)];
    expect(verdict(resolveInEveryOrder(log, { pinned: born.hash }))).toMatchObject({ head: shared.hash });
  });

  test("an update that names the losing head settles it, also for those who pinned the loser", () => {
    const settled = update(left, { over: [right] });
    for (const pinned of [born, left, right]) {
      const resolution = resolveInEveryOrder([born, left, right, settled], { pinned: pinned.hash });
      expect(verdict(resolution)).toEqual({ status: "verified", head: settled.hash });
    }
  });

  test("the fork may lie far back, and the settlement may have grown", () => {
    const [l2, r2] = [update(left), update(right)];
    const settled = update(l2, { over: [r2] });
    const head = update(update(settled));
    const log = [born, left, right, l2, r2, settled, head];
    expect(verdict(resolveInEveryOrder([...log, ...grow(settled, 0, "x")]))).toEqual({
      status: "verified",
      head: settled.hash,
    });
  });

  test("what grows on a beaten branch without knowing of the settlement is beaten, too", () => {
    const settled = update(left, { over: [right] });
    const late = update(update(right));
    const middle = [born, left, right, settled, late];
    const parent = resolveIdentity(born.did, middle);
    expect(verdict(parent)).toEqual({ status: "verified", head: settled.hash });
    const r2 = update(right);
    expect(verdict(resolveInEveryOrder([born, left, right, settled, r2]))).toEqual({
      status: "verified",
      head: settled.hash,
    });
  });

  test("a branch that was not named stays in the contest", () => {
    const third = update(born);
    const settled = update(left, { over: [right] });
    expect(verdict(resolveInEveryOrder([born, left, right, third, settled]))).toMatchObject({
      status: "contested",
      head: born.hash,
      branches: sorted(settled, third),
    });
    const all = update(settled, { over: [third] });
    expect(verdict(resolveInEveryOrder([born, left, right, third, settled, all]))).toEqual({
      status: "verified",
      head: all.hash,
    });
  });

  test("naming an ancestor of a second head does not beat that head's sibling", () => {
    const [r2, r3] = [update(right), update(right)];
    const settled = update(left, { over: [r2] });
    expect(verdict(resolveInEveryOrder([born, left, right, r2, r3, settled]))).toMatchObject({
      status: "contested",
      branches: sorted(settled, r3),
    });
  });

  test("two settlements that don't know of each other leave it open; one that knows both settles it", () => {
    const [forLeft, forRight] = [update(left, { over: [right] }), update(right, { over: [left] })];
    const log = [born, left, right, forLeft, forRight];
    expect(verdict(resolveInEveryOrder(log))).toEqual({
      status: "contested",
      head: born.hash,
      branches: sorted(forLeft, forRight),
    });
    const last = update(forRight, { over: [forLeft] });
    expect(verdict(resolveInEveryOrder([...log, last]))).toEqual({ status: "verified", head: last.hash });
  });

  test("a branch that was settled long ago has no part in a later contest", () => {
    const settled = update(left, { over: [right] });
    const [a, b] = [update(settled), update(settled)];
    expect(verdict(resolveInEveryOrder([born, left, right, settled, a, b]))).toEqual({
      status: "contested",
      head: settled.hash,
      branches: sorted(a, b),
    });
  });

  test("nor in one between two settlements that don't know of each other", () => {
    const settled = update(left, { over: [right] });
    const [a, b] = [update(settled), update(settled)];
    const [forA, forB] = [update(a, { over: [b] }), update(b, { over: [a] })];
    expect(verdict(resolveInEveryOrder([born, left, right, settled, a, b, forA, forB]))).toMatchObject({
      status: "contested",
      branches: sorted(forA, forB),
    });
  });

  test("settlements in a circle settle nothing", () => {
    const third = update(born);
    const ring = [update(left, { over: [right] }), update(right, { over: [third] }), update(third, { over: [left] })];
    expect(verdict(resolveInEveryOrder([born, left, right, third, ...ring]))).toMatchObject({
      status: "contested",
      branches: sorted(...ring),
    });
  });

  test("a rotate settles it, from either side", () => {
    for (const parent of [born, left, right]) {
      const turned = rotate(parent, 0);
      for (const pinned of [left.hash, right.hash]) {
        const resolution = resolveInEveryOrder([born, left, right, turned], { pinned });
        expect(verdict(resolution)).toEqual({ status: "verified", head: turned.hash });
      }
    }
  });

  test("naming heads that nobody knows is harmless", () => {
    const lonely = update(born, { over: [left, right] });
    expect(verdict(resolveInEveryOrder([born, lonely]))).toEqual({ status: "verified", head: lonely.hash });
  });
});

describe("a deactivate", () => {
  test("ends the log in every order; updates beside it and a wish to go on change nothing", () => {
    const end = deactivate(born, 0, anchor(2, 9));
    const after = signOperation(altered(update(born), { n: 2, prev: end.hash }), ["hot 0"]);
    const resolution = resolveInEveryOrder([born, update(born), update(born), end, after]);
    expect(verdict(resolution)).toEqual({ status: "deactivated", head: end.hash });
    expect(resolution).toMatchObject({ state: { keys: [{ live: false, retiredBy: end.hash, anchor: anchor(2, 9) }] } });
  });
});

describe("speed", () => {
  test("a thousand updates that were checked when they were read are resolved at once", () => {
    const log = [born, ...grow(born, 1_000, "r")];
    resolveIdentity(born.did, log.slice(0, 100));
    const ms = cpuMs(() => expect(resolveIdentity(born.did, log.toReversed()).status).toBe("verified"));
    expect(ms).toBeLessThan(1_000);
  });

  test("a few hundred rotates take no more than their number", () => {
    const log = [born];
    for (let era = 0; era < 300; era++) log.push(rotate(log[era]!, era, { newSignSeeds: [secret(`era ${era + 1}`)] }));
    const ms = cpuMs(() =>
      expect(resolveIdentity(born.did, log)).toMatchObject({ status: "verified", state: { era: 300 } }),
    );
    expect(ms).toBeLessThan(5_000);
  });

  test("five hundred branches with three hundred settlements are no burden", () => {
    const branches = Array.from({ length: 500 }, () => update(born));
    const settlements = branches
      .slice(0, 300)
      .map((branch, i) => update(branch, { over: branches.slice(i + 1, i + 17) }));
    const log = [born, ...branches, ...settlements];
    expect(cpuMs(() => expect(resolveIdentity(born.did, log).status).toBe("contested"))).toBeLessThan(5_000);
  });
});
