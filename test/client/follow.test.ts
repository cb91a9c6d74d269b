import { describe, expect, it } from "vitest";
import { type Following, type FollowOptions, follow } from "../../src/client/follow.js";
import type { FollowItem } from "../../src/client/follow-item.js";
import { parseFollowState } from "../../src/client/follow-state.js";
import type { RelayMessage } from "../../src/protocol/messages.js";
import type { Acceptor } from "../simulation/acceptor.js";
import { Author, linesOf } from "../simulation/author.js";
import { World } from "../simulation/world.js";

function worldWith(relays = 2) {
  const world = new World({ relays });
  const author = new Author(
    world.random,
    world.acceptors.map(({ address }) => address),
  );
  return { world, author, urls: world.acceptors.map(({ url }) => url) };
}

/** Brings lines to a relay in frames that are small enough. */
function bring(acceptor: Acceptor, lines: readonly string[]): void {
  for (let i = 0; i < lines.length; i += 200) acceptor.mirror(lines.slice(i, i + 200));
}

/** All items; that no relay could be read to its end is no failure here. */
async function collect(world: World, following: Following): Promise<FollowItem[]> {
  const items: FollowItem[] = [];
  await world.clock.run(
    (async () => {
      try {
        for await (const item of following) items.push(item);
      } catch (error) {
        expect(problemsOf(items).map(({ code }) => code)).toContain((error as { code: string }).code);
      }
    })(),
  );
  return items;
}

/** Takes items until one is what is looked for. */
async function until(world: World, following: Following, wanted: (item: FollowItem) => boolean): Promise<FollowItem[]> {
  const items: FollowItem[] = [];
  for (;;) {
    const { value, done } = await world.clock.run(following.next());
    if (done === true) throw new Error(`it ended after ${items.length} items`);
    items.push(value);
    if (wanted(value)) return items;
  }
}

const eventsOf = (items: readonly FollowItem[]) => items.flatMap((item) => (item.type === "event" ? [item] : []));
const seqsOf = (items: readonly FollowItem[]) => eventsOf(items).map(({ event }) => event.event.seq);
const problemsOf = (items: readonly FollowItem[]) => items.flatMap((item) => (item.type === "problem" ? [item] : []));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

const read = (world: World, options: Omit<FollowOptions, "live">) =>
  follow({ ...options, live: false, mayDial: () => true }, world.ports);

describe("following several relays", () => {
  it("gives every event once and in the order of its chain, whichever relay had it", async () => {
    const { world, author, urls } = worldWith(3);
    const chain = author.chain(700);
    for (const [i, acceptor] of world.acceptors.entries()) {
      bring(acceptor, [author.genesis.line, ...linesOf(chain.slice(0, [700, 300, 1][i]))]);
    }
    const items = await collect(world, read(world, { relays: urls }));
    expect(seqsOf(items)).toEqual(upTo(700));
    expect(items.filter(({ type }) => type === "identity")).toHaveLength(1);
    expect(items.filter(({ type }) => type === "caught-up")).toHaveLength(3);
    expect(problemsOf(items)).toEqual([]);
  });

  it("goes on live, through a relay that is killed and comes back", async () => {
    const { world, author, urls } = worldWith(1);
    const [acceptor] = world.acceptors;
    const chain = author.chain(10);
    bring(acceptor!, [author.genesis.line, ...linesOf(chain.slice(0, 5))]);
    const following = follow({ relays: urls }, world.ports);
    const first = await until(world, following, ({ type }) => type === "caught-up");
    expect(seqsOf(first)).toEqual([0, 1, 2, 3, 4]);
    world.network.cut(urls[0]!);
    world.network.line(urls[0]!).refuses = true;
    bring(acceptor!, linesOf(chain.slice(5)));
    await world.clock.pass(60_000);
    world.network.line(urls[0]!).refuses = false;
    const rest = await until(world, following, (item) => item.type === "event" && item.event.event.seq === 9);
    expect(seqsOf(rest)).toEqual([5, 6, 7, 8, 9]);
    await world.clock.run(following.close());
  });

  it("one relay that is never reached stops nothing, and is told of once", async () => {
    const { world, author, urls } = worldWith(2);
    bring(world.acceptors[0]!, [author.genesis.line, ...linesOf(author.chain(5))]);
    world.network.line(urls[1]!).swallows = true;
    const items = await collect(world, read(world, { relays: urls }));
    expect(seqsOf(items)).toEqual(upTo(5));
    expect(problemsOf(items).map(({ relay, code }) => [relay, code])).toEqual([[urls[1], "relay-unreachable"]]);
  });

  it("filters", async () => {
    const { world, author, urls } = worldWith(1);
    const other = new Author(world.random, []);
    bring(world.acceptors[0]!, [
      author.genesis.line,
      ...linesOf(author.chain(6, (i) => ({ kind: i % 2 ? "a" : "b" }))),
    ]);
    bring(world.acceptors[0]!, [other.genesis.line, ...linesOf(other.chain(3))]);
    const mine = await collect(world, read(world, { relays: urls, filter: { dids: [other.did] } }));
    expect(eventsOf(mine).map(({ event }) => event.did)).toEqual([other.did, other.did, other.did]);
    const kinds = await collect(world, read(world, { relays: urls, filter: { kinds: ["a"] } }));
    expect(seqsOf(kinds)).toEqual([2, 4]);
    expect(problemsOf([...mine, ...kinds])).toEqual([]);
  });

  it("ends with the signal's reason, and leaves no timer running", async () => {
    const { world, urls } = worldWith(1);
    const abort = new AbortController();
    const following = follow({ relays: urls, signal: abort.signal }, world.ports);
    await until(world, following, ({ type }) => type === "caught-up");
    const next = following.next();
    const reason = new Error("enough");
    abort.abort(reason);
    expect(await world.clock.run(next.catch((error) => error))).toBe(reason);
  });

  it("gives nothing more once the signal aborts, whatever is queued; the state goes on behind the last item", async () => {
    const { world, author, urls } = worldWith(1);
    bring(world.acceptors[0]!, [author.genesis.line, ...linesOf(author.chain(100))]);
    const abort = new AbortController();
    const following = follow({ relays: urls, signal: abort.signal }, world.ports);
    const before = await until(world, following, (item) => item.type === "event" && item.event.event.seq === 9);
    abort.abort(new Error("enough"));
    await expect(following.next()).rejects.toThrow("enough");
    const rest = await collect(world, read(world, { relays: urls, state: following.state() }));
    expect([...seqsOf(before), ...seqsOf(rest)]).toEqual(upTo(100));
  });

  it("keeps few connections to the relays that authors name, however many they name", async () => {
    const { world, urls } = worldWith(1);
    const dialled = new Set<string>();
    const dial: typeof world.ports.dial = (url, options) => {
      dialled.add(url);
      return world.network.dial(url, options);
    };
    for (let i = 0; i < 12; i++) {
      const relays = Array.from({ length: 10 }, (_, j) => {
        return { url: `wss://r${i}-${j}.example`, stream: `${i}${j}`.padStart(16, "0") };
      });
      const author = new Author(world.random, relays);
      bring(world.acceptors[0]!, [author.genesis.line, ...linesOf(author.chain(5))]);
    }
    world.acceptors[0]!.onAnswer = (message, lines) => {
      if (message.t !== "entries") return message;
      const isHidden = (line: Uint8Array) => decode(line).includes('"seq":3,');
      const at = message.at.filter((_, i) => !isHidden(lines[i]!));
      (lines as Uint8Array[]).splice(0, lines.length, ...lines.filter((line) => !isHidden(line)));
      return { ...message, at };
    };
    const following = follow({ relays: urls, filter: { types: ["event"] } }, { ...world.ports, dial });
    let gaps = 0;
    await until(world, following, ({ type }) => type === "gap" && ++gaps === 12);
    expect([...dialled].filter((url) => /-[89]\.example$/.test(url))).toEqual([]);
    dialled.clear();
    await world.clock.pass(120_000);
    dialled.delete(urls[0]!);
    expect(dialled.size).toBe(16);
    await world.clock.run(following.close());
  });

  /** A follow of a relay that hides event 3 of an author who names these relays; what is dialled, and what is sent. */
  async function withGap(named: readonly string[], options: Partial<FollowOptions> = {}) {
    const world = new World({ relays: 1 });
    const [acceptor] = world.acceptors;
    const dialled: string[] = [];
    const sent: string[] = [];
    const dial: typeof world.ports.dial = async (url, options) => {
      dialled.push(url);
      const socket = await world.network.dial(url, options);
      const send = socket.send.bind(socket);
      socket.send = (message) => {
        if (url !== acceptor!.url) sent.push(decode(message));
        send(message);
      };
      return socket;
    };
    const relays = named.map((url, i) => ({ url, stream: `${i}`.padStart(16, "0") }));
    const author = new Author(world.random, relays);
    const chain = author.chain(6);
    bring(acceptor!, [author.genesis.line, ...linesOf(chain)]);
    acceptor!.onAnswer = (message, lines) => {
      if (message.t !== "entries") return message;
      const isHidden = (line: Uint8Array) => decode(line).includes('"seq":3,');
      const at = message.at.filter((_, i) => !isHidden(lines[i]!));
      (lines as Uint8Array[]).splice(0, lines.length, ...lines.filter((line) => !isHidden(line)));
      return { ...message, at };
    };
    const filter = { types: ["event" as const] };
    const start = () => follow({ relays: [acceptor!.url], filter, ...options }, { ...world.ports, dial });
    return { world, author, chain, dialled, sent, acceptor: acceptor!, start };
  }

  it("lets no author make it dial its own machine or network", async () => {
    const inside = [
      "127.0.0.1:8443",
      "localhost:1",
      "10.0.0.5",
      "[::1]:9",
      "[fd00::1]",
      "printer.local",
      "169.254.169.254",
    ];
    const { world, dialled, acceptor, start } = await withGap(inside.map((host) => `wss://${host}`));
    const following = start();
    await until(world, following, ({ type }) => type === "gap");
    expect([...new Set(dialled)]).toEqual([acceptor.url]);
    await world.clock.run(following.close());
  });

  it("asks all relays that an author names at once, and waits no longer than 15 s for them", async () => {
    const named = Array.from({ length: 8 }, (_, i) => `wss://r${i}.example`);
    const { world, dialled, start } = await withGap(named);
    for (const url of named) world.network.line(url).swallows = true;
    const following = start();
    const startMs = world.clock.monotonicMs();
    await until(world, following, ({ type }) => type === "gap");
    expect(world.clock.monotonicMs() - startMs).toBeLessThanOrEqual(15_100);
    expect(new Set(dialled).size).toBe(9);
    await world.clock.run(following.close());
  });

  it("never tells relays that authors name who is reading", async () => {
    const authLine = () => "the reader's own auth line";
    const { world, author, chain, sent, start } = await withGap(["wss://named.example"], { authLine });
    const guest = new World({ relays: 1 }).acceptors[0]!;
    const honest = guest.again();
    honest.mirror([author.genesis.line, ...linesOf(chain)]);
    world.network.listen("wss://named.example", honest.accept);
    const following = start();
    const items = await until(world, following, (item) => item.type === "event" && item.event.event.seq === 5);
    expect(seqsOf(items)).toEqual(upTo(6));
    expect(sent.filter((frame) => frame.includes('"t":"follow"'))).toHaveLength(1);
    expect(sent.filter((frame) => frame.includes("auth"))).toEqual([]);
    await world.clock.run(following.close());
  });

  it("marks what a later claim left behind", async () => {
    const { world, author, urls } = worldWith(1);
    const chain = author.chain(6);
    const claim = author.claim(2, chain[3]!.event);
    const more = author.notes(2, claim);
    bring(world.acceptors[0]!, [author.genesis.line, ...linesOf([...chain, claim, ...more])]);
    const items = await collect(world, read(world, { relays: urls }));
    const at = items.findIndex(({ type }) => type === "superseded");
    expect(items[at]).toMatchObject({ ids: [chain[4]!.id, chain[5]!.id], by: claim.id, did: author.did });
    expect(eventsOf(items.slice(at)).map(({ event }) => event.id)).toEqual([claim, ...more].map(({ id }) => id));
  });

  it("tells that a claim goes on from a branch that was left behind before", async () => {
    const { world, author, urls } = worldWith(2);
    const chain = author.chain(6);
    const claim = author.claim(2, chain[3]!.event);
    const back = author.claim(3, chain[5]!.event);
    const [a, b] = world.acceptors;
    bring(a!, [author.genesis.line, ...linesOf([...chain, claim])]);
    const following = follow({ relays: urls }, world.ports);
    await until(world, following, (item) => item.type === "event" && item.event.id === claim.id);
    bring(b!, [author.genesis.line, ...linesOf([...chain, back])]);
    world.network.cut(urls[1]!);
    const items = await until(world, following, (item) => item.type === "event" && item.event.id === back.id);
    expect(items.find(({ type }) => type === "superseded")).toMatchObject({
      ids: [claim.id],
      restored: [chain[4]!.id, chain[5]!.id],
      by: back.id,
    });
    expect(eventsOf(items).map(({ event }) => event.id)).toEqual([back.id]);
    await world.clock.run(following.close());
  });

  it("tells that an event was superseded before it arrived", async () => {
    const { world, author, urls } = worldWith(2);
    const chain = author.chain(6);
    const claim = author.claim(2, chain[3]!.event);
    bring(world.acceptors[0]!, [author.genesis.line, ...linesOf([...chain.slice(0, 4), claim])]);
    const following = follow({ relays: urls }, world.ports);
    await until(world, following, (item) => item.type === "event" && item.event.id === claim.id);
    bring(world.acceptors[1]!, [author.genesis.line, ...linesOf(chain)]);
    // A follower of the simulated relay is only woken by frames of its peers.
    world.network.cut(urls[1]!);
    const items = await until(world, following, (item) => item.type === "event" && item.event.id === chain[5]!.id);
    expect(eventsOf(items).map(({ superseded }) => superseded)).toEqual([true, true]);
    await world.clock.run(following.close());
  });

  it("says how the key of each event stands", async () => {
    const { world, author, urls } = worldWith(1);
    const chain = author.chain(4);
    bring(world.acceptors[0]!, [author.genesis.line, ...linesOf(chain)]);
    const rotate = author.rotate(chain[2]!);
    const claim = author.claim(2, chain[2]!.event);
    bring(world.acceptors[0]!, [rotate.line, claim.line]);
    const events = eventsOf(await collect(world, read(world, { relays: urls, filter: { types: ["event"] } })));
    expect(events.map(({ event, standing }) => [event.event.epoch, event.event.seq, standing])).toEqual([
      [1, 0, "retired"],
      [1, 1, "retired"],
      [1, 2, "retired"],
      [1, 3, "void"],
      [2, 3, "live"],
    ]);
  });

  it("takes relays 1 to 30, each once", () => {
    for (const relays of [[], ["ws://a", "ws://a"], Array.from({ length: 31 }, (_, i) => `ws://r${i}`)]) {
      expect(() => follow({ relays })).toThrow(expect.objectContaining({ code: "follow-relays" }));
    }
  });
});

describe("resuming (E4)", () => {
  it("from the state after any item gives exactly the rest, once", async () => {
    const { world, author, urls } = worldWith(2);
    const chain = author.chain(40, (i) => (i % 3 === 0 ? { to: [author.did] } : {}));
    bring(world.acceptors[0]!, [author.genesis.line, ...linesOf(chain)]);
    bring(world.acceptors[1]!, [author.genesis.line, ...linesOf(chain.slice(0, 25))]);
    const hidden = new Set(chain.flatMap(({ event }) => (event.to === undefined ? [] : [event.seq])));
    const visible = upTo(40).filter((seq) => !hidden.has(seq));
    for (let stopAfter = 1; stopAfter <= 40; stopAfter++) {
      const first = read(world, { relays: urls });
      const before: FollowItem[] = [];
      for (let i = 0; i < stopAfter; i++) {
        const { value, done } = await world.clock.run(first.next());
        if (done === true) break;
        before.push(value);
      }
      const state = parseFollowState(JSON.parse(JSON.stringify(first.state())));
      await world.clock.run(first.close());
      const after = await collect(world, read(world, { relays: urls, state }));
      expect([...seqsOf(before), ...seqsOf(after)], `after ${stopAfter}`).toEqual(visible);
      expect(problemsOf(after)).toEqual([]);
    }
  });

  it("reports stream-changed, cursor-ahead and cursor-mismatch, and never goes on silently", async () => {
    const { world, author, urls } = worldWith(1);
    const lines = [author.genesis.line, ...linesOf(author.chain(10))];
    bring(world.acceptors[0]!, lines);
    const first = read(world, { relays: urls });
    await collect(world, first);
    const state = first.state();
    const old = world.acceptors[0]!;
    const codes: string[] = [];
    const other = new Author(world.random, []);
    const rebuilds: [string | undefined, string[]][] = [
      [undefined, lines],
      [old.stream, lines.slice(0, 5)],
      [old.stream, [other.genesis.line, ...linesOf(other.chain(12))]],
    ];
    for (const [stream, content] of rebuilds) {
      const acceptor = old.again(stream);
      bring(acceptor, content);
      world.replaceRelay(0, acceptor);
      const items = await collect(world, read(world, { relays: urls, state }));
      expect(eventsOf(items)).toEqual([]);
      const [problem] = problemsOf(items);
      codes.push(problem!.code);
      expect(problem).toMatchObject({ relayIs: "stopped", details: { checkpoint: expect.any(String) } });
    }
    expect(codes).toEqual(["stream-changed", "cursor-ahead", "cursor-mismatch"]);
  });

  it("a live follow whose only relay must be stopped ends with that error", async () => {
    const { world, author, urls } = worldWith(1);
    bring(world.acceptors[0]!, [author.genesis.line, ...linesOf(author.chain(3))]);
    const following = follow({ relays: urls }, world.ports);
    await until(world, following, ({ type }) => type === "caught-up");
    world.replaceRelay(0, world.acceptors[0]!.again());
    const items: FollowItem[] = [];
    const error = await world.clock.run(
      (async () => {
        try {
          for await (const item of following) items.push(item);
        } catch (error) {
          return error;
        }
      })(),
    );
    expect(error).toMatchObject({ code: "stream-changed" });
    expect(problemsOf(items).map(({ code, relayIs }) => [code, relayIs])).toContainEqual(["stream-changed", "stopped"]);
  });
});

type Entries = RelayMessage & { t: "entries" };

/** Changes the frames that hold the event with this seq (at index `i`) on their way out. */
function tamper(
  acceptor: Acceptor,
  seq: number,
  change: (lines: Uint8Array[], message: Entries, i: number) => Entries,
) {
  acceptor.onAnswer = (message, lines) => {
    if (message.t !== "entries") return message;
    const i = lines.findIndex((line) => decode(line).includes(`"seq":${seq},`));
    return i < 0 ? message : change(lines as Uint8Array[], message, i);
  };
}

const decode = (line: Uint8Array) => new TextDecoder().decode(line);
const encode = (line: string) => new TextEncoder().encode(line);

/** Takes an entry out of a frame. */
function drop(lines: Uint8Array[], message: Entries, i: number): Entries {
  lines.splice(i, 1);
  return { ...message, at: message.at.filter((_, at) => at !== i) };
}

describe("a relay that lies", () => {
  const half = async (filter: FollowOptions["filter"] = {}) => {
    const { world, author, urls } = worldWith(2);
    const chain = author.chain(20);
    const [liar, honest] = world.acceptors;
    bring(liar!, [author.genesis.line, ...linesOf(chain.slice(0, 10))]);
    const first = read(world, { relays: [urls[0]!], filter });
    expect(seqsOf(await collect(world, first))).toEqual(upTo(10));
    bring(liar!, linesOf(chain.slice(10)));
    bring(honest!, [author.genesis.line, ...linesOf(chain)]);
    return { world, author, urls, chain, liar: liar!, state: first.state(), filter };
  };

  it("is caught by the next resume when it drops an entry, and the event is fetched from another relay", async () => {
    const { world, urls, liar, state } = await half();
    tamper(liar, 14, drop);
    const items = await collect(world, read(world, { relays: urls, state }));
    expect(problemsOf(items)[0]).toMatchObject({ relay: urls[0], code: "relay-omitted", relayIs: expect.any(String) });
    expect(seqsOf(items)).toEqual(upTo(20).slice(10));
  });

  it("is caught when it drops an entry and renumbers the rest", async () => {
    const { world, urls, liar, state } = await half();
    tamper(liar, 14, (lines, message, i) => {
      lines.splice(i, 1);
      return { ...message, at: message.at.slice(0, -1) };
    });
    const items = await collect(world, read(world, { relays: urls, state }));
    expect(problemsOf(items).map(({ code }) => code)).toContain("relay-omitted");
    expect(seqsOf(items)).toEqual(upTo(20).slice(10));
  });

  it("is caught when it swaps two entries", async () => {
    const { world, urls, liar, state } = await half();
    tamper(liar, 13, (lines, message, i) => {
      [lines[i], lines[i + 1]] = [lines[i + 1]!, lines[i]!];
      return message;
    });
    const items = await collect(world, read(world, { relays: urls, state }));
    expect(problemsOf(items).map(({ code }) => code)).toContain("relay-rewrote");
    expect(seqsOf(items)).toEqual(upTo(20).slice(10));
  });

  it("is caught when it edits an entry", async () => {
    const { world, urls, liar, state } = await half();
    tamper(liar, 12, (lines, message, i) => {
      lines[i] = encode(decode(lines[i]!).replace('"i":12', '"i":13'));
      return message;
    });
    const items = await collect(world, read(world, { relays: urls, state }));
    expect(problemsOf(items)[0]).toMatchObject({
      relay: urls[0],
      code: "relay-altered",
      details: { cause: "event-id" },
    });
    expect(seqsOf(items)).toEqual(upTo(20).slice(10));
  });

  it("is caught when it signs another entry in its place, as the author's key would", async () => {
    const { world, author, urls, chain, liar, state } = await half();
    const [forged] = author.notes(1, chain[11]!, () => ({ body: { forged: true } }));
    tamper(liar, 12, (lines, message, i) => {
      lines[i] = encode(forged!.line);
      return message;
    });
    const items = await collect(world, read(world, { relays: urls, state }));
    expect(problemsOf(items).map(({ code }) => code)).toContain("relay-rewrote");
  });

  it("is caught when somebody else's key signed an entry", async () => {
    const { world, author, urls, chain, liar, state } = await half();
    author.seed = world.random.bytes(32);
    const [forged] = author.notes(1, chain[11]!, () => ({ body: { forged: true } }));
    tamper(liar, 12, (lines, message, i) => {
      lines[i] = encode(forged!.line);
      return message;
    });
    const items = await collect(world, read(world, { relays: urls, state }));
    expect(problemsOf(items).map(({ code }) => code)).toContain("relay-altered");
    expect(eventsOf(items).some(({ event }) => event.id === forged!.id)).toBe(false);
    expect(seqsOf(items)).toEqual(upTo(20).slice(10));
  });

  it("does not move its cursor over what does not verify", async () => {
    const { world, urls, liar, state } = await half();
    tamper(liar, 13, (lines, message, i) => {
      [lines[i], lines[i + 1]] = [lines[i + 1]!, lines[i]!];
      return message;
    });
    const following = read(world, { relays: [urls[0]!], state });
    const items: FollowItem[] = [];
    for (let i = 0; i < 11; i++) items.push((await world.clock.run(following.next())).value);
    expect(problemsOf(items)).toHaveLength(1);
    expect(following.state().relays[urls[0]!]!.cursor).toBe(state.relays[urls[0]!]!.cursor);
    await world.clock.run(following.close());
  });

  it("is caught by a reader of one author when it hides an event, which is fetched from another relay", async () => {
    const { world, urls, liar, state, filter } = await half({ types: ["event"] });
    tamper(liar, 14, drop);
    for (const relays of [[urls[0]!], urls]) {
      const items = await collect(world, read(world, { relays, state, filter }));
      const [problem] = problemsOf(items);
      expect(problem).toMatchObject({ relay: urls[0], code: "relay-omitted", relayIs: "reading" });
      expect(problem!.details).toMatchObject({ fromSeq: 14, toSeq: 14 });
      expect(seqsOf(items)).toEqual(upTo(20).slice(10));
    }
  });

  it("is caught when it says that a public event may not be read", async () => {
    const { world, urls, chain, liar, state } = await half();
    tamper(liar, 14, (lines, message, i) => {
      const { id, did, seq } = chain[14]!.event;
      const at = message.at[i]!;
      return { ...drop(lines, message, i), withheld: [{ at, id, did, seq }] };
    });
    const items = await collect(world, read(world, { relays: urls, state }));
    expect(problemsOf(items)).toEqual([
      expect.objectContaining({ relay: urls[0], code: "relay-omitted", details: expect.objectContaining({ seq: 14 }) }),
    ]);
    expect(seqsOf(items).sort((a, b) => a - b)).toEqual(upTo(20).slice(10));
  });

  it("tells of a hole that nobody can fill, and goes on", async () => {
    const { world, author, urls } = worldWith(1);
    const chain = author.chain(10);
    bring(world.acceptors[0]!, [author.genesis.line, ...linesOf(chain)]);
    tamper(world.acceptors[0]!, 4, drop);
    const items = await collect(world, read(world, { relays: urls, filter: { dids: [author.did] } }));
    expect(seqsOf(items)).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9]);
    expect(items.filter(({ type }) => type === "gap")).toEqual([
      { type: "gap", did: author.did, fromSeq: 4, toSeq: 4 },
    ]);
  });

  it("that breaks the protocol is left, and the others go on", async () => {
    const { world, author, urls } = worldWith(2);
    bring(world.acceptors[1]!, [author.genesis.line, ...linesOf(author.chain(5))]);
    world.acceptors[0]!.onAnswer = (message) =>
      message.t === "caught-up" ? ({ t: "caught-up", ref: "x" } as never) : message;
    const following = follow({ relays: urls }, world.ports);
    const items = await until(world, following, (item) => item.type === "problem");
    expect(problemsOf(items)[0]).toMatchObject({ relay: urls[0], code: "relay-protocol" });
    const rest = [...items, ...(await until(world, following, (item) => item.type === "caught-up"))];
    expect(seqsOf(rest)).toEqual(upTo(5));
    await world.clock.run(following.close());
  });
});

describe("holding back", () => {
  it("a consumer that is slow makes the relay wait, and loses nothing", async () => {
    const { world, author, urls } = worldWith(1);
    const chain = author.chain(3_000, () => ({ body: { text: "x".repeat(4_000) } }));
    bring(world.acceptors[0]!, [author.genesis.line, ...linesOf(chain)]);
    const following = read(world, { relays: urls });
    const seqs: number[] = [];
    await world.clock.run(
      (async () => {
        for await (const item of following) {
          if (item.type === "event") seqs.push(item.event.event.seq);
          await world.clock.sleep(10);
        }
      })(),
      1e9,
    );
    expect(seqs).toEqual(upTo(3_000));
  });
});
