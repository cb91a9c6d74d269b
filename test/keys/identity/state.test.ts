import { expect, test } from "vitest";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import { type IdentityState, resolveIdentity } from "../../../keys/identity/resolve.js";
import { standingOf } from "../../../keys/identity/state.js";
import { anchor, deactivate, genesis, keyOf, rotate, secret, update } from "./agent.js";

function stateOf(...log: readonly ParsedOperation[]): IdentityState {
  const resolution = resolveIdentity(log[0]!.did, log);
  if (!("state" in resolution)) throw new RangeError(resolution.status);
  return resolution.state;
}

test("the keys of the genesis are live, with no rotate behind them", () => {
  const born = genesis({ signSeeds: [secret("hot 0"), secret("second")] });
  expect(stateOf(born, update(born)).keys).toEqual([
    { key: keyOf("hot 0"), rotations: 0, live: true },
    { key: keyOf("second"), rotations: 0, live: true },
  ]);
});

test("a rotate retires them as of its anchor, and its own keys have one more rotate behind them", () => {
  const born = genesis();
  const first = rotate(born, 0, { anchor: anchor(3, 41) });
  const between = update(first);
  const second = rotate(between, 1, { anchor: anchor(7, 90) });
  const state = stateOf(born, first, between, second);
  expect(state.keys).toEqual([
    { key: keyOf("hot 0"), rotations: 0, live: false, retiredBy: first.hash, anchor: anchor(3, 41) },
    { key: keyOf("hot 1"), rotations: 1, live: false, retiredBy: second.hash, anchor: anchor(7, 90) },
    { key: keyOf("hot 2"), rotations: 2, live: true },
  ]);
  expect(state.era).toBe(2);
  expect(state.anchors).toEqual([
    { operation: first.hash, anchor: anchor(3, 41) },
    { operation: second.hash, anchor: anchor(7, 90) },
  ]);
});

test("a rotate without an anchor voids the whole chain: the keys before it vouch for nothing any more", () => {
  const born = genesis();
  const first = rotate(born, 0, { anchor: anchor(3, 41) });
  const second = rotate(first, 1);
  const third = rotate(second, 2, { anchor: anchor(9, 12) });
  expect(stateOf(born, first, second, third).keys).toEqual([
    { key: keyOf("hot 0"), rotations: 0, live: false, retiredBy: first.hash },
    { key: keyOf("hot 1"), rotations: 1, live: false, retiredBy: second.hash },
    { key: keyOf("hot 2"), rotations: 2, live: false, retiredBy: third.hash, anchor: anchor(9, 12) },
    { key: keyOf("hot 3"), rotations: 3, live: true },
  ]);
});

test("a deactivate retires what is live, and is no rotate", () => {
  const born = genesis();
  const first = rotate(born, 0, { anchor: anchor(3, 41) });
  const end = deactivate(first, 1, anchor(5, 60));
  const state = stateOf(born, first, end);
  expect(state.era).toBe(1);
  expect(state.head).toBe(end);
  expect(state.keys.at(-1)).toEqual({
    key: keyOf("hot 1"),
    rotations: 1,
    live: false,
    retiredBy: end.hash,
    anchor: anchor(5, 60),
  });
});

test("keys of lost branches never were live", () => {
  const born = genesis();
  const [won, lost] = [rotate(born, 0), rotate(born, 0, { letter: "b" })];
  const resolution = resolveIdentity(born.did, [born, won, lost], { pinned: won.hash });
  const { state } = resolution as { state: IdentityState };
  expect(standingOf(state, keyOf("hot 1"))).toMatchObject({ live: true });
  expect(standingOf(state, keyOf("hot 1b"))).toBeUndefined();
  expect(state.sides).toEqual([lost]);
});
