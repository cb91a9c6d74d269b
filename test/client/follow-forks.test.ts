import { describe, expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import type { EventSources } from "../../src/client/author-chains.js";
import { RelayConnection } from "../../src/client/connection.js";
import { type FollowOptions, follow } from "../../src/client/follow.js";
import type { FollowItem } from "../../src/client/follow-item.js";
import { ForkWatch } from "../../src/client/fork-watch.js";
import { parseEvent } from "../../src/protocol/event.js";
import { Author, linesOf } from "../simulation/author.js";
import { World } from "../simulation/world.js";

/** Two writers of one key: each relay has what one of them wrote in epoch 1 after the same three events. */
function forked() {
  const world = new World({ relays: 3 });
  const author = new Author(
    world.random,
    world.acceptors.slice(0, 2).map(({ address }) => address),
  );
  const shared = author.chain(3);
  const one = author.notes(5, shared.at(-1)!, () => ({ body: { by: "one" } }));
  const two = author.notes(4, shared.at(-1)!, () => ({ body: { by: "two" } }));
  world.acceptors[0]!.mirror([author.genesis.line, ...linesOf(shared), ...linesOf(one)]);
  world.acceptors[1]!.mirror([author.genesis.line, ...linesOf(shared), ...linesOf(two)]);
  world.acceptors[2]!.mirror([author.genesis.line, ...linesOf(shared)]);
  return { world, author, shared, one, two, urls: world.acceptors.map(({ url }) => url) };
}

async function read(world: World, options: FollowOptions): Promise<FollowItem[]> {
  const items: FollowItem[] = [];
  const following = follow({ live: false, mayDial: () => true, ...options }, world.ports);
  await world.clock.run(
    (async () => {
      for await (const item of following) items.push(item);
    })(),
  );
  return items;
}

const forksIn = (items: readonly FollowItem[]) => items.flatMap((item) => (item.type === "fork" ? [item.proof] : []));

describe("a follow that sees two events in one place", () => {
  it("gives out the proof, once for all that was written twice in that epoch", async () => {
    const { world, one, two, urls } = forked();
    const items = await read(world, { relays: urls.slice(0, 2) });
    const proofs = forksIn(items);
    expect(proofs).toHaveLength(1);
    const { seq, epoch, events } = proofs[0]!;
    expect(epoch).toBe(1);
    expect(new Set(events.map(({ id }) => id))).toEqual(
      new Set([one, two].map((events) => events.find(({ event }) => event.seq === seq)!.id)),
    );
    // The events of both writers are there as well: one branch as the chain, the other as what it isn't.
    const given = items.flatMap((item) => (item.type === "event" ? [item.event.id] : []));
    for (const { id } of [...one, ...two]) expect(given).toContain(id);
  });

  it("hands both lines to the author's relays, so that each can prove it", async () => {
    const { world, urls } = forked();
    const { events } = forksIn(await read(world, { relays: urls }))[0]!;
    const has = (lines: readonly Uint8Array[], line: Uint8Array) =>
      lines.some((stored) => Buffer.compare(stored, line) === 0);
    for (const acceptor of world.acceptors.slice(0, 2)) {
      for (const { line } of events) expect(has(acceptor.lines, line)).toBe(true);
    }
    // The third is read, but the author does not name it.
    for (const { line } of events) expect(has(world.acceptors[2]!.lines, line)).toBe(false);
  });

  it("sees it whichever of the relays comes first", async () => {
    for (const turned of [false, true]) {
      const { world, urls } = forked();
      expect(forksIn(await read(world, { relays: turned ? [...urls].reverse() : urls }))).toHaveLength(1);
    }
  });

  it("is not misled by a claim of a new epoch, nor by a line that is shown twice", async () => {
    const { world, author, shared, urls } = forked();
    const fresh = new World({ relays: 2 });
    const chain = [...shared, ...author.notes(2, shared.at(-1)!)];
    const { epoch, seq, id } = shared.at(-1)!.event;
    const claim = author.claim(2, { epoch, seq, id });
    for (const acceptor of fresh.acceptors) {
      acceptor.mirror([author.genesis.line, ...linesOf(chain), claim.line, ...linesOf(author.notes(2, claim))]);
    }
    expect(forksIn(await read(fresh, { relays: fresh.acceptors.map(({ url }) => url) }))).toEqual([]);
    expect(forksIn(await read(world, { relays: [urls[0]!, urls[2]!] }))).toEqual([]);
  });
});

/** Many authors on one relay, each of whom wrote one place twice, and a watch over them. */
function watched(authors: number) {
  const world = new World({ relays: 1 });
  const [acceptor] = world.acceptors;
  const connection = new RelayConnection(acceptor!.url, world.ports);
  const forks = Array.from({ length: authors }, () => {
    const author = new Author(world.random, [acceptor!.address]);
    const chain = author.chain(3);
    const [rival] = author.notes(1, chain[1]!, () => ({ body: { by: "two" } }));
    acceptor!.mirror([author.genesis.line, ...linesOf(chain)]);
    return { chain, rival: parseEvent(utf8(rival!.line)) };
  });
  const told: string[] = [];
  const asked: string[] = [];
  const have = { mine: [connection], guests: () => [], own: () => [] };
  const nobodyHas = { mine: [], guests: () => [], own: () => [] };
  let sources: EventSources = have;
  const abort = new AbortController();
  const watch = new ForkWatch({
    ports: world.ports,
    signal: abort.signal,
    push: (item) => told.push(item.type === "fork" ? item.proof.did : item.type),
    sources: (did) => {
      asked.push(did);
      return sources;
    },
  });
  const settle = () => world.clock.run(watch.settled());
  return { world, forks, told, asked, watch, settle, lose: () => (sources = nobodyHas), find: () => (sources = have) };
}

describe("a watch over forks", () => {
  it("looks for the other line whoever has forked before", async () => {
    const { forks, asked, watch, settle, lose } = watched(1);
    const { rival, chain } = forks[0]!;
    lose();
    const dids = Array.from({ length: 300 }, (_, n) => `did:ants:${n}` as const);
    for (const did of dids) watch.found({ ...rival, event: { ...rival.event, did } }, chain[2]!.id);
    await settle();
    expect(asked).toEqual(dids);
  });

  it("tells of four forks of one author: whoever makes them chooses how many there are", async () => {
    const { forks, told, watch, settle } = watched(1);
    const { rival, chain } = forks[0]!;
    for (let epoch = 1; epoch < 9; epoch++) {
      watch.found({ ...rival, event: { ...rival.event, epoch } }, chain[2]!.id);
    }
    await settle();
    expect(told).toHaveLength(4);
  });

  it("tells later what it could not tell at first", async () => {
    const { forks, told, watch, settle, lose, find } = watched(1);
    const { rival, chain } = forks[0]!;
    lose();
    watch.found(rival, chain[2]!.id);
    await settle();
    expect(told).toEqual([]);
    find();
    watch.found(rival, chain[2]!.id);
    watch.found(rival, chain[2]!.id);
    await settle();
    expect(told).toHaveLength(1);
  });

  it("keeps nobody waiting for relays that answer nothing", async () => {
    const { world, forks, told, watch, settle } = watched(100);
    world.network.line(world.acceptors[0]!.url).swallows = true;
    for (const { rival, chain } of forks) watch.found(rival, chain[2]!.id);
    const beforeMs = world.clock.monotonicMs();
    await settle();
    expect(told).toEqual([]);
    expect(world.clock.monotonicMs() - beforeMs).toBeLessThanOrEqual(30_000);
  });
});
