import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RefusedMessage } from "../../../src/protocol/messages.js";
import { Author, note } from "./author.js";
import { Wire } from "./wire.js";

let folder: string;
let data: string;
let backup: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ants-cursor-"));
  data = join(folder, "data");
  backup = join(folder, "backup");
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs a relay on the folder as it is, and closes it in order. */
async function withRelay<Result>(work: (relay: TestRelay) => Promise<Result>, config = {}): Promise<Result> {
  await using relay = await startTestRelay({ config: { data, ...config } });
  return await work(relay);
}

async function publish(relay: TestRelay, lines: readonly string[]): Promise<void> {
  await using wire = await Wire.open(relay.url);
  for (let i = 0; i < lines.length; i += 64) {
    expect(await wire.publish(lines.slice(i, i + 64), 1)).toMatchObject({ t: "ack" });
  }
}

async function cursorAtHead(relay: TestRelay): Promise<string> {
  await using wire = await Wire.open(relay.url);
  wire.send({ t: "follow", ref: 1, after: "head", live: false });
  return (await wire.next("ended")).message.cursor;
}

/** What a reader with this cursor is told, by socket, by HTTP and as an event stream: always the same. */
async function refusalOf(
  relay: TestRelay,
  cursor: string,
): Promise<Pick<RefusedMessage, "code" | "retryable" | "details">> {
  await using wire = await Wire.open(relay.url);
  wire.send({ t: "follow", ref: 5, after: cursor });
  const { message } = await wire.next("refused", "entries", "caught-up");
  if (message.t !== "refused") throw new Error(`the follow began: ${message.t}`);
  expect(message.ref).toBe(5);
  const { code, retryable, details } = message;
  const byPage = await fetch(`${relay.httpUrl}/entries?after=${cursor}&wait=20`);
  const headers = { accept: "text/event-stream", "last-event-id": cursor };
  const byStream = await fetch(`${relay.httpUrl}/entries`, { headers });
  for (const response of [byPage, byStream]) {
    expect(response.status).toBe(code === "cursor-pruned" ? 410 : 409);
    expect(await response.json()).toMatchObject({ t: "refused", code, retryable, details });
  }
  return { code, retryable, ...(details === undefined ? {} : { details }) };
}

describe("a cursor (N5)", () => {
  test("of a log that was deleted and begun anew: stream-changed", async () => {
    const author = new Author();
    const cursor = await withRelay(async (relay) => {
      await publish(relay, author.begin());
      return cursorAtHead(relay);
    });
    await rm(data, { recursive: true });
    await withRelay(async (relay) => {
      const { code, details } = await refusalOf(relay, cursor);
      expect({ code, details }).toMatchObject({ code: "stream-changed", details: { stream: relay.stream } });
    });
  });

  test("of a relay that was told to begin a new stream with the same entries: stream-changed", async () => {
    const author = new Author();
    const cursor = await withRelay(async (relay) => {
      await publish(relay, author.begin());
      return cursorAtHead(relay);
    });
    await withRelay(
      async (relay) => {
        expect(await refusalOf(relay, cursor)).toMatchObject({ code: "stream-changed" });
        expect(relay.position).toBe(2);
      },
      { newStream: true },
    );
  });

  test("beyond a log that was restored from an older copy: cursor-ahead", async () => {
    const author = new Author();
    await withRelay((relay) => publish(relay, author.begin()));
    await cp(data, backup, { recursive: true });
    const cursor = await withRelay(async (relay) => {
      await publish(relay, author.notes(5));
      return cursorAtHead(relay);
    });
    await rm(data, { recursive: true });
    await cp(backup, data, { recursive: true });
    await withRelay(async (relay) => {
      expect(await refusalOf(relay, cursor)).toMatchObject({ code: "cursor-ahead", details: { position: 2 } });
    });
  });

  test("of a history that went on differently from an older copy: cursor-mismatch", async () => {
    const author = new Author();
    await withRelay((relay) => publish(relay, author.begin()));
    await cp(data, backup, { recursive: true });
    const { head } = author;
    const cursor = await withRelay(async (relay) => {
      await publish(relay, author.notes(5));
      return cursorAtHead(relay);
    });
    await rm(data, { recursive: true });
    await cp(backup, data, { recursive: true });
    author.head = head;
    await withRelay(async (relay) => {
      await publish(relay, author.write([1, 2, 3, 4, 5, 6].map((n) => note(`another ${n}`))));
      expect(await refusalOf(relay, cursor)).toMatchObject({ code: "cursor-mismatch" });
    });
  });

  test("before entries whose segment was removed: cursor-pruned, unless a gap is allowed", async () => {
    const author = new Author();
    const segmentBytes = 2 ** 20;
    // A few hundred entries a segment: what the tree needs of removed ones is in its full tiles, 256 entries each.
    const text = "x".repeat(3_000);
    const cursor = await withRelay(
      async (relay) => {
        await publish(relay, author.begin());
        const early = await cursorAtHead(relay);
        for (let i = 0; i < 15; i++) {
          await publish(relay, author.write(Array.from({ length: 60 }, () => note(text))));
        }
        return early;
      },
      { segmentBytes },
    );
    const segments = (await readdir(join(data, "log"))).sort();
    expect(segments.length).toBeGreaterThan(2);
    await rm(join(data, "log", segments[0]!));
    const oldest = Number.parseInt(segments[1]!, 10);
    await withRelay(
      async (relay) => {
        for (const after of [cursor, `${relay.stream}.0.e3b0c442`, "start"]) {
          expect(await refusalOf(relay, after)).toMatchObject({ code: "cursor-pruned", details: { oldest } });
        }
        await using wire = await Wire.open(relay.url);
        wire.send({ t: "follow", ref: 1, after: cursor, allowGap: true });
        const { message } = await wire.next("entries");
        expect(message.at[0]).toBe(oldest);
        const response = await fetch(`${relay.httpUrl}/entries?after=${cursor}&allowGap=true&limit=1`);
        expect(JSON.parse((await response.text()).split("\n")[0]!)).toMatchObject({ t: "entries", at: [oldest] });
      },
      { segmentBytes },
    );
  });
});
