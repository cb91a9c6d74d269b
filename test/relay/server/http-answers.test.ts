import { connect, type Socket } from "node:net";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { describe, expect, test, vi } from "vitest";
import { fromUtf8, utf8 } from "../../../keys/bytes.js";
import { updateIdentity } from "../../../keys/identity/create.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { DEFAULT_LIMITS } from "../../../src/protocol/limits.js";
import { Author, note } from "./author.js";
import { Wire } from "./wire.js";

const MIB = 2 ** 20;
const PIECE_BYTES = 64 * 1024;
const SCARCE_BYTES = 128 * 1024;

describe("HTTP requests of one connection", () => {
  test("are answered one after the other", async () => {
    await using relay = await startTestRelay();
    const socket = bare(relay);
    const frame = fromUtf8(encodeFrame({ t: "publish", ref: 7, epoch: 1 }, new Author().begin()));
    const post = `POST /entries HTTP/1.1\r\nHost: relay\r\nContent-Length: ${utf8(frame).length}\r\n\r\n${frame}`;
    socket.write(get("/entries?after=head&wait=1") + post);
    const answers = await textUntil(socket, '"ref":7');
    // Answered at the same time, the entries published second would end the wait of the first.
    expect(answers.indexOf('"at":[]')).toBeGreaterThan(0);
    expect(answers.indexOf('"at":[]')).toBeLessThan(answers.indexOf('{"t":"ack","ref":7'));
    socket.destroy();
  });

  test("above a number are refused, and many more of them end the connection", async () => {
    await using relay = await startTestRelay();
    const some = bare(relay);
    some.write(get("/entries?after=head&wait=1") + get("/healthz").repeat(11));
    const answers = await textUntil(some, '"requestsPerConnection"', 4);
    expect(answers.match(/\nalive\n/g)).toHaveLength(7);
    some.destroy();
    const many = bare(relay);
    many.write(get("/entries?after=head&wait=30") + get("/healthz").repeat(200));
    await closed(many);
  });

  test("leave nothing at the relay: no signal of its whole life is part of theirs", async () => {
    await using relay = await startTestRelay();
    const made = vi.spyOn(AbortSignal, "any");
    const socket = bare(relay);
    socket.write(get("/entries?after=head") + get("/healthz"));
    await textUntil(socket, "\nalive\n");
    socket.destroy();
    expect(made).not.toHaveBeenCalled();
    made.mockRestore();
  });
});

describe("HTTP answers that nobody takes", () => {
  test("count as unsent, and while that is too much pages are small", async () => {
    await using relay = await startTestRelay({ config: { maxUnsentTotalBytes: MIB } });
    await fill(relay);
    const stalled = Array.from({ length: 10 }, () => {
      const socket = bare(relay).pause();
      socket.write(get("/entries?after=start").repeat(8));
      return socket;
    });
    await expect.poll(() => unsentBytes(relay), { timeout: 30_000 }).toBeGreaterThan(MIB);
    const page = await fetch(`${relay.httpUrl}/entries?after=start`);
    const bytes = (await page.arrayBuffer()).byteLength;
    expect(bytes).toBeGreaterThan(DEFAULT_LIMITS.maxLineBytes / 2);
    expect(bytes).toBeLessThanOrEqual(SCARCE_BYTES);
    // One full page more than the bound, and a small one for each connection.
    expect(await unsentBytes(relay)).toBeLessThanOrEqual(2 * MIB + stalled.length * SCARCE_BYTES);
    for (const socket of stalled) socket.destroy();
    await expect.poll(() => unsentBytes(relay)).toBeLessThan(PIECE_BYTES);
  });

  test("are read as they are taken where their length has no bound: the identity log", async () => {
    await using relay = await startTestRelay();
    const author = new Author();
    const operations = [author.genesis.line, ...updates(author, 150)];
    await using wire = await Wire.open(relay.url);
    for (let i = 0; i < operations.length; i += 100) await wire.publish(operations.slice(i, i + 100));
    const path = `/agents/${author.did}/identity`;
    expect(await (await fetch(relay.httpUrl + path)).text()).toBe(`${operations.join("\n")}\n`);
    const stalled = bare(relay).pause();
    stalled.write(get(path).repeat(8));
    await expect.poll(() => unsentBytes(relay), { timeout: 30_000 }).toBeGreaterThan(PIECE_BYTES / 2);
    expect(await unsentBytes(relay)).toBeLessThan(3 * PIECE_BYTES);
    stalled.destroy();
  });

  test("end with their connection after the silence time-out, whatever the client goes on sending", {
    timeout: 8_000,
  }, async () => {
    await using relay = await startTestRelay({ config: { silenceTimeoutMs: 400 } });
    await fill(relay);
    const socket = bare(relay).pause();
    socket.write(`${get("/entries?after=start").repeat(8)}GET / HTTP/1.1\r\nX: `);
    const timer = setInterval(() => socket.write("x"), 50);
    await closed(socket);
    clearInterval(timer);
  });
});

function bare(relay: TestRelay): Socket {
  return connect(Number(new URL(relay.url).port), "127.0.0.1").on("error", () => undefined);
}

/** Resolves when it has ended, in order or not. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: relay\r\n\r\n`;
}

/** What arrives until a text has come so many times. */
async function textUntil(socket: Socket, text: string, times = 1): Promise<string> {
  let all = "";
  for await (const part of socket.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    all += part;
    if (all.split(text).length > times) return all;
  }
  throw new Error(`the connection ended after ${all}`);
}

async function unsentBytes(relay: TestRelay): Promise<number> {
  const text = await (await fetch(`${relay.httpUrl}/metrics`)).text();
  return Number(/^ants_relay_unsent_bytes (\d+)$/m.exec(text)?.[1]);
}

/** More than one page. */
async function fill(relay: TestRelay): Promise<void> {
  await using wire = await Wire.open(relay.url);
  const author = new Author();
  await wire.publish(author.begin(), 1);
  for (let i = 0; i < 2; i++) {
    await wire.publish(author.write(Array.from({ length: 15 }, () => note("x".repeat(60_000)))), 1);
  }
}

/** Updates of almost the greatest length, one after the other. */
function updates(author: Author, count: number): string[] {
  let { parsed: parent } = author.genesis;
  return Array.from({ length: count }, (_, n) => {
    const service = (i: number) => ({ id: `s${i}`, type: "x", endpoint: `https://${n}.example/${"x".repeat(400)}` });
    const services = Array.from({ length: 16 }, (_, i) => service(i));
    const update = updateIdentity({ parent, changes: { services }, signSeed: author.seed, timeMs: n });
    parent = update.parsed;
    return update.line;
  });
}
