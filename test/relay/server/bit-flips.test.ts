import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { utf8 } from "../../../keys/bytes.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { Author, note } from "./author.js";
import { Wire } from "./wire.js";

let relay: TestRelay;
const NEWLINE = 0x0a;

beforeAll(async () => {
  relay = await startTestRelay();
});

afterAll(async () => {
  await relay.close();
});

/** The line once for each of its bytes, with one bit of that byte turned over; another bit from byte to byte. */
function flips(line: string): Uint8Array[] {
  const bytes = utf8(line);
  return Array.from(bytes, (byte, i) => {
    const flipped = bytes.slice();
    flipped[i] = byte ^ (1 << (i % 8));
    return flipped;
  });
}

/** Who sends this many senseless messages in a row is sent away; fewer on one connection are each answered. */
const LINES_PER_CONNECTION = 7;

/**
 * Sends each altered line as a frame of its own; every one is refused, and the log is as long as before. `altered` gets
 * the connection's challenge, which only auth lines need, and gives the same number of lines each time.
 */
async function allRefusedBySocket(
  message: object,
  altered: (challenge: string) => readonly Uint8Array[],
): Promise<void> {
  const before = relay.position;
  for (let first = 0, count = 1; first < count; first += LINES_PER_CONNECTION) {
    await using wire = await Wire.open(relay.url);
    const lines = altered(wire.hello.challenge);
    count = lines.length;
    for (const [i, line] of lines.slice(first, first + LINES_PER_CONNECTION).entries()) {
      const ref = first + i;
      wire.send({ ref, ...message }, [line]);
      const { message: answer } = await wire.next("refused", "ack", "promised");
      // A line that became two is no frame of this kind; the whole frame is refused, without a ref where that is gone.
      expect(answer.t, `byte ${ref}: ${Buffer.from(line)}`).toBe("refused");
      if (answer.ref !== undefined) expect(answer.ref).toBe(ref);
    }
  }
  expect(relay.position).toBe(before);
}

async function allRefusedByHttp(path: string, bodies: readonly Uint8Array[]): Promise<void> {
  const before = relay.position;
  for (const body of bodies) {
    const response = await fetch(`${relay.httpUrl}${path}`, { method: "POST", body: body as Uint8Array<ArrayBuffer> });
    expect(await response.json(), String(Buffer.from(body))).toMatchObject({ t: "refused" });
    expect(response.status).toBeGreaterThanOrEqual(400);
  }
  expect(relay.position).toBe(before);
}

async function nothingStored(...authors: readonly Author[]): Promise<void> {
  for (const { did } of authors) {
    const response = await fetch(`${relay.httpUrl}/entries?did=${did}`);
    expect((await response.text()).trimEnd().split("\n")).toHaveLength(1);
  }
}

describe("one bit flipped in any byte (N2, I7)", () => {
  test("of an identity operation is refused by socket and HTTP", async () => {
    const author = new Author();
    const altered = flips(author.genesis.line);
    await allRefusedBySocket({ t: "publish" }, () => altered);
    await allRefusedByHttp(
      "/entries",
      altered.map((line) => encodeFrame({ t: "publish", ref: 0 }, [line])),
    );
    await allRefusedByHttp(`/agents/${author.did}/identity`, altered);
    await nothingStored(author);
  });

  test("of an event is refused by socket and HTTP, alone and in a batch", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const [alone] = author.write([note("alone", { tags: ["x"], to: [author.did] })]);
    const batch = author.write([note("one", { salt: true }), note("two"), note("three")]);
    for (const [line, before] of [
      [alone!, []],
      [batch[1]!, [alone!, batch[0]!]],
    ] as const) {
      if (before.length > 0) await wire.publish(before, 1);
      const altered = flips(line);
      await allRefusedBySocket({ t: "publish", epoch: 1 }, () => altered);
      await allRefusedByHttp(
        "/entries",
        altered.map((flipped) => encodeFrame({ t: "publish", ref: 0, epoch: 1 }, [flipped])),
      );
    }
    expect(await wire.publish(batch.slice(1), 1)).toMatchObject({ t: "ack" });
  });

  test("of a promise is refused", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const line = author.promise(relay.stream, 2);
    const altered = flips(line);
    await allRefusedBySocket({ t: "promise" }, () => altered);
    // By HTTP a promise is taken neither altered nor whole, whatever it is called.
    for (const t of ["promise", "publish"]) {
      const frames = [...altered, utf8(line)].map((one) => encodeFrame({ t, ref: 0 }, [one]));
      await allRefusedByHttp("/entries", frames);
    }
    expect((await wire.ask({ t: "promise" }, [line])).message.t).toBe("promised");
  });

  test("of an auth line is refused by socket and HTTP, and what it would show stays hidden", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const line = (challenge: string) => author.auth({ relay: relay.url, challenge });
    await allRefusedBySocket({ t: "auth" }, (challenge) => flips(line(challenge)));
    for (const t of ["auth", "publish"]) {
      const frames = flips(line(wire.hello.challenge)).map((flipped) => encodeFrame({ t, ref: 0 }, [flipped]));
      await allRefusedByHttp("/entries", frames);
    }
    await wire.publish(author.notes(1, { to: [author.did] }), 1);
    await using stranger = await Wire.open(relay.url);
    for (const flipped of flips(line(stranger.hello.challenge)).slice(0, LINES_PER_CONNECTION)) {
      expect((await stranger.ask({ t: "auth" }, [flipped])).message.t).toBe("refused");
    }
    stranger.send({ t: "follow", ref: 0, after: "start", filter: { dids: [author.did] }, live: false });
    const { message, entries } = await stranger.next("entries");
    expect([entries.length, message.withheld?.length]).toEqual([2, 1]);
    expect((await stranger.authenticate(author)).t).toBe("ack");
  });

  test("of an envelope never makes the relay store anything but the entries under it", async () => {
    const author = new Author();
    const frame = encodeFrame({ t: "publish", ref: 1, epoch: 1 }, [author.genesis.line]);
    const envelopeBytes = frame.indexOf(NEWLINE);
    for (let i = 0; i <= envelopeBytes; i++) {
      const altered = frame.slice();
      altered[i]! ^= 1 << (i % 8);
      await fetch(`${relay.httpUrl}/entries`, { method: "POST", body: altered as Uint8Array<ArrayBuffer> });
    }
    const response = await fetch(`${relay.httpUrl}/entries?did=${author.did}`);
    const [, ...lines] = (await response.text()).trimEnd().split("\n");
    expect(lines.every((line) => line === author.genesis.line)).toBe(true);
  });
});
