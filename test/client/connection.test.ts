import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { AntsError } from "../../keys/errors.js";
import { RelayConnection } from "../../src/client/connection.js";
import { abortable } from "../../src/client/deadline.js";
import type { Dial, Socket } from "../../src/client/socket/socket.js";
import { encodeFrame } from "../../src/protocol/frame.js";
import type { RelayMessage } from "../../src/protocol/messages.js";
import { Author, linesOf } from "../simulation/author.js";
import { World } from "../simulation/world.js";

/** A world with one relay, whose sockets can be made odd. */
function worldWith(change: (socket: Socket) => Partial<Socket> = () => ({})) {
  const world = new World({ relays: 1 });
  let dials = 0;
  const dial: Dial = async (url, options) => {
    dials += 1;
    const socket = await world.network.dial(url, options);
    const odd = change(socket);
    return new Proxy(socket, {
      get: (_, name) => {
        const value: unknown = name in odd ? odd[name as keyof Socket] : socket[name as keyof Socket];
        return typeof value === "function" ? value.bind(socket) : value;
      },
    });
  };
  const [acceptor] = world.acceptors;
  const connection = new RelayConnection(acceptor!.url, { ...world.ports, dial });
  return { world, acceptor: acceptor!, connection, dials: () => dials };
}

describe("a connection", () => {
  it("is closed within a second also where the relay never answers the close frame", async () => {
    const codes: (number | undefined)[] = [];
    const { world, connection } = worldWith((socket) => ({
      close: (code) => {
        codes.push(code);
        if (code === 1006) socket.close(code);
      },
    }));
    await world.clock.run(connection.opened());
    const startMs = world.clock.monotonicMs();
    await world.clock.run(connection.close());
    expect(world.clock.monotonicMs() - startMs).toBeLessThanOrEqual(1_000);
    expect(codes).toEqual([undefined, 1006]);
  });

  it("comes back in bounded time, and in no tight loop, whatever pause the relay asks for", async () => {
    for (const retryAfterMs of [2 ** 31, Number.MAX_SAFE_INTEGER]) {
      const { world, acceptor, connection, dials } = worldWith();
      acceptor.onAnswer = (message) =>
        message.t === "hello"
          ? ({ t: "refused", code: "too-many", message: "later", retryable: true, retryAfterMs } as RelayMessage)
          : message;
      await world.clock.pass(3_000_000);
      expect(dials()).toBe(1);
      expect(connection.status).toMatchObject({ state: "waiting", delayMs: 3_600_000 });
      await world.clock.pass(700_000);
      expect(dials()).toBe(2);
      await world.clock.run(connection.close());
    }
  });

  it("finds out without pings that a followed relay is gone, and leaves one in peace that owes nothing", async () => {
    const { world, acceptor, connection, dials } = worldWith(() => ({ ping: () => false }));
    await world.clock.run(connection.opened());
    await world.clock.pass(600_000);
    expect(dials()).toBe(1);
    const follow = connection.follow({ after: "start" });
    for (let i = 0; i < 2; i++) await world.clock.run(follow.next());
    world.network.line(acceptor.url).swallows = true;
    const error = await world.clock.run(
      follow.next().catch((error) => error),
      100_000,
    );
    expect(error).toMatchObject({ code: "connection-lost", message: expect.stringContaining("no sign of life") });
    await world.clock.run(connection.close());
  });
});

describe("a subscription that was stopped for a slow consumer", () => {
  it("ends when its connection breaks, and doesn't wait for a relay that never hears of it", async () => {
    const { world, acceptor, connection } = worldWith();
    const author = new Author(world.random, [acceptor.address]);
    const lines = linesOf(author.chain(3_000, () => ({ body: { text: "x".repeat(4_000) } })));
    acceptor.mirror([author.genesis.line]);
    for (let i = 0; i < lines.length; i += 200) acceptor.mirror(lines.slice(i, i + 200));
    await world.clock.run(connection.opened());
    const follow = connection.follow({ after: "start" });
    // Long enough for the relay to be stopped in the middle.
    await world.clock.pass(1_000);
    world.network.cut(acceptor.url);
    await world.clock.pass(10_000);
    const drain = async () => {
      for await (const _ of follow);
    };
    expect(await world.clock.run(drain().catch((error: AntsError) => error.code))).toBe("connection-lost");
    await world.clock.run(connection.close());
  });
});

it("many that wait for one signal are one listener, and none is left behind", async () => {
  const abort = new AbortController();
  const never = Array.from({ length: 50 }, () => abortable(new Promise(() => {}), abort.signal));
  await Promise.all(Array.from({ length: 50 }, () => abortable(Promise.resolve(), abort.signal)));
  expect(getEventListeners(abort.signal, "abort")).toHaveLength(1);
  const reason = new AntsError("closed", "enough");
  abort.abort(reason);
  for (const outcome of await Promise.allSettled(never)) expect(outcome).toEqual({ status: "rejected", reason });
});

describe("a relay that sends without end to a reader that is busy", () => {
  const flood = async (frame: (ref: number, cursor: string) => object) => {
    const sent: Socket[] = [];
    const { world, acceptor, connection } = worldWith();
    world.network.listen(acceptor.url, (socket) => {
      sent.push(socket);
      acceptor.accept(socket);
    });
    await world.clock.run(connection.opened());
    const following = connection.follow({ after: "start" });
    const first = await world.clock.run(following.next());
    const { cursor, ref } = (first as { value: { message: { cursor: string; ref: number } } }).value.message;
    for (let i = 0; i < 100; i++) sent[0]!.send(encodeFrame(frame(ref, cursor)));
    await world.clock.pass(10);
    let bytes = 0;
    let error: unknown;
    const drain = async () => {
      for await (const { size } of following) bytes += size;
    };
    await world.clock.run(drain().catch((reason) => (error = reason)));
    await world.clock.run(connection.close());
    return { bytes, error };
  };

  it("is cut off: envelopes count, not only entries", async () => {
    const pad = "x".repeat(1_900_000);
    const { bytes, error } = await flood((ref, cursor) => ({ t: "caught-up", ref, cursor, pad }));
    expect(bytes).toBeLessThan(40 * 2 ** 20);
    expect(error).toMatchObject({ code: "connection-lost" });
  });

  it("has checkpoints and lists of withheld events within bounds", async () => {
    const { did } = new Author(new World().random, []);
    const withheld = Array.from({ length: 5_000 }, (_, i) => ({
      at: i + 1,
      id: "ab".repeat(32),
      did,
      seq: 1,
    }));
    for (const frame of [
      (ref: number, cursor: string) => ({ t: "head", ref, cursor, checkpoint: "x".repeat(10_000) }),
      (ref: number, cursor: string) => ({ t: "entries", ref, cursor, at: [], withheld }),
    ]) {
      const { bytes, error } = await flood(frame);
      expect(bytes).toBeLessThan(10_000);
      expect(error).toMatchObject({ code: "connection-lost" });
    }
  });
});
