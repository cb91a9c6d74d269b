import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromBase64url, fromHex, fromUtf8, utf8 } from "../../../keys/bytes.js";
import { leafHash } from "../../../keys/merkle/hashes.js";
import { verifyConsistency, verifyInclusion } from "../../../keys/merkle/proof.js";
import { verifyCheckpoint } from "../../../src/protocol/checkpoint.js";
import { pruneEvent } from "../../../src/protocol/event.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { type EntriesMessage, readRelayFrame } from "../../../src/protocol/messages.js";
import { Author, note } from "./author.js";
import { eventsOf } from "./event-source.js";
import { Wire } from "./wire.js";

let relay: TestRelay;
const author = new Author();
const lines = [...author.begin(), ...author.notes(8)];

beforeAll(async () => {
  relay = await startTestRelay();
  const response = await post("/entries", encodeFrame({ t: "publish", ref: 0, epoch: 1 }, lines));
  expect(response.status).toBe(200);
});

afterAll(async () => {
  await relay.close();
});

const get = (path: string, init?: RequestInit) => fetch(`${relay.httpUrl}${path}`, init);
const post = (path: string, body: Uint8Array | string) =>
  fetch(`${relay.httpUrl}${path}`, { method: "POST", body: body as Uint8Array<ArrayBuffer> });

async function entriesAt(path: string): Promise<{ message: EntriesMessage; lines: string[] }> {
  const { message, entries } = readRelayFrame(new Uint8Array(await (await get(path)).arrayBuffer()));
  if (message.t !== "entries") throw new Error(`${path} answered ${message.t}`);
  return { message, lines: entries.map((entry) => fromUtf8(entry)) };
}

async function refusalOf(response: Response): Promise<{ status: number; code: string }> {
  const { t, code } = (await response.json()) as { t: string; code: string };
  expect(t).toBe("refused");
  return { status: response.status, code };
}

describe("POST /entries", () => {
  test("takes a publish frame and answers with ack or refused", async () => {
    const more = new Author();
    const frame = encodeFrame({ t: "publish", ref: 3, epoch: 1 }, more.begin());
    const response = await post("/entries", frame);
    expect(response.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    expect(await response.json()).toMatchObject({ t: "ack", ref: 3, at: [expect.any(Number), expect.any(Number)] });
    more.notes(1);
    const gap = await post("/entries", encodeFrame({ t: "publish", ref: 4, epoch: 1 }, more.notes(1)));
    expect(gap.status).toBe(409);
    expect(await gap.json()).toMatchObject({ t: "refused", ref: 4, i: 0, code: "gap" });
  });

  test.each([
    ["nothing", "", 400, "bad-frame"],
    ["no JSON", "hello\n", 400, "bad-frame"],
    ["another message", '{"t":"follow","ref":1,"after":"start"}\n', 400, "bad-message"],
    ["no entries", '{"t":"publish","ref":1}\n', 400, "bad-message"],
    ["a line that is no entry", '{"t":"publish","ref":1}\n{"type":"x"}\n', 400, "entry-type"],
    ["a body that is too long", "x".repeat(2 ** 20 + 1), 413, "too-large"],
  ])("refuses %s", async (_, body, status, code) => {
    expect(await refusalOf(await post("/entries", body))).toEqual({ status, code });
  });

  test("refuses a body that grows too long without having said so", async () => {
    const chunk = new Uint8Array(64 * 1024);
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(chunk);
        controller.close();
      },
    });
    const response = await fetch(`${relay.httpUrl}/entries`, { method: "POST", body, duplex: "half" } as RequestInit);
    expect(await refusalOf(response)).toEqual({ status: 413, code: "too-large" });
  });
});

describe("GET /entries", () => {
  test("gives pages that join into the log", async () => {
    const all: string[] = [];
    let after = "start";
    for (;;) {
      const page = await entriesAt(`/entries?after=${after}&limit=3&did=${author.did}`);
      if (page.lines.length === 0) break;
      expect(page.lines.length).toBeLessThanOrEqual(3);
      all.push(...page.lines);
      after = page.message.cursor;
    }
    expect(all).toEqual(lines);
  });

  test("filters by author, kind, recipient, tag and type", async () => {
    const other = new Author();
    const tagged = other.write([note("1", { tags: ["a"] }), note("2", { tags: ["b"], kind: "task" })]);
    // The claim comes first in the chain.
    expect(tagged).toHaveLength(2);
    const fresh = new Author();
    await post("/entries", encodeFrame({ t: "publish", ref: 0, epoch: 1 }, fresh.begin()));
    const events = fresh.write([note("1", { tags: ["a"] }), note("2", { tags: ["b"], kind: "task" })]);
    await post("/entries", encodeFrame({ t: "publish", ref: 0, epoch: 1 }, events));
    const found = async (query: string) => (await entriesAt(`/entries?did=${fresh.did}&${query}`)).lines;
    expect(await found("tag=a")).toEqual([events[0]]);
    expect(await found("kind=task")).toEqual([events[1]]);
    expect(await found("tag=a&tag=b")).toEqual(events);
    expect(await found("tag=a&kind=task")).toEqual([]);
    expect(await found("type=identity")).toEqual([fresh.genesis.line]);
  });

  test("with a wait answers as soon as there is something, or when the time is over", async () => {
    const { message } = await entriesAt("/entries?after=head");
    const late = new Author();
    const waiting = entriesAt(`/entries?after=${message.cursor}&wait=20&did=${late.did}`);
    // Does not match, and must not end the wait.
    await post("/entries", encodeFrame({ t: "publish", ref: 0, epoch: 1 }, author.notes(1)));
    await post("/entries", encodeFrame({ t: "publish", ref: 0, epoch: 1 }, late.begin()));
    expect((await waiting).lines).toHaveLength(2);
    const nothing = await entriesAt("/entries?after=head&wait=1");
    expect(nothing.lines).toEqual([]);
  });

  test.each([
    ["limit=0", "bad-request"],
    ["limit=257", "bad-request"],
    ["limit=x", "bad-request"],
    ["wait=31", "bad-request"],
    ["kinds=note", "bad-request"],
    ["kind=NOTE", "bad-filter"],
    ["after=yesterday", "cursor-syntax"],
    ["after=0123456789abcdef.0.e3b0c442", "stream-changed"],
  ])("refuses ?%s", async (query, code) => {
    const { status, code: got } = await refusalOf(await get(`/entries?${query}`));
    expect(got).toBe(code);
    expect(status).toBe(code === "stream-changed" ? 409 : 400);
  });
});

describe("GET /entries as an event stream", () => {
  test("gives frames whose ids are cursors", async () => {
    const response = await get(`/entries?limit=4&did=${author.did}`, { headers: { accept: "text/event-stream" } });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const got: string[] = [];
    for await (const { id, data } of eventsOf(response)) {
      const { message, entries } = readRelayFrame(utf8(data));
      if (message.t === "entries") {
        expect(message.cursor).toBe(id);
        got.push(...entries.map((entry) => fromUtf8(entry)));
      }
      if (message.t === "caught-up") break;
    }
    expect(got.slice(0, lines.length)).toEqual(lines);
  });

  test("refuses a bad cursor before it begins", async () => {
    const headers = { accept: "text/event-stream", "last-event-id": "0123456789abcdef.7.00000000" };
    expect(await refusalOf(await get("/entries", { headers }))).toEqual({ status: 409, code: "stream-changed" });
  });
});

describe("GET /agents/<did>", () => {
  test("gives identity, head and chain", async () => {
    expect(await (await get(`/agents/${author.did}/identity`)).text()).toBe(`${author.genesis.line}\n`);
    const head = (await (await get(`/agents/${author.did}/head`)).json()) as object;
    const { hash: identity, operation } = author.genesis;
    // It names another relay than this one.
    expect(head).toEqual({ promised: 1, head: author.head, identity, forward: operation.relays });
    const chain = await entriesAt(`/agents/${author.did}/entries?from=3&limit=4`);
    expect(chain.lines).toEqual(lines.slice(4, 8));
    expect(await (await get(`/agents/${author.did}/forks`)).text()).toBe("");
  });

  test("of a stranger is not found, of something else no DID", async () => {
    const { did } = new Author();
    for (const what of ["identity", "head", "entries", "forks"]) {
      expect(await refusalOf(await get(`/agents/${did}/${what}`))).toEqual({ status: 404, code: "not-found" });
      expect(await refusalOf(await get(`/agents/me/${what}`))).toEqual({ status: 400, code: "did-syntax" });
    }
  });

  test("takes identity operations of that agent and nothing else", async () => {
    const fresh = new Author();
    const path = `/agents/${fresh.did}/identity`;
    const refused = await post(path, `${author.genesis.line}\n`);
    expect(await refused.json()).toMatchObject({ t: "refused", code: "bad-frame", i: 0 });
    const events = await post(path, `${fresh.begin().join("\n")}\n`);
    expect(await events.json()).toMatchObject({ t: "refused", code: "bad-frame", i: 1 });
    const taken = await post(path, `${fresh.genesis.line}\n`);
    expect(await taken.json()).toMatchObject({ t: "ack", ref: 0 });
    expect(await (await get(path)).text()).toBe(`${fresh.genesis.line}\n`);
  });

  test("shows a fork to anyone", async () => {
    const forker = new Author();
    const begin = forker.begin();
    const [first] = forker.notes(1);
    await post("/entries", encodeFrame({ t: "publish", ref: 0, epoch: 1 }, [...begin, first!]));
    const { head } = forker;
    forker.head = { epoch: 1, seq: 0, id: JSON.parse(begin[1]!).id };
    const [rival] = forker.write([note("another story")]);
    forker.head = head;
    const response = await post("/entries", encodeFrame({ t: "publish", ref: 0, epoch: 1 }, [rival!]));
    expect(await response.json()).toMatchObject({ t: "refused", code: "fork" });
    expect(await (await get(`/agents/${forker.did}/forks`)).text()).toBe(
      `${pruneEvent(first!)}\n${pruneEvent(rival!)}\n`,
    );
  });

  test("shows no fork of which an event is addressed: neither who it is for nor what it says", async () => {
    const forker = new Author();
    const [genesis, claim] = forker.begin();
    const begun = forker.head!;
    const [first] = forker.notes(1);
    await post("/entries", encodeFrame({ t: "publish", ref: 0, epoch: 1 }, [genesis!, claim!, first!]));
    const rivals = [{ to: [author.did] }, {}].map((more) => {
      forker.head = begun;
      return forker.notes(1, { ...more, kind: "rival" })[0]!;
    });
    for (const rival of rivals) {
      const response = await post("/entries", encodeFrame({ t: "publish", ref: 0, epoch: 1 }, [rival]));
      expect(await response.json()).toMatchObject({ t: "refused", code: "fork" });
    }
    expect(await (await get(`/agents/${forker.did}/forks`)).text()).toBe(
      `${pruneEvent(first!)}\n${pruneEvent(rivals[1]!)}\n`,
    );
  });
});

describe("the tree", () => {
  test("is signed, and proves every entry and its own growth", async () => {
    const note = await (await get("/checkpoint?fresh=1")).text();
    const { size, root } = verifyCheckpoint(note, { key: relay.key, stream: relay.stream });
    expect(size).toBe(relay.position);
    const { message, lines: stored } = await entriesAt(`/entries?did=${author.did}&limit=5`);
    const [at] = message.at;
    const proof = (await (await get(`/inclusion?at=${at}&size=${size}`)).json()) as { path: string[]; root: string };
    const path = proof.path.map((hash) => fromBase64url(hash));
    expect(fromBase64url(proof.root)).toEqual(root);
    expect(stored[0]).toBe(author.genesis.line);
    const leaf = leafHash(fromHex(author.genesis.hash));
    expect(verifyInclusion({ leaf, index: at! - 1, size, path, root })).toBe(true);
    const older = (await (await get(`/inclusion?at=1&size=4`)).json()) as { root: string };
    const growth = (await (await get(`/consistency?from=4&to=${size}`)).json()) as { proof: string[] };
    const root1 = fromBase64url(older.root);
    const hashes = growth.proof.map((hash) => fromBase64url(hash));
    expect(verifyConsistency({ size1: 4, root1, size2: size, root2: root, proof: hashes })).toBe(true);
  });

  test("is served in tiles of hashes", async () => {
    const response = await get("/tile/0/000.p/3");
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    const tile = new Uint8Array(await response.arrayBuffer());
    expect(tile).toHaveLength(96);
    expect(tile.subarray(0, 32)).toEqual(leafHash(fromHex(author.genesis.hash)));
    for (const path of ["/tile/0/000", "/tile/0/0", "/tile/9/000", "/tile/0/000.p/255", "/tile/entries/000"]) {
      expect(await refusalOf(await get(path))).toEqual({ status: 404, code: "not-found" });
    }
  });

  test.each(["/inclusion", "/inclusion?at=0", "/inclusion?at=1&size=99999", "/consistency?from=0", "/consistency"])(
    "refuses %s",
    async (path) => {
      expect(await refusalOf(await get(path))).toEqual({ status: 400, code: "bad-request" });
    },
  );
});

describe("the relay itself", () => {
  test("describes itself as in hello", async () => {
    await using wire = await Wire.open(relay.url);
    expect(await (await get("/.well-known/ants-relay")).json()).toEqual(JSON.parse(JSON.stringify(wire.hello.relay)));
  });

  test("is alive and ready", async () => {
    expect((await get("/healthz")).status).toBe(200);
    expect(await (await get("/readyz")).json()).toEqual({ ready: true, position: relay.position });
  });

  test("has a page for people, without scripts", async () => {
    const response = await get("/");
    const page = await response.text();
    expect(page).toContain("<h1>test relay</h1>");
    expect(page).toContain(relay.stream);
    expect(page).not.toMatch(/<script|javascript:|\son[a-z]+=/i);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test("can be read by pages of other origins", async () => {
    for (const path of ["/entries", "/checkpoint", "/.well-known/ants-relay", "/nowhere"]) {
      expect((await get(path)).headers.get("access-control-allow-origin"), path).toBe("*");
    }
    const preflight = await get("/entries", { method: "OPTIONS" });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toBe("last-event-id");
  });

  test.each([
    ["GET", "/nowhere", 404, "not-found"],

    ["GET", "/.well-known/webfinger", 400, "bad-request"],
    ["GET", "/1.0/identifiers", 404, "not-found"],
    ["DELETE", "/entries", 405, "method-not-allowed"],
    ["POST", "/checkpoint", 405, "method-not-allowed"],
    ["GET", "/agents/%ff/head", 400, "bad-request"],
  ])("answers %s %s with %i %s", async (method, path, status, code) => {
    const response = await get(path, { method });
    if (status === 405) expect(response.headers.get("allow")).toBeTruthy();
    expect(await refusalOf(response)).toEqual({ status, code });
  });

  test("answers HEAD like GET, without the body", async () => {
    const response = await get("/checkpoint", { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });
});
