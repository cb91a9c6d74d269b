import { describe, expect, it } from "vitest";
import { updateIdentity } from "../../keys/identity/create.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { FollowPrinter } from "../../src/cli/follow-printer.js";
import type { Output } from "../../src/cli/output.js";
import { type Following, type FollowOptions, follow } from "../../src/client/follow.js";
import type { FollowItem } from "../../src/client/follow-item.js";
import { Author, linesOf } from "../simulation/author.js";
import { World } from "../simulation/world.js";

/** An author with three events, and two updates of its genesis that clash. */
function contested() {
  const world = new World({ relays: 2 });
  const author = new Author(
    world.random,
    world.acceptors.map(({ address }) => address),
  );
  const update = (parent: ParsedOperation, name: string, over: readonly string[] = []) =>
    updateIdentity({
      parent,
      changes: { handles: [`${name}@relay.example`] },
      ...(over.length === 0 ? {} : { over }),
      signSeed: author.seed,
      timeMs: 0,
    });
  const one = update(author.genesis.parsed, "one");
  const two = update(author.genesis.parsed, "two");
  const settling = update(one.parsed, "three", [two.hash]);
  const chain = author.chain(3);
  const [a, b] = world.acceptors;
  const lines = [author.genesis.line, ...linesOf(chain)];
  a!.mirror([...lines, one.line]);
  b!.mirror(lines);
  const urls = world.acceptors.map(({ url }) => url);
  return { world, author, one, two, settling, urls, a: a!, b: b! };
}

const isAbout = (item: FollowItem) => item.type === "contested" || item.type === "settled";

async function until(world: World, following: Following, wanted: (item: FollowItem) => boolean): Promise<FollowItem[]> {
  const items: FollowItem[] = [];
  for (;;) {
    const { value, done } = await world.clock.run(following.next());
    if (done === true) throw new Error(`it ended after ${items.length} items`);
    items.push(value);
    if (wanted(value)) return items;
  }
}

async function read(world: World, options: FollowOptions): Promise<FollowItem[]> {
  const items: FollowItem[] = [];
  await world.clock.run(
    (async () => {
      for await (const item of follow({ live: false, mayDial: () => true, ...options }, world.ports)) items.push(item);
    })(),
  );
  return items;
}

describe("a follow of an author whose updates clash", () => {
  it("tells of it once, goes on with the branch that came first, and tells when it is settled", async () => {
    const { world, author, one, two, settling, urls, a, b } = contested();
    const agent = { did: author.did, operations: [author.genesis.line, one.line] };
    const following = follow({ agents: [agent], mayDial: () => true }, world.ports);
    await until(world, following, (item) => item.type === "event" && item.event.event.seq === 2);
    b.mirror([two.line]);
    a.mirror([two.line]);
    for (const url of urls) world.network.cut(url);
    const first = await until(world, following, isAbout);
    expect(first.at(-1)).toEqual({
      type: "contested",
      did: author.did,
      branches: [one.hash, two.hash].sort(),
      goesOnWith: one.hash,
    });
    b.mirror([one.line, settling.line]);
    a.mirror([settling.line]);
    for (const url of urls) world.network.cut(url);
    const second = await until(world, following, isAbout);
    expect(second.at(-1)).toEqual({ type: "settled", did: author.did, goesOnWith: settling.hash });
    expect(second.filter(isAbout)).toHaveLength(1);
    await world.clock.run(following.close());
  });

  it("tells of a contest that was known before it began, or that one relay alone shows, and of no other author's", async () => {
    const { world, author, one, two, urls, b } = contested();
    const other = new Author(world.random, [b.address]);
    b.mirror([two.line, one.line, other.genesis.line, ...linesOf(other.chain(2))]);
    const known = { did: author.did, operations: [author.genesis.line, one.line, two.line] };
    for (const options of [{ agents: [known], relays: urls }, { relays: [urls[1]!] }, { relays: urls }]) {
      const told = (await read(world, options)).filter(isAbout);
      expect(told).toEqual([expect.objectContaining({ type: "contested", did: author.did })]);
    }
  });
});

describe("what ants follow says of it", () => {
  const items: FollowItem[] = [
    { type: "contested", did: "did:ants:x", branches: ["aa", "bb"], goesOnWith: "aa" },
    { type: "settled", did: "did:ants:x", goesOnWith: "cc" },
  ];

  it("is a warning and a note for people, and the item for programs", async () => {
    for (const json of [false, true]) {
      const told: unknown[] = [];
      const out = {
        json,
        warn: (text: string) => told.push(`warning: ${text}`),
        note: (text: string) => told.push(text),
        value: async (value: unknown) => void told.push(value),
      } as unknown as Output;
      const printer = new FollowPrinter(out, {});
      for (const item of items) await printer.print(item);
      if (json) expect(told).toEqual(items);
      else {
        expect(told[0]).toMatch(/^warning: did:ants:x: two updates of its identity clash \(aa, bb\); .* aa until/);
        expect(told[1]).toMatch(/settled; cc speaks for it$/);
      }
    }
  });
});
