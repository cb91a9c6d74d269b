import { beforeAll, describe, expect, test } from "vitest";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import { quorumSize, relaySetOf, relaySetsBetween } from "../../../keys/identity/relay-set.js";
import { type IdentityState, resolveIdentity } from "../../../keys/identity/resolve.js";
import { cpuMs } from "../../support/cpu-time.js";
import { codeOf } from "../code-of.js";
import { genesis, relay, rotate, update } from "./agent.js";

const named = (names: string) => [...names].map(relay);
const by = (parent: ParsedOperation, names: string) => update(parent, { changes: { relays: named(names) } });

function stateOf(log: readonly ParsedOperation[], pinned?: ParsedOperation): IdentityState {
  const resolution = resolveIdentity(log[0]!.did, log, pinned === undefined ? {} : { pinned: pinned.hash });
  if (!("state" in resolution)) throw new RangeError(resolution.status);
  return resolution.state;
}

/** The sets as the letters of their relays. */
function letters(state: IdentityState, from: ParsedOperation | undefined, to?: ParsedOperation): string[] {
  const sets = relaySetsBetween(state, from?.hash, to?.hash);
  return sets.map(({ relays }) => relays.map(({ url }) => url.charAt("wss://".length)).join(""));
}

describe("a quorum", () => {
  test.each([
    [1, 0, 1],
    [2, 0, 2],
    [3, 0, 2],
    [4, 0, 3],
    [5, 0, 3],
    [4, 1, 3],
    [5, 1, 4],
    [7, 2, 5],
  ])("of %i relays of which %i may lie is %i", (relays, faults, quorum) => {
    expect(quorumSize(relays, faults)).toBe(quorum);
  });

  test("shares an honest relay with every other quorum, and does without the liars", () => {
    for (let faults = 0; faults <= 5; faults++) {
      for (let n = Math.max(1, 3 * faults + 1); n <= 20; n++) {
        const quorum = quorumSize(n, faults);
        expect(2 * quorum - n).toBeGreaterThan(faults);
        if (faults > 0) expect(quorum).toBeLessThanOrEqual(n - faults);
      }
    }
  });
});

describe("the relay sets from one operation to another", () => {
  let log: ParsedOperation[];
  beforeAll(() => {
    const born = genesis({ relays: named("abc") });
    log = [born];
    for (const names of ["bcd", "cde", "abc"]) log.push(by(log.at(-1)!, names));
  });

  test("include both ends, and each set once", () => {
    const state = stateOf(log);
    expect(letters(state, log[1])).toEqual(["bcd", "cde", "abc"]);
    expect(letters(state, log[0])).toEqual(["abc", "bcd", "cde"]);
    expect(letters(state, log[1], log[2])).toEqual(["bcd", "cde"]);
    expect(letters(state, log[3])).toEqual(["abc"]);
  });

  test("begin with the genesis where there was no claim", () => {
    expect(letters(stateOf(log), undefined)).toEqual(["abc", "bcd", "cde"]);
  });

  test("the order of relays makes no other set; faults and streams do", () => {
    const born = genesis({ relays: named("abcd") });
    const reordered = by(born, "dcba");
    const liar = update(reordered, { changes: { faults: 1 } });
    const [first, ...rest] = liar.op.relays;
    const rebuilt = update(liar, { changes: { relays: [{ ...first!, stream: "ff".repeat(8) }, ...rest] } });
    const sets = relaySetsBetween(stateOf([born, reordered, liar, rebuilt]), undefined);
    expect(sets).toEqual([relaySetOf(born), relaySetOf(liar), relaySetOf(rebuilt)]);
    expect(sets.map(({ faults, quorum }) => [faults, quorum])).toEqual([
      [0, 3],
      [1, 3],
      [1, 3],
    ]);
  });

  test("begin anew with a rotate", () => {
    const turned = rotate(log[2]!, 0, { changes: { relays: named("xyz") } });
    const after = by(turned, "uvw");
    const state = stateOf([...log, turned, after]);
    for (const from of [undefined, log[0], log[2], log[3], turned])
      expect(letters(state, from)).toEqual(["xyz", "uvw"]);
    expect(letters(state, after)).toEqual(["uvw"]);
  });

  test("of a contest are those of every branch", () => {
    const [left, right] = [by(log[3]!, "lmn"), by(log[3]!, "rst")];
    const deeper = by(right, "uvw");
    const all = [...log, left, right, deeper];
    for (const pinned of [undefined, left, right]) {
      expect(letters(stateOf(all, pinned), log[3]).sort()).toEqual(["abc", "lmn", "rst", "uvw"]);
    }
    expect(letters(stateOf(all, left), right).sort()).toEqual(["abc", "lmn", "rst", "uvw"]);
  });

  test("count a branch that lost on the way, until a claim names what settled it", () => {
    const [left, right] = [by(log[3]!, "lmn"), by(log[3]!, "rst")];
    const settled = update(left, { over: [right], changes: { relays: named("xyz") } });
    const state = stateOf([...log, left, right, settled]);
    expect(letters(state, log[3]).sort()).toEqual(["abc", "lmn", "rst", "xyz"]);
    expect(letters(state, right).sort()).toEqual(["abc", "lmn", "rst", "xyz"]);
    expect(letters(state, left).sort()).toEqual(["lmn", "rst", "xyz"]);
    expect(letters(state, settled)).toEqual(["xyz"]);
  });

  test("of a contest are those of every branch, wherever the newest claim stands", () => {
    const [left, right] = [by(log[3]!, "lmn"), by(log[3]!, "rst")];
    const near = by(left, "mno");
    const all = [...log, left, right, near, by(near, "nop")];
    expect(letters(stateOf(all, left), left).sort()).toEqual(["lmn", "mno", "nop", "rst"]);
    expect(letters(stateOf(all, near), near).sort()).toEqual(["mno", "nop", "rst"]);
  });

  test("count what grew on a settled branch only where it settles something itself", () => {
    const [left, right] = [by(log[3]!, "lmn"), by(log[3]!, "rst")];
    const settled = update(left, { over: [right], changes: { relays: named("xyz") } });
    const unaware = by(right, "uvw");
    expect(letters(stateOf([...log, left, right, settled, unaware]), settled)).toEqual(["xyz"]);
    const third = by(log[3]!, "ghi");
    const settling = update(right, { over: [third], changes: { relays: named("uvw") } });
    const all = [...log, left, right, third, settled, settling, by(settling, "opq")];
    expect(letters(stateOf(all, settled), settled).sort()).toEqual(["ghi", "opq", "rst", "uvw", "xyz"]);
  });

  test("of three branches of which one settled another, count until both are settled", () => {
    const [left, right, third] = ["lmn", "rst", "uvw"].map((names) => by(log[3]!, names)) as ParsedOperation[];
    const settled = update(left!, { over: [right!] });
    const again = update(settled, { over: [third!] });
    const state = stateOf([...log, left!, right!, third!, settled, again]);
    expect(letters(state, settled).sort()).toEqual(["lmn", "uvw"]);
    expect(letters(state, again)).toEqual(["lmn"]);
    const byAnother = update(third!, { over: [right!] });
    const joined = update(left!, { over: [byAnother] });
    expect(letters(stateOf([...log, left!, right!, third!, byAnother, joined]), joined)).toEqual(["lmn"]);
  });

  test("are not guessed for operations that the state doesn't know", () => {
    const stranger = by(log[3]!, "xyz");
    expect(codeOf(() => letters(stateOf(log), stranger))).toBe("identity-operation-unknown");
    expect(codeOf(() => letters(stateOf(log), log[0], stranger))).toBe("identity-operation-unknown");
  });

  test("a thousand operations and a thousand lost ones are no burden", () => {
    const born = log[0]!;
    const [path, side] = [0, 1].map(() => {
      const branch: ParsedOperation[] = [];
      for (let i = 0; i < 500; i++) branch.push(by(branch.at(-1) ?? born, "abc"));
      return branch;
    }) as [ParsedOperation[], ParsedOperation[]];
    const state = stateOf([born, ...path, ...side, rotate(path.at(-1)!, 0)]);
    expect(cpuMs(() => expect(letters(state, undefined)).toEqual(["abc"]))).toBeLessThan(1_000);
  });
});
