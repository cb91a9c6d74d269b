import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromHex, utf8 } from "../../keys/bytes.js";
import { Frontier } from "../../keys/merkle/frontier.js";
import { leafHash } from "../../keys/merkle/hashes.js";
import { formatCursor } from "../../src/protocol/cursor.js";
import { type EntriesMessage, type ReceivedFrame, readRelayFrame } from "../../src/protocol/messages.js";
import { Author, note } from "../relay/server/author.js";
import { eventsOf } from "../relay/server/event-source.js";
import { Wire } from "../relay/server/wire.js";

const ENTRIES = 1_000;
/** Every tenth cursor is also read with a new connection for each frame. */
const RECONNECT_EVERY = 10;

interface Stored {
  readonly line: string;
  readonly id: string;
  readonly did: string;
  readonly seq: number;
  readonly isAddressed: boolean;
}

let relay: TestRelay;
const author = new Author();
const friend = new Author();
/** The log as it must be: entry i is at position i + 1. */
const log: Stored[] = [];
/** Cursor i is after position i. Computed here, from the ids alone. */
const cursors: string[] = [];

beforeAll(async () => {
  relay = await startTestRelay();
  await using wire = await Wire.open(relay.url);
  const first = friend.begin();
  await wire.publish(first, 1);
  const lines = [...first, author.genesis.line, author.claim()];
  await wire.publish(lines.slice(2), 1);
  while (lines.length < ENTRIES) {
    const count = Math.min(50, ENTRIES - lines.length);
    // 3 of 10, in no pattern that frames or pages could follow.
    const isAddressed = (i: number) => (i * 7 + (i >> 3)) % 10 < 3;
    const drafts = Array.from({ length: count }, (_, i) => {
      const n = lines.length + i;
      return note(`entry ${n}`, isAddressed(n) ? { to: [friend.did] } : {});
    });
    const batch = author.write(drafts);
    await wire.publish(batch, 1);
    lines.push(...batch);
  }
  const frontier = Frontier.empty();
  cursors.push(formatCursor({ stream: relay.stream, position: 0, root: frontier.root() }));
  for (const line of lines) {
    const entry = JSON.parse(line) as { id?: string; did?: string; seq?: number; to?: string[] };
    const { id = [author, friend].find(({ genesis }) => genesis.line === line)!.genesis.hash } = entry;
    log.push({ line, id, did: entry.did ?? "", seq: entry.seq ?? 0, isAddressed: entry.to !== undefined });
    frontier.append(leafHash(fromHex(id)));
    cursors.push(formatCursor({ stream: relay.stream, position: log.length, root: frontier.root() }));
  }
  expect(log).toHaveLength(ENTRIES);
  expect(log.filter((entry) => entry.isAddressed).length / ENTRIES).toBeCloseTo(0.3, 1);
});

afterAll(async () => {
  await relay.close();
});

/** Takes frames of a reader who began after a position, and checks each against the log: in order, once, complete. */
class Expectation {
  position: number;
  readonly #seesAll: boolean;

  constructor(after: number, seesAll: boolean) {
    this.position = after;
    this.#seesAll = seesAll;
  }

  take({ message, entries }: ReceivedFrame<EntriesMessage>): void {
    const { at, withheld = [], cursor } = message;
    const until = this.position + entries.length + withheld.length;
    const expected = log.slice(this.position, until).map((entry, i) => ({ ...entry, at: this.position + 1 + i }));
    const visible = expected.filter(({ isAddressed }) => this.#seesAll || !isAddressed);
    expect(at).toEqual(visible.map((entry) => entry.at));
    for (const [i, { line }] of visible.entries())
      if (!Buffer.from(line).equals(entries[i]!)) expect(entries[i]).toBe(line);
    const hidden = expected.filter(({ isAddressed }) => !this.#seesAll && isAddressed);
    expect(withheld).toEqual(hidden.map(({ at, id, did, seq }) => ({ at, id, did, seq })));
    this.position = until;
    expect(cursor).toBe(cursors[until]);
  }

  end(cursor: string): void {
    expect(this.position).toBe(ENTRIES);
    expect(cursor).toBe(cursors[ENTRIES]);
  }
}

const isEntries = (frame: ReturnType<typeof readRelayFrame>): frame is ReceivedFrame<EntriesMessage> =>
  frame.message.t === "entries";

describe(`each of the ${ENTRIES + 1} cursors of a log with 30 % addressed events (N4, E4)`, () => {
  test.each([
    ["anyone", false],
    ["a recipient", true],
  ])("resumes to exactly the rest by socket, for %s", async (_, seesAll) => {
    await using wire = await Wire.open(relay.url);
    if (seesAll) await wire.authenticate(friend);
    const open = new Map<number, Expectation>();
    let ref = 0;
    let done = 0;
    while (done <= ENTRIES) {
      for (; ref <= ENTRIES && open.size < 64; ref++) {
        open.set(ref, new Expectation(ref, seesAll));
        wire.send({ t: "follow", ref, after: cursors[ref], live: false });
      }
      const frame = await wire.next("entries", "ended", "refused");
      const { message } = frame;
      expect(message.t).not.toBe("refused");
      const expectation = open.get(message.ref!)!;
      if (isEntries(frame)) expectation.take(frame);
      if (message.t !== "ended") continue;
      expectation.end(message.cursor);
      open.delete(message.ref);
      done++;
    }
  });

  test("resumes by socket with a new connection after each frame", async () => {
    for (let start = 0; start <= ENTRIES; start += RECONNECT_EVERY) {
      const expectation = new Expectation(start, false);
      let after = cursors[start];
      while (expectation.position < ENTRIES) {
        await using wire = await Wire.open(relay.url);
        wire.send({ t: "follow", ref: 1, after });
        const frame = await wire.next("entries");
        expectation.take(frame);
        after = frame.message.cursor;
      }
    }
  });

  test("resumes to exactly the rest by long poll", async () => {
    for (let start = 0; start <= ENTRIES; start++) {
      const expectation = new Expectation(start, false);
      let after = cursors[start]!;
      for (;;) {
        const wait = expectation.position < ENTRIES ? "&wait=30" : "";
        const response = await fetch(`${relay.httpUrl}/entries?after=${after}${wait}`);
        const frame = readRelayFrame(new Uint8Array(await response.arrayBuffer()));
        if (!isEntries(frame)) throw new Error(`answered ${frame.message.t}`);
        if (frame.entries.length === 0 && frame.message.withheld === undefined) break;
        expectation.take(frame);
        after = frame.message.cursor;
      }
      expectation.end(after);
    }
  });

  test("resumes to exactly the rest by event stream with Last-Event-ID", async () => {
    for (let start = 0; start <= ENTRIES; start++) {
      const expectation = new Expectation(start, false);
      let lastId = cursors[start]!;
      const reconnects = start % RECONNECT_EVERY === 0;
      while (expectation.position < ENTRIES) {
        const headers = { accept: "text/event-stream", "last-event-id": lastId };
        const leave = new AbortController();
        const response = await fetch(`${relay.httpUrl}/entries?after=start`, { headers, signal: leave.signal });
        for await (const { id, data } of eventsOf(response)) {
          const frame = readRelayFrame(utf8(data));
          lastId = id;
          if (isEntries(frame)) expectation.take(frame);
          if (frame.message.t === "caught-up" || reconnects) break;
        }
        leave.abort();
      }
      expectation.end(lastId);
    }
  });
});
