import { describe, expect, it } from "vitest";
import { type Following, type FollowOptions, follow } from "../../src/client/follow.js";
import type { FollowItem } from "../../src/client/follow-item.js";
import type { SignedEvent } from "../../src/protocol/batch.js";
import type { Event } from "../../src/protocol/event.js";
import type { RelayMessage } from "../../src/protocol/messages.js";
import type { Acceptor } from "../simulation/acceptor.js";
import { Author, linesOf } from "../simulation/author.js";
import { World } from "../simulation/world.js";

/** Every third event is addressed to somebody else: the reader learns id and place only. */
const isHidden = (seq: number) => seq > 0 && seq % 3 === 0;
const HALF = 20;
const ALL = 40;

/** An author's chain, half of it read from a relay that then begins to lie, all of it on an honest one. */
async function halfRead() {
  const world = new World({ relays: 2 });
  const author = new Author(
    world.random,
    world.acceptors.map(({ address }) => address),
  );
  const to = [new Author(world.random, []).did];
  const chain = author.chain(ALL, (i) => (isHidden(i + 1) ? { to } : {}));
  const [liar, honest] = world.acceptors;
  liar!.mirror([author.genesis.line, ...linesOf(chain.slice(0, HALF))]);
  const first = read(world, { relays: [liar!.url] });
  expect(seqsOf(await collect(world, first))).toEqual(visible(0, HALF));
  honest!.mirror([author.genesis.line, ...linesOf(chain)]);
  return { world, author, chain, liar: liar!, urls: [liar!.url, honest!.url], state: first.state() };
}

const read = (world: World, options: Omit<FollowOptions, "live">) =>
  follow({ ...options, live: false, mayDial: () => true }, world.ports);

/** All items; where no relay can be read to its end, its problem is the error. */
async function collect(world: World, following: Following): Promise<FollowItem[]> {
  const items: FollowItem[] = [];
  const reading = async () => {
    for await (const item of following) items.push(item);
  };
  await world.clock.run(reading().catch((error) => expect(codesOf(items)).toContain(error.code)));
  return items;
}

const visible = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => from + i).filter((seq) => !isHidden(seq));
const seqsOf = (items: readonly FollowItem[]) =>
  items.flatMap((item) => (item.type === "event" ? [item.event.event.seq] : []));
const codesOf = (items: readonly FollowItem[], relay?: string) =>
  items.flatMap((item) => (item.type === "problem" && (relay ?? item.relay) === item.relay ? [item.code] : []));

/** Signs another event for a place, with the author's own key, that nobody may read if the old one could not be. */
function resigned(author: Author, chain: readonly SignedEvent[], seq: number): SignedEvent {
  const { to } = chain[seq]!.event;
  const [event] = author.notes(1, chain[seq - 1]!, () => ({
    body: { forged: true },
    ...(to === undefined ? {} : { to }),
  }));
  return event!;
}

describe("a relay that rewrote what was read already, with hidden entries in between (N6)", () => {
  type Rewrite = (lines: string[], seq: number, forged: string) => void;
  const rewrites: Record<string, Rewrite> = {
    drops: (lines, seq) => lines.splice(seq + 1, 1),
    "swaps two": (lines, seq) => {
      [lines[seq + 1], lines[seq + 2]] = [lines[seq + 2]!, lines[seq + 1]!];
    },
    "re-signs": (lines, seq, forged) => {
      lines[seq + 1] = forged;
    },
    "adds one to": (lines, seq, forged) => lines.splice(seq + 1, 0, forged),
  };
  for (const [name, rewrite] of Object.entries(rewrites)) {
    for (const [seq, kind] of [
      [7, "a public"],
      [9, "a hidden"],
    ] as const) {
      it(`${name}: ${kind} entry`, async () => {
        const { world, author, chain, liar, urls, state } = await halfRead();
        const lines = [author.genesis.line, ...linesOf(chain)];
        rewrite(lines, seq, resigned(author, chain, seq).line);
        const other = liar.again(liar.stream);
        other.forge(lines);
        other.isTrusting = true;
        world.replaceRelay(0, other);
        const items = await collect(world, read(world, { relays: urls, state }));
        expect(codesOf(items, liar.url)).toEqual(["relay-rewrote"]);
        expect(seqsOf(items)).toEqual(visible(HALF, ALL));

        const alone = read(world, { relays: [liar.url], state });
        await collect(world, alone);
        expect(alone.state().relays[liar.url]!.cursor).toBe(state.relays[liar.url]!.cursor);
      });
    }
  }
});

type Entries = RelayMessage & { t: "entries" };

describe("a relay that alters what it serves next, with hidden entries in between (N6, I7)", () => {
  /** Changes a frame that holds seq 20 to 39; index `i` of the public event, `h` of the hidden one. */
  type Change = (frame: {
    lines: Uint8Array[];
    message: Entries;
    i: number;
    h: number;
    forged: SignedEvent;
  }) => Entries;
  const changes: Record<string, { readonly change: Change; readonly codes: readonly string[] }> = {
    "drops a public entry": {
      change: ({ lines, message, i }) => {
        lines.splice(i, 1);
        return { ...message, at: message.at.filter((_, at) => at !== i) };
      },
      codes: ["relay-omitted"],
    },
    "drops a hidden entry": {
      change: ({ message, h }) => ({ ...message, withheld: message.withheld!.filter((_, at) => at !== h) }),
      codes: ["relay-omitted"],
    },
    "swaps two public entries": {
      change: ({ lines, message, i }) => {
        [lines[i], lines[i + 1]] = [lines[i + 1]!, lines[i]!];
        return message;
      },
      codes: ["relay-rewrote"],
    },
    "swaps two hidden entries": {
      change: ({ message, h }) => {
        const withheld = message.withheld!.map((each) => ({ ...each }));
        const [a, b] = [withheld[h]!, withheld[h + 1]!];
        withheld[h] = { ...b, at: a.at };
        withheld[h + 1] = { ...a, at: b.at };
        return { ...message, withheld };
      },
      codes: ["relay-rewrote"],
    },
    "edits a public entry": {
      change: ({ lines, message, i }) => {
        const line = new TextDecoder().decode(lines[i]);
        lines[i] = new TextEncoder().encode(line.replace(/"i":\d+/, '"i":999'));
        return message;
      },
      codes: ["relay-altered"],
    },
    "re-signs a public entry with the author's key": {
      change: ({ lines, message, i, forged }) => {
        lines[i] = new TextEncoder().encode(forged.line);
        return message;
      },
      codes: ["relay-rewrote"],
    },
    "puts another id in the place of a hidden entry": {
      change: ({ message, h, forged }) => {
        const withheld = message.withheld!.map((each, at) => (at === h ? { ...each, id: forged.id } : each));
        return { ...message, withheld };
      },
      codes: ["relay-rewrote"],
    },
  };
  for (const [name, { change, codes }] of Object.entries(changes)) {
    it(name, async () => {
      const { world, author, chain, liar, urls, state } = await halfRead();
      liar.mirror(linesOf(chain.slice(HALF)));
      const forged = resigned(author, chain, 25);
      liar.onAnswer = (message, lines) => {
        if (message.t !== "entries") return message;
        const i = lines.findIndex((line) => new TextDecoder().decode(line).includes('"seq":25,'));
        const h = message.withheld?.findIndex(({ seq }) => seq === 27) ?? -1;
        return i < 0 || h < 0 ? message : change({ lines: lines as Uint8Array[], message, i, h, forged });
      };
      const items = await collect(world, read(world, { relays: urls, state }));
      expect(codesOf(items, liar.url).slice(0, 1)).toEqual(codes);
      const seqs = seqsOf(items).filter((seq, i, all) => all.indexOf(seq) === i);
      expect(seqs).toEqual(visible(HALF, ALL));
      expect(items.flatMap((item) => (item.type === "problem" ? [item.relay] : []))).not.toContain(urls[1]);

      const alone = read(world, { relays: [liar.url], state });
      await collect(world, alone);
      expect(alone.state().relays[liar.url]!.cursor).toBe(state.relays[liar.url]!.cursor);
    });
  }
});

it("a relay is held to its signatures also for events that another relay gave before: verified first, then deduped", async () => {
  const { world, author, chain, liar, urls } = await halfRead();
  liar.mirror(linesOf(chain.slice(HALF)));
  liar.onAnswer = (message, lines) => {
    if (message.t !== "entries") return message;
    const i = lines.findIndex((line) => new TextDecoder().decode(line).includes('"seq":25,'));
    if (i < 0) return message;
    // The id does not cover the signature: of another event, it leaves the id as it was.
    const other = JSON.parse(linesOf([author.notes(1, chain[30]!)[0]!])[0]!) as { sig: string };
    const line = new TextDecoder().decode(lines[i]);
    (lines as Uint8Array[])[i] = new TextEncoder().encode(line.replace(/"sig":"[^"]*"/, `"sig":"${other.sig}"`));
    return message;
  };
  world.network.line(liar.url).delayMs = 500;
  const items = await collect(world, read(world, { relays: urls }));
  const given = items.findIndex((item) => item.type === "event" && item.event.event.seq === 25);
  const told = items.findIndex(({ type }) => type === "problem");
  expect(given).toBeGreaterThan(-1);
  expect(told).toBeGreaterThan(given);
  expect(items[told]).toMatchObject({ relay: liar.url, code: "relay-altered" });
  expect(seqsOf(items)).toEqual(visible(0, ALL));
});

describe("a relay that hides one event of one author (N7)", () => {
  it("hides it in vain also where the honest relay is only reached after the gap was told of", async () => {
    const { world, chain, liar, urls } = await halfRead();
    liar.mirror(linesOf(chain.slice(HALF)));
    liar.onAnswer = (message, lines) => {
      if (message.t !== "entries") return message;
      const i = lines.findIndex((line) => new TextDecoder().decode(line).includes('"seq":25,'));
      if (i >= 0) (lines as Uint8Array[]).splice(i, 1);
      return { ...message, at: message.at.filter((_, at) => at !== i) };
    };
    world.network.line(urls[1]!).refuses = true;
    const following = follow({ relays: urls, filter: { types: ["event"] }, mayDial: () => true }, world.ports);
    const seqs: number[] = [];
    const gaps: FollowItem[] = [];
    while (!seqs.includes(25)) {
      const { value } = (await world.clock.run(following.next())) as { value: FollowItem };
      if (value.type === "event") seqs.push(value.event.event.seq);
      if (value.type === "gap") gaps.push(value);
      if (seqs.includes(ALL - 2)) world.network.line(urls[1]!).refuses = false;
    }
    expect(gaps).toMatchObject([{ fromSeq: 25, toSeq: 25 }]);
    expect(seqs).toEqual([...visible(0, ALL).filter((seq) => seq !== 25), 25]);
    await world.clock.run(following.close());
  });

  for (const filter of [{}, { types: ["event" as const] }]) {
    const reader = filter.types === undefined ? "of everything" : "with a filter";
    it(`is caught by a reader ${reader}, which gets the event from another relay, in its place`, async () => {
      const { world, chain, liar, urls, author } = await halfRead();
      const other = new Author(world.random, []);
      const neighbours = other.chain(10);
      for (const acceptor of world.acceptors) acceptor.mirror([other.genesis.line, ...linesOf(neighbours)]);
      liar.mirror(linesOf(chain.slice(HALF)));
      const isIt = (line: Uint8Array) => new TextDecoder().decode(line).includes(`"id":"${chain[25]!.id}"`);
      liar.onAnswer = (message, lines) => {
        if (message.t !== "entries") return message;
        const at = message.at.filter((_, i) => !isIt(lines[i]!));
        (lines as Uint8Array[]).splice(0, lines.length, ...lines.filter((line) => !isIt(line)));
        return { ...message, at };
      };
      const items = await collect(world, read(world, { relays: urls, filter }));
      expect(codesOf(items, liar.url)).toEqual(["relay-omitted"]);
      const events = items.flatMap((item) => (item.type === "event" ? [item] : []));
      const of = (did: string) => events.filter(({ event }) => event.did === did).map(({ event }) => event.event.seq);
      expect(of(author.did)).toEqual(visible(0, ALL));
      expect(of(other.did)).toEqual(Array.from({ length: 10 }, (_, seq) => seq));
      expect(items.some(({ type }) => type === "gap")).toBe(false);
    });
  }
});

describe("a fast relay that withholds public events", () => {
  /** Says of some seqs that they are addressed to somebody else. */
  const withholding =
    (hidden: readonly number[], idOf: (event: { id: string; seq: number }) => string): Acceptor["onAnswer"] =>
    (message, lines) => {
      if (message.t !== "entries") return message;
      const parsed = lines.map((line) => JSON.parse(new TextDecoder().decode(line)) as Event);
      const isHiddenHere = parsed.map(({ type, seq }) => (type as string) === "event" && hidden.includes(seq));
      const at = message.at.filter((_, i) => !isHiddenHere[i]);
      const withheld = parsed.flatMap((event, i) =>
        isHiddenHere[i] ? [{ at: message.at[i]!, id: idOf(event), did: event.did, seq: event.seq }] : [],
      );
      const shown = lines.filter((_, i) => !isHiddenHere[i]);
      (lines as Uint8Array[]).splice(0, lines.length, ...shown);
      return { ...message, at, withheld };
    };

  for (const [name, idOf] of [
    ["truly", ({ id }: { id: string }) => id],
    ["with a made-up id for all but the last", ({ id, seq }) => (seq === 4 ? id : "ab".repeat(32))],
  ] as [string, Parameters<typeof withholding>[1]][]) {
    it(`named ${name}: they come late, and on the chain`, async () => {
      const world = new World({ relays: 2 });
      const [liar, honest] = world.acceptors;
      const author = new Author(world.random, []);
      const chain = author.chain(8);
      for (const acceptor of [liar!, honest!]) acceptor.mirror([author.genesis.line, ...linesOf(chain)]);
      liar!.onAnswer = withholding([2, 3, 4], idOf);
      world.network.line(honest!.url).delayMs = 500;
      const items = await collect(
        world,
        read(world, { relays: [liar!.url, honest!.url], filter: { types: ["event"] } }),
      );
      const events = items.flatMap((item) => (item.type === "event" ? [item] : []));
      expect(events.map(({ event }) => event.event.seq)).toEqual([0, 1, 5, 6, 7, 2, 3, 4]);
      expect(events.filter(({ superseded }) => superseded)).toEqual([]);
      expect(codesOf(items, liar!.url)).toContain("relay-omitted");
    });
  }
});
