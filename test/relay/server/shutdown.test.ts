import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRelay } from "ants-agent/relay";
import { startTestRelay } from "ants-agent/testing";
import { describe, expect, test } from "vitest";
import WebSocket from "ws";
import { Author } from "./author.js";
import { eventsOf } from "./event-source.js";
import { Wire } from "./wire.js";

describe("a relay that is closed", () => {
  test("answers what is under way, then closes with 1001; all that was acknowledged is there again", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ants-shutdown-"));
    const config = { data: join(folder, "data") };
    const relay = await startTestRelay({ config });
    const wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    for (let ref = 100; ref < 140; ref++) wire.send({ t: "publish", ref, epoch: 1 }, author.notes(50));
    // The first answer shows that the relay is in the middle of them.
    const outcomes = [(await wire.next("ack", "refused")).message];
    const closing = relay.close();
    for (
      let frame = await wire.take("ack", "refused");
      frame !== undefined;
      frame = await wire.take("ack", "refused")
    ) {
      outcomes.push(frame.message as (typeof outcomes)[number]);
    }
    expect(await wire.closed).toEqual({ code: 1001, reason: "the relay is shutting down" });
    await closing;
    const acknowledged = outcomes.flatMap((message) => (message.t === "ack" ? (message.at ?? []) : []));
    for (const message of outcomes) {
      if (message.t === "refused") expect(message).toMatchObject({ code: "shutting-down", retryable: true });
    }
    await using again = await startTestRelay({ config });
    expect(again.position).toBeGreaterThanOrEqual(Math.max(...acknowledged));
    await rm(folder, { recursive: true });
  });

  test("says that it is not ready, takes nothing new, and ends polls and streams", async () => {
    const relay = await startTestRelay();
    // Holds the closing up: this client never answers the close frame.
    const stubborn = new WebSocket(relay.url, "ants.1");
    await new Promise((resolve) => stubborn.once("open", resolve));
    stubborn.pause();
    const poll = fetch(`${relay.httpUrl}/entries?after=head&wait=30`);
    const stream = await fetch(`${relay.httpUrl}/entries`, { headers: { accept: "text/event-stream" } });
    const events = eventsOf(stream);
    await events.next();
    const kept = new KeptConnection(relay.url);
    expect(await kept.get("/readyz")).toMatch(/^HTTP\/1\.1 200 /);
    const closing = relay.close({ deadlineMs: 400 });
    expect(await kept.get("/readyz")).toMatch(/^HTTP\/1\.1 503 .*"shutting-down"/s);
    expect((await poll).status).toBe(200);
    while ((await events.next()).done !== true);
    expect(await kept.get("/entries")).toMatch(/^HTTP\/1\.1 503 .*"shutting-down"/s);
    await expect(Wire.open(relay.url)).rejects.toThrow("503");
    await closing;
    await expect(fetch(`${relay.httpUrl}/healthz`)).rejects.toThrow();
    stubborn.resume();
  });

  test("is closed within its deadline, whoever does not let go", async () => {
    const relay = await startTestRelay();
    const stubborn = new WebSocket(relay.url, "ants.1");
    await new Promise((resolve) => stubborn.once("open", resolve));
    stubborn.pause();
    const startedMs = performance.now();
    await relay.close({ deadlineMs: 200 });
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThan(150);
    expect(tookMs).toBeLessThan(2_000);
    stubborn.terminate();
  });

  test("may be closed by a signal, and more than once", async () => {
    const stop = new AbortController();
    const relay = await startTestRelay({ signal: stop.signal });
    const wire = await Wire.open(relay.url);
    stop.abort();
    await Promise.all([relay.closed, relay.close(), relay.close()]);
    expect((await wire.closed).code).toBe(1001);
  });
});

describe("a relay that cannot start", () => {
  test("says that its port is taken, and leaves its folder unlocked", async () => {
    await using first = await startTestRelay();
    const folder = await mkdtemp(join(tmpdir(), "ants-shutdown-"));
    const port = Number(new URL(first.url).port);
    const config = { data: join(folder, "data"), port };
    await expect(startRelay(config)).rejects.toMatchObject({ code: "listen-failed", details: { port } });
    const relay = await startRelay({ ...config, port: 0 });
    await relay.close();
    await rm(folder, { recursive: true });
  });

  test("says that its folder is in use", async () => {
    await using first = await startTestRelay();
    await expect(startRelay({ data: first.data, port: 0 })).rejects.toMatchObject({ code: "locked" });
  });

  test("does not begin when it was told to stop before", async () => {
    await expect(startRelay({ port: 0 }, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
  });
});

/** One HTTP connection on which requests follow each other: a relay that is closing accepts no other. */
class KeptConnection {
  readonly #socket: Socket;
  readonly #answers: AsyncIterator<string>;

  constructor(url: string) {
    this.#socket = connect(Number(new URL(url).port), "127.0.0.1");
    this.#answers = this.#socket.setEncoding("utf8")[Symbol.asyncIterator]() as AsyncIterator<string>;
  }

  /** The answer as it came; these are short enough to come in one piece. */
  async get(path: string): Promise<string> {
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: relay\r\n\r\n`);
    const { value } = await this.#answers.next();
    return value as string;
  }
}
