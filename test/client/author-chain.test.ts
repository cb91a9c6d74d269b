import { describe, expect, it } from "vitest";
import { AuthorChain } from "../../src/client/author-chain.js";
import type { Event } from "../../src/protocol/event.js";

/** An event as far as its place goes: `name` stands for its id. */
function event(epoch: number, seq: number, name: string, prev?: string, kind = "note"): Event {
  return { epoch, seq, id: name, key: "z6Mk", kind, ...(prev === undefined ? {} : { prev }) } as unknown as Event;
}

/** A chain of which 0 and 1 were given, then 2 to 4 said to be missing, then 5. */
function withGap(): AuthorChain {
  const chain = new AuthorChain();
  chain.take(event(1, 0, "a0"), 0, { kind: "first" });
  chain.take(event(1, 1, "a1", "a0"), 0, { kind: "next" });
  chain.skip(2, 4);
  chain.take(event(1, 5, "a5", "a4"), 0, { kind: "next" });
  return chain;
}

/** Places an event and takes it in; what it was taken for. */
function given(chain: AuthorChain, one: Event) {
  const placement = chain.place(one, 0);
  chain.take(one, 0, placement);
  return placement;
}

describe("events that come late, after a gap was told of", () => {
  const late = [event(1, 2, "a2", "a1"), event(1, 3, "a3", "a2"), event(1, 4, "a4", "a3")];

  it.each([
    ["in their order", [0, 1, 2]],
    ["from the last to the first", [2, 1, 0]],
    ["mixed up", [1, 2, 0]],
  ])("%s, are on the chain: a claim after one of them supersedes those behind it, and restores none", (_, order) => {
    const chain = withGap();
    for (const i of order) expect(given(chain, late[i]!)).toEqual({ kind: "stray" });
    const claim = event(2, 4, "b4", "a3", "ants.claim");
    expect(given(chain, claim)).toEqual({ kind: "switch", superseded: ["a4", "a5"], restored: [] });
  });

  it("are superseded where the chain goes another way", () => {
    const chain = withGap();
    expect(given(chain, event(1, 4, "x4", "x3"))).toEqual({ kind: "side" });
    expect(given(chain, late[2]!)).toEqual({ kind: "stray" });
    expect(given(chain, event(1, 3, "x3", "x2"))).toEqual({ kind: "side" });
  });
});
