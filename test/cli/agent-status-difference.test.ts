import { expect, test } from "vitest";
import { difference } from "../../src/cli/agent-status.js";
import type { ChainStore } from "../../src/client/chain-store.js";
import type { ChainEvent } from "../../src/protocol/chain.js";

type Place = Pick<ChainEvent, "epoch" | "seq" | "id"> & { readonly onChain: boolean };

/** A chain of epoch 1 up to `a1`, and of epoch 3 from `c2` on; `b2` and `b3` of epoch 2 lost their place. */
const PLACES: readonly Place[] = [
  { epoch: 1, seq: 0, id: "a0", onChain: true },
  { epoch: 1, seq: 1, id: "a1", onChain: true },
  { epoch: 2, seq: 2, id: "b2", onChain: false },
  { epoch: 2, seq: 3, id: "b3", onChain: false },
  { epoch: 3, seq: 2, id: "c2", onChain: true },
];
const BEFORE: Readonly<Record<string, string>> = { a1: "a0", b2: "a1", b3: "b2", c2: "a1" };
const named = (id: string | undefined) => PLACES.find((place) => place.id === id);
const chain = {
  head: named("c2"),
  tree: { find: (id: string) => named(id), before: ({ id }: Place) => named(BEFORE[id]) },
} as unknown as Pick<ChainStore, "head" | "tree">;

test.each([
  ["has all of it", { epoch: 3, seq: 2, id: "c2" }, { behind: 0, ahead: 0 }],
  ["has a part", { epoch: 1, seq: 1, id: "a1" }, { behind: 1, ahead: 0 }],
  ["has nothing", undefined, { behind: 3, ahead: 0 }],
  ["has a longer one of an older epoch", { epoch: 2, seq: 3, id: "b3" }, { behind: 1, ahead: 0 }],
  ["has one of an older epoch that is not known here", { epoch: 2, seq: 9, id: "x9" }, { behind: 1, ahead: 0 }],
  ["went on in this epoch", { epoch: 3, seq: 7, id: "c7" }, { behind: 0, ahead: 5 }],
  ["has a shorter one of a later epoch", { epoch: 4, seq: 1, id: "d1" }, { behind: 0, ahead: 1 }],
])("a relay that %s", (_, theirs, expected) => {
  expect(difference(chain, theirs)).toEqual(expected);
});
