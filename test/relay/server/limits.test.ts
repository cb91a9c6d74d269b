import { once } from "node:events";
import { connect } from "node:net";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { describe, expect, test } from "vitest";
import WebSocket from "ws";
import { type Clock, systemClock } from "../../../keys/ports.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { Author, note } from "./author.js";
import { Wire } from "./wire.js";

/** A clock that only the test moves; waiting still takes its real time. */
class ManualClock implements Clock {
  #ms = 1_000_000;
  nowMs = () => this.#ms;
  monotonicMs = () => this.#ms;
  sleep = systemClock.sleep;

  advance(ms: number): void {
    this.#ms += ms;
  }
}

describe("the rate of one agent", () => {
  test("is a burst, then so many entries a second, and the refusal says both", async () => {
    const clock = new ManualClock();
    await using relay = await startTestRelay({ clock, config: { entriesPerSecond: 10, entriesBurst: 20 } });
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    expect(await wire.publish([...author.begin(), ...author.notes(18)], 1)).toMatchObject({ t: "ack" });
    const next = author.notes(5);
    expect(await wire.publish(next, 1)).toMatchObject({
      t: "refused",
      i: 0,
      at: [],
      code: "rate-limited",
      retryable: true,
      retryAfterMs: 500,
      details: { limit: "entriesPerSecond", value: 10, burst: 20 },
    });
    clock.advance(499);
    expect(await wire.publish(next, 1)).toMatchObject({ code: "rate-limited", retryAfterMs: 1 });
    clock.advance(1);
    expect(await wire.publish(next, 1)).toMatchObject({ t: "ack" });
  });

  test("cannot be used up by others who deliver copies of its events", async () => {
    await using relay = await startTestRelay({
      clock: new ManualClock(),
      config: { entriesPerSecond: 1, entriesBurst: 9 },
    });
    const author = new Author();
    await using own = await Wire.open(relay.url);
    await using mirror = await Wire.open(relay.url);
    const first = [...author.begin(), ...author.notes(2)];
    await own.publish(first, 1);
    await own.authenticate(author);
    for (let copies = 0; copies < 5; copies++) await mirror.publish(first);
    expect(await mirror.publish(first)).toMatchObject({ code: "rate-limited" });
    expect(await own.publish(author.notes(9), 1)).toMatchObject({ t: "ack" });
  });

  test("lets an author backfill what is older than the epoch promised here by bytes instead, at a rate of its own", async () => {
    const clock = new ManualClock();
    const config = { entriesPerSecond: 1, entriesBurst: 10, backfillBytesPerMinute: 60_000 };
    await using relay = await startTestRelay({ clock, config });
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    await wire.authenticate(author);
    await wire.publish(author.notes(10), 1);
    const older = author.write(Array.from({ length: 50 }, () => note("x".repeat(500))));
    const more = author.write(Array.from({ length: 20 }, () => note("x".repeat(1_000))));
    author.epoch = 2;
    expect(await wire.publish(older, 2)).toMatchObject({
      code: "rate-limited",
      details: { limit: "entriesPerSecond" },
    });
    clock.advance(1_000);
    await wire.ask({ t: "promise" }, [author.promise(wire.hello.relay.stream, 2)]);
    const epochs = [Number.MAX_SAFE_INTEGER, 3];
    for (const stated of epochs) {
      expect(await wire.publish(older, stated)).toMatchObject({ details: { limit: "entriesPerSecond" } });
    }
    expect(await wire.publish(older, 2)).toMatchObject({ t: "ack" });
    expect(await wire.publish(more, 2)).toMatchObject({
      code: "rate-limited",
      details: { limit: "backfillBytesPerMinute", value: 60_000 },
    });
    clock.advance(60_000);
    expect(await wire.publish(more, 2)).toMatchObject({ t: "ack" });
  });
});

describe("claims that take events off a chain", () => {
  test("count as so many entries, afterwards: two branches by turns cost their author the relay's walk along them", async () => {
    const clock = new ManualClock();
    await using relay = await startTestRelay({ clock, config: { entriesPerSecond: 10, entriesBurst: 100 } });
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    const begin = author.begin();
    const claimed = author.head;
    expect(await wire.publish([...begin, ...author.notes(90)], 1)).toMatchObject({ t: "ack" });
    clock.advance(10_000);
    author.epoch = 2;
    author.head = claimed;
    expect(await wire.publish([author.claim()], 2)).toMatchObject({ t: "ack" });
    // 100, of which the claim took 1, and 90 that it took off the chain.
    const next = author.notes(10);
    expect(await wire.publish(next, 2)).toMatchObject({ code: "rate-limited", retryAfterMs: 100 });
    clock.advance(100);
    expect(await wire.publish(next, 2)).toMatchObject({ t: "ack" });
  });
});

describe("new DIDs", () => {
  test("are limited for each address, by the hour", async () => {
    const clock = new ManualClock();
    await using relay = await startTestRelay({ clock, config: { newDidsPerHour: 2 } });
    await using wire = await Wire.open(relay.url);
    const [first, second, third] = [new Author(), new Author(), new Author()];
    expect(await wire.publish(first.begin(), 1)).toMatchObject({ t: "ack" });
    expect(await wire.publish(second.begin(), 1)).toMatchObject({ t: "ack" });
    const begin = third.begin();
    const frame = encodeFrame({ t: "publish", ref: 1, epoch: 1 }, begin);
    const response = await fetch(`${relay.httpUrl}/entries`, {
      method: "POST",
      body: frame as Uint8Array<ArrayBuffer>,
    });
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("1800");
    expect(await response.json()).toMatchObject({
      code: "rate-limited",
      retryAfterMs: 1_800_000,
      details: { limit: "newDidsPerHour", value: 2 },
    });
    expect(await wire.publish(first.notes(3), 1)).toMatchObject({ t: "ack" });
    clock.advance(1_800_000);
    expect(await wire.publish(begin, 1)).toMatchObject({ t: "ack" });
  });
});

describe("the size of a frame", () => {
  test("is limited in entries and in the length of a line; the connection goes on", async () => {
    await using relay = await startTestRelay({ config: { maxFrameEntries: 10 } });
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    expect(await wire.publish(author.notes(11), 1)).toMatchObject({
      code: "too-large",
      details: { limit: "maxFrameEntries", value: 10 },
    });
    expect(await wire.publish(["x".repeat(65_537)], 1)).toMatchObject({
      code: "too-large",
      details: { limit: "maxLineBytes", value: 65_536 },
    });
    expect(await wire.publish([author.genesis.line])).toMatchObject({ t: "ack" });
  });

  test("is limited in bytes: the client is told, and sent away", async () => {
    await using relay = await startTestRelay();
    const wire = await Wire.open(relay.url);
    wire.socket.send(Buffer.alloc(2 * 2 ** 20, "x"));
    const { message } = await wire.next("refused");
    expect(message).toMatchObject({ code: "too-large", details: { limit: "maxFrameBytes", value: 2 ** 20 } });
    expect(await wire.closed).toEqual({ code: 1009, reason: "too-large" });
  });
});

describe("a connection that makes no sense", () => {
  test("is told what is wrong each time, and closed when it goes on", async () => {
    await using relay = await startTestRelay();
    const wire = await Wire.open(relay.url);
    const codes: string[] = [];
    for (let i = 0; i < 8; i++) wire.socket.send(i % 2 === 0 ? "garbage" : '{"t":"sing","ref":1}\n');
    for (let frame = await wire.take("refused"); frame !== undefined; frame = await wire.take("refused")) {
      if (frame.message.t === "refused") codes.push(frame.message.code);
    }
    expect(new Set(codes)).toEqual(new Set(["bad-frame", "unknown-message"]));
    expect(codes).toHaveLength(8);
    expect((await wire.closed).code).toBe(1008);
  });
});

describe("connections", () => {
  test("come at a rate for each address, and who comes too often is told so", async () => {
    await using relay = await startTestRelay({ clock: new ManualClock(), config: { connectionsPerSecond: 2 } });
    const wires: Wire[] = [];
    for (let i = 0; i < 10; i++) wires.push(await Wire.open(relay.url));
    const response = await fetch(`${relay.httpUrl}/healthz`);
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toMatchObject({
      t: "refused",
      code: "rate-limited",
      retryAfterMs: 500,
      details: { limit: "connectionsPerSecond", value: 2, burst: 10 },
    });
    for (const wire of wires) await wire.close();
  });

  test("of one address are limited, and who is one too many is told so", async () => {
    await using relay = await startTestRelay({ config: { maxConnectionsPerAddress: 3 } });
    const wires = await Promise.all([1, 2, 3].map(() => Wire.open(relay.url)));
    const response = await fetch(`${relay.httpUrl}/healthz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      t: "refused",
      code: "overloaded",
      details: { limit: "maxConnectionsPerAddress", value: 3 },
    });
    await wires[0]!.close();
    await using again = await openWhenThereIsRoom(relay);
    expect(again.hello.t).toBe("hello");
    for (const wire of wires) await wire.close();
  });

  test("that never finish their HTTP header are answered and closed", async () => {
    await using relay = await startTestRelay({ config: { headersTimeoutMs: 200 } });
    const socket = connect(Number(new URL(relay.url).port), "127.0.0.1");
    socket.write("GET /healthz HTTP/1.1\r\nHost: relay\r\nX-Slow: ");
    let answer = "";
    socket.setEncoding("utf8").on("data", (text) => {
      answer += text;
    });
    await once(socket, "close");
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('"code":"request-timeout"');
  });

  test("that are not HTTP at all are answered and closed", async () => {
    await using relay = await startTestRelay();
    const socket = connect(Number(new URL(relay.url).port), "127.0.0.1");
    socket.write("EHLO relay\r\n\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toContain('"code":"bad-request"');
    await once(socket, "close");
  });

  test("that never finish a message are told and closed", async () => {
    await using relay = await startTestRelay({ config: { requestTimeoutMs: 300, headersTimeoutMs: 300 } });
    const wire = await Wire.open(relay.url);
    await using patient = await Wire.open(relay.url);
    // A WebSocket frame that announces 1,000 bytes and brings ten: masked, with a mask of zeros.
    const { socket } = wire as unknown as { socket: WebSocket & { _socket: NodeJS.WritableStream } };
    socket._socket.write(Buffer.from([0x81, 0xfe, 0x03, 0xe8, 0, 0, 0, 0, ...Buffer.from('{"t":"publ')]));
    expect((await wire.next("refused")).message).toMatchObject({ code: "request-timeout", retryable: true });
    expect(await wire.closed).toEqual({ code: 1013, reason: "request-timeout" });
    expect(patient.socket.readyState).toBe(WebSocket.OPEN);
  });

  test("whose other side is gone are found by pings, and only those", async () => {
    await using relay = await startTestRelay({ config: { pingIntervalMs: 100, silenceTimeoutMs: 600 } });
    await using alive = await Wire.open(relay.url);
    const dead = new WebSocket(relay.url, "ants.1", { autoPong: false });
    const [code] = await once(dead, "close");
    expect(code).toBe(1006);
    expect(alive.socket.readyState).toBe(WebSocket.OPEN);
    expect((await alive.publish(new Author().begin(), 1)).t).toBe("ack");
  });
});

/** The relay counts a closed connection out a moment after the client saw it close. */
async function openWhenThereIsRoom(relay: TestRelay): Promise<Wire> {
  for (;;) {
    try {
      return await Wire.open(relay.url);
    } catch (error) {
      if (!String(error).includes("503")) throw error;
    }
  }
}
