import { describe, expect, it } from "vitest";
import { updateIdentity } from "../../keys/identity/create.js";
import { type Following, follow } from "../../src/client/follow.js";
import type { FollowItem } from "../../src/client/follow-item.js";
import { parseFollowState } from "../../src/client/follow-state.js";
import { Author, linesOf } from "../simulation/author.js";
import { World } from "../simulation/world.js";

function worldWith(relays: number, named: number) {
  const world = new World({ relays });
  const author = new Author(
    world.random,
    world.acceptors.slice(0, named).map(({ address }) => address),
  );
  const moves = updateIdentity({
    parent: author.genesis.parsed,
    changes: { relays: world.acceptors.slice(named).map(({ address }) => address) },
    signSeed: author.seed,
    timeMs: 0,
  });
  const agent = { did: author.did, operations: [author.genesis.line] };
  return { world, author, moves, agent, urls: world.acceptors.map(({ url }) => url) };
}

async function until(world: World, following: Following, wanted: (item: FollowItem) => boolean): Promise<FollowItem[]> {
  const items: FollowItem[] = [];
  for (;;) {
    const { value, done } = await world.clock.run(following.next());
    if (done === true) throw new Error(`it ended after ${items.length} items`);
    items.push(value);
    if (wanted(value)) return items;
  }
}

const isEvent = (seq: number) => (item: FollowItem) => item.type === "event" && item.event.event.seq === seq;
const seqsOf = (items: readonly FollowItem[]) =>
  items.flatMap((item) => (item.type === "event" ? [item.event.event.seq] : []));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const mayDial = () => true;

describe("following agents wherever they are", () => {
  it("keeps reading the old relay until the new one has shown as much, and lets go of it then (N9)", async () => {
    const { world, author, moves, agent, urls } = worldWith(2, 1);
    const chain = linesOf(author.chain(600));
    const [a, b] = world.acceptors;
    // The update is the first that the reader is told; the new relay has nothing but that.
    a!.mirror([author.genesis.line, moves.line]);
    for (let i = 0; i < chain.length; i += 200) a!.mirror(chain.slice(i, i + 200));
    b!.mirror([author.genesis.line, moves.line]);
    const following = follow({ agents: [agent], mayDial }, world.ports);
    const items = await until(world, following, isEvent(599));
    expect(seqsOf(items)).toEqual(upTo(600));
    expect(following.relays).toEqual(urls);
    for (let i = 0; i < chain.length; i += 200) b!.mirror(chain.slice(i, i + 200));
    const next = author.notes(1, author.chain(600).at(-1)!);
    b!.mirror(linesOf(next));
    const rest = await until(world, following, isEvent(600));
    expect(seqsOf(rest)).toEqual([600]);
    expect(following.relays).toEqual([urls[1]]);
    await world.clock.run(following.close());
  });

  it("a state from any point finds the agent again where all its former relays are gone (I12)", async () => {
    const { world, author, moves, agent, urls } = worldWith(2, 1);
    const events = author.chain(20);
    const [a, b] = world.acceptors;
    a!.mirror([author.genesis.line, ...linesOf(events.slice(0, 10)), moves.line]);
    const first = follow({ agents: [agent], mayDial }, world.ports);
    const read = await until(world, first, ({ type }) => type === "identity" && seqsOf([]).length === 0);
    const more = await until(world, first, (item) => item.type === "identity");
    const state = parseFollowState(JSON.parse(JSON.stringify(first.state())));
    await world.clock.run(first.close());
    b!.mirror([author.genesis.line, moves.line, ...linesOf(events)]);
    world.network.line(urls[0]!).refuses = true;
    const second = follow({ agents: [agent], mayDial, state }, world.ports);
    const rest = await until(world, second, isEvent(19));
    expect([...seqsOf(read), ...seqsOf(more), ...seqsOf(rest)]).toEqual(upTo(20));
    await world.clock.run(second.close());
  });

  it("an update that names a relay of the reader's own network leads nowhere unless it may", async () => {
    const { world, author, moves, agent, urls } = worldWith(2, 1);
    world.acceptors[0]!.mirror([author.genesis.line, ...linesOf(author.chain(3)), moves.line]);
    const dialled = new Set<string>();
    const ports = {
      ...world.ports,
      dial: ((url, ...rest) => {
        dialled.add(url);
        return world.ports.dial(url, ...rest);
      }) as typeof world.ports.dial,
    };
    const only = (url: string) => url === urls[0];
    const following = follow({ agents: [agent], mayDial: only }, ports);
    await until(world, following, isEvent(2));
    await world.clock.pass(5_000);
    expect([...dialled]).toEqual([urls[0]]);
    await world.clock.run(following.close());
    expect(() => follow({ agents: [agent], mayDial: () => false }, ports)).toThrow(
      expect.objectContaining({ code: "follow-relays" }),
    );
    expect(() => follow({ agents: [agent], filter: { kinds: ["note"] } }, ports)).toThrow(
      expect.objectContaining({ code: "follow-agents" }),
    );
  });

  it("hears at the relays that an agent left that its owner took it back", async () => {
    const { world, author, moves, agent, urls } = worldWith(2, 1);
    const events = author.chain(3);
    const [a, b] = world.acceptors;
    a!.mirror([author.genesis.line, moves.line]);
    b!.mirror([author.genesis.line, moves.line, ...linesOf(events)]);
    const following = follow({ agents: [agent], mayDial }, world.ports);
    await until(world, following, (item) => item.type === "caught-up" && item.relay === urls[1]);
    await world.clock.pass(20_000);
    expect(following.relays).toEqual([urls[1]]);
    const rotate = author.rotate(events[2]!);
    a!.mirror([rotate.line]);
    await world.clock.pass(1_300_000);
    expect(following.relays).toContain(urls[0]);
    await world.clock.run(following.close());
  });
});
