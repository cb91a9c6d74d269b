import { describe, expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { type Following, type FollowOptions, follow } from "../../src/client/follow.js";
import type { FollowItem } from "../../src/client/follow-item.js";
import type { HttpGet } from "../../src/client/http.js";
import { Author, linesOf } from "../simulation/author.js";
import { World } from "../simulation/world.js";

const filter = { types: ["event" as const] };
const noHttp: HttpGet = (url) => Promise.reject(new AntsError("relay-unreachable", `HTTP 500: ${url}`));

/** A relay with an author's first ten events, and what a reader with a filter got to. */
async function tenRead() {
  const world = new World({ relays: 1 });
  const [relay] = world.acceptors;
  const author = new Author(world.random, []);
  const chain = author.chain(20);
  relay!.mirror([author.genesis.line, ...linesOf(chain.slice(0, 10))]);
  const url = relay!.url;
  const read = (options: Partial<FollowOptions>, get = world.ports.get) =>
    follow({ relays: [url], filter, live: false, ...options }, { ...world.ports, get });
  const first = read({});
  expect(seqsOf(await collect(world, first))).toHaveLength(10);
  const state = first.state();
  expect(state.relays[url]).toMatchObject({ checkpoint: expect.any(String) });
  expect(state.relays[url]!.cursor).toContain(".11.");
  return { world, relay: relay!, url, author, chain, read, state };
}

async function collect(world: World, following: Following): Promise<FollowItem[]> {
  const items: FollowItem[] = [];
  const reading = async () => {
    for await (const item of following) items.push(item);
  };
  await world.clock.run(reading().catch((error) => expect(codesOf(items)).toContain(error.code)));
  return items;
}

const seqsOf = (items: readonly FollowItem[]) =>
  items.flatMap((item) => (item.type === "event" ? [item.event.event.seq] : []));
const codesOf = (items: readonly FollowItem[]) => items.flatMap((item) => (item.type === "problem" ? [item.code] : []));

describe("a relay that proves nothing to a reader with a filter", () => {
  it("is told of when it rewrote its history, and the saved cursor stays where it was proven", async () => {
    const { world, relay, url, author, chain, read, state } = await tenRead();
    const other = new Author(world.random, []);
    const rewritten = relay.again(relay.stream);
    rewritten.forge([other.genesis.line, author.genesis.line, ...linesOf(chain)]);
    rewritten.isTrusting = true;
    world.replaceRelay(0, rewritten);
    const following = read({ state }, noHttp);
    expect(codesOf(await collect(world, following))).toEqual(["relay-unproven"]);
    expect(following.state().relays[url]).toEqual(state.relays[url]);
  });

  it("is told of once, while it is read live; what was given out does not come again", async () => {
    const { world, relay, url, chain, read, state } = await tenRead();
    let get = noHttp;
    const following = read({ state, live: true }, (url, options) => get(url, options));
    const items: FollowItem[] = [];
    const take = async () => {
      const { value } = await world.clock.run(following.next());
      items.push(value);
      return value as FollowItem;
    };
    while ((await take()).type !== "caught-up");
    relay.mirror(linesOf(chain.slice(10, 15)));
    world.network.cut(url);
    const told = () => codesOf(items).filter((code) => code === "relay-unproven").length;
    while (told() === 0) await take();
    expect(seqsOf(items)).toEqual([10, 11, 12, 13, 14]);
    const unproven = following.state();
    expect(unproven.relays[url]!.cursor).toBe(state.relays[url]!.cursor);
    expect(seqsOf(await collect(world, read({ state: unproven }, noHttp)))).toEqual([]);

    get = world.ports.get;
    relay.mirror(linesOf(chain.slice(15)));
    world.network.cut(url);
    while (!seqsOf(items).includes(19) || items.at(-1)?.type !== "caught-up") await take();
    await world.clock.pass(1_000);
    expect(told()).toBe(1);
    expect(following.state().relays[url]!.cursor).toContain(".21.");
    await world.clock.run(following.close());
  });

  it("is at fault where its answer is no proof", async () => {
    for (const answer of ["<html>", "null", "7", "{}"]) {
      const { world, relay, url, chain, read, state } = await tenRead();
      relay.mirror(linesOf(chain.slice(10)));
      const following = read({ state }, () => Promise.resolve({ status: 200, body: utf8(answer) }));
      const codes = codesOf(await collect(world, following));
      expect(codes.slice(0, 1), answer).toEqual([answer === "{}" ? "relay-rewrote" : "relay-protocol"]);
      expect(following.state().relays[url]!.cursor).toBe(state.relays[url]!.cursor);
    }
  });
});
