import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EntriesMessage, readRelayFrame } from "../../../src/protocol/messages.js";
import { Author, note } from "./author.js";
import { eventsOf } from "./event-source.js";
import { Wire } from "./wire.js";

/** Two filters that differ in a value which only hidden events have, and in one that no event has. */
const RULERS = [
  ["tags", "tag=pub&tag=secret", "tag=pub&tag=nowhere"],
  ["kinds", "kind=note&kind=deal", "kind=note&kind=nothing"],
] as const;

let relay: TestRelay;
const [author, friend, stranger] = [new Author(), new Author(), new Author()];
const hidden = (text: string) => note(text, { kind: "deal", tags: ["secret"], to: [friend.did] });
const visible = (text: string) => note(text, { tags: ["pub"] });

beforeAll(async () => {
  relay = await startTestRelay();
  await using wire = await Wire.open(relay.url);
  for (const agent of [friend, stranger]) await wire.publish(agent.begin(), 1);
  await wire.publish(author.begin(), 1);
  // More than a frame of small events, some of them hidden, then more than a frame of large ones.
  const small = (i: number) => (i % 10 === 3 ? hidden(`${i}`) : visible(`${i}`));
  for (let i = 0; i < 300; i += 100)
    await wire.publish(author.write(Array.from({ length: 100 }, (_, j) => small(i + j))), 1);
  const large = (i: number) => (i % 2 === 1 ? hidden : visible)("x".repeat(60_000 - 1_000 * (i % 5)));
  for (let i = 0; i < 45; i += 15)
    await wire.publish(author.write(Array.from({ length: 15 }, (_, j) => large(i + j))), 1);
  for (const to of [stranger, friend, stranger]) {
    const drafts = Array.from({ length: 200 }, (_, i) => note(`${i}`, { kind: "letter", to: [to.did] }));
    await wire.publish(author.write(drafts), 1);
  }
  await wire.publish(author.write([hidden("last")]), 1);
});

afterAll(() => relay.close());

describe.each(RULERS)("a filter by %s that matches hidden events as well", (_, withHidden, without) => {
  test.each([1, 2, 3, 7, 256])("ends each page of %i where it would end without them", async (limit) => {
    const after = await pages(`${without}&limit=${limit}`);
    expect(after.length).toBeGreaterThan(2);
    expect(await pages(`${withHidden}&limit=${limit}`)).toEqual(after);
  });

  test("cuts an event stream as it would be cut without them", async () => {
    const cuts = await streamed(without);
    expect(cuts.length).toBeGreaterThan(2);
    expect(await streamed(withHidden)).toEqual(cuts);
  });
});

test("the frames of a follow don't tell of events to others", async () => {
  const frames = await framesOf({ to: [stranger.did, author.did] });
  expect(frames.map(({ at }) => at.length)).toEqual([256, 144]);
  expect(await framesOf({ to: [stranger.did, friend.did] })).toEqual(frames);
});

/** Every page of a query up to the log's end. */
async function pages(query: string): Promise<Pick<EntriesMessage, "at" | "cursor">[]> {
  const all: Pick<EntriesMessage, "at" | "cursor">[] = [];
  for (let after = "start"; ; ) {
    const response = await fetch(`${relay.httpUrl}/entries?after=${after}&${query}`);
    const { message } = readRelayFrame(new Uint8Array(await response.arrayBuffer()));
    const { at, cursor, withheld } = message as EntriesMessage;
    expect(withheld).toBeUndefined();
    all.push({ at, cursor });
    if (at.length === 0) return all;
    after = cursor;
  }
}

/** The frames of an event stream up to the log's end. */
async function streamed(query: string): Promise<(readonly number[] | undefined)[]> {
  const stop = new AbortController();
  const response = await fetch(`${relay.httpUrl}/entries?${query}`, {
    headers: { accept: "text/event-stream" },
    signal: stop.signal,
  });
  const cuts: (readonly number[] | undefined)[] = [];
  for await (const { data } of eventsOf(response)) {
    const { t, at } = JSON.parse(data.split("\n")[0]!) as { t: string; at?: number[] };
    if (t === "caught-up") break;
    cuts.push(at);
  }
  stop.abort();
  return cuts;
}

async function framesOf(filter: object): Promise<Pick<EntriesMessage, "at" | "cursor">[]> {
  await using wire = await Wire.open(relay.url);
  await wire.authenticate(stranger);
  wire.send({ t: "follow", ref: 1, after: "start", live: false, filter });
  const all: Pick<EntriesMessage, "at" | "cursor">[] = [];
  for (;;) {
    const { message } = await wire.next("entries", "ended");
    if (message.t !== "entries") return all;
    expect(message.withheld).toBeUndefined();
    all.push({ at: message.at, cursor: message.cursor });
  }
}
