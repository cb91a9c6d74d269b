import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { fromUtf8 } from "../../../keys/bytes.js";
import { verifyCheckpoint } from "../../../src/protocol/checkpoint.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { Author, note } from "./author.js";
import { Wire } from "./wire.js";

let relay: TestRelay;

beforeAll(async () => {
  relay = await startTestRelay();
});

afterAll(async () => {
  await relay.close();
});

describe("a connection", () => {
  test("begins with a hello that says who the relay is and where its log ends", async () => {
    await using wire = await Wire.open(relay.url);
    const { relay: info, head, challenge } = wire.hello;
    expect(info).toMatchObject({
      name: "test relay",
      url: relay.url,
      stream: relay.stream,
      key: relay.key,
      limits: { maxFrameBytes: 2 ** 20, maxFrameEntries: 256, maxFollows: 64, entriesPerSecond: 0 },
      policy: { durability: "fsync", hosting: "open" },
    });
    expect(info.software).toMatch(/^ants-agent\/\d/);
    expect(challenge).toMatch(/^[A-Za-z0-9_-]{43}$/);
    const checkpoint = verifyCheckpoint(head.checkpoint, { stream: relay.stream, key: relay.key });
    expect(checkpoint.origin).toBe(`${new URL(relay.url).host}/${relay.stream}`);
    expect(head.cursor.split(".").slice(0, 2)).toEqual([relay.stream, String(checkpoint.size)]);
  });

  test("draws a new challenge each time", async () => {
    await using first = await Wire.open(relay.url);
    await using second = await Wire.open(relay.url);
    expect(first.hello.challenge).not.toBe(second.hello.challenge);
  });

  test.each([
    ["another version", ["ants.2"]],
    ["another protocol", ["chat", "mqtt"]],
    ["none", []],
  ])("that offers %s is told which versions are spoken", async (_, offered) => {
    const socket = new WebSocket(relay.url, offered);
    const answer = await new Promise<{ status?: number; protocols?: string; body: string }>((resolve) => {
      socket.on("error", () => undefined);
      socket.on("unexpected-response", (_request, response) => {
        let body = "";
        response.on("data", (chunk) => {
          body += chunk;
        });
        const { statusCode: status, headers } = response;
        response.on("end", () =>
          resolve({
            ...(status === undefined ? {} : { status }),
            protocols: String(headers["sec-websocket-protocol"]),
            body,
          }),
        );
      });
    });
    expect(answer).toMatchObject({ status: 426, protocols: "ants.1" });
    expect(JSON.parse(answer.body)).toMatchObject({
      t: "refused",
      code: "version-unsupported",
      retryable: false,
      details: { offered, spoken: ["ants.1"] },
    });
  });

  test("that offers a version among others gets the one that is spoken", async () => {
    const socket = new WebSocket(relay.url, ["ants.2", "ants.1"]);
    await new Promise((resolve) => socket.once("open", resolve));
    expect(socket.protocol).toBe("ants.1");
    socket.terminate();
  });
});

describe("publishing", () => {
  test("acknowledges each entry with its position, and the same again with the same", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    const lines = [...author.begin(), ...author.notes(3)];
    const first = relay.position + 1;
    const ack = { t: "ack", at: [0, 1, 2, 3, 4].map((i) => first + i) };
    expect(await wire.publish(lines, 1)).toMatchObject(ack);
    expect(await wire.publish(lines, 1)).toMatchObject(ack);
    expect(relay.position).toBe(first + 4);
  });

  test("answers frames in the order in which they came, though several are under way", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const refs = Array.from({ length: 100 }, (_, i) => 1000 + i);
    for (const ref of refs) wire.send({ t: "publish", ref, epoch: 1 }, author.notes(1 + (ref % 40)));
    let last = 0;
    for (const ref of refs) {
      const { message } = await wire.next("ack", "refused");
      expect(message).toMatchObject({ t: "ack", ref });
      const { at = [] } = message;
      expect(at).toEqual(at.map((_, i) => at[0]! + i));
      expect(at[0]).toBeGreaterThan(last);
      last = at.at(-1)!;
    }
  });

  test("takes what comes before the first line that does not verify, and says which that is", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const [good, bad, after] = author.notes(3) as [string, string, string];
    const position = relay.position;
    expect(await wire.publish([good, bad.replace('"text":"', '"text":"x'), after], 1)).toMatchObject({
      t: "refused",
      code: "event-id",
      retryable: false,
      i: 1,
      at: [position + 1],
    });
    expect(relay.position).toBe(position + 1);
    expect(await wire.publish([bad, after], 1)).toMatchObject({ t: "ack", at: [position + 2, position + 3] });
  });

  test("names the head where the chain has a gap", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const { head } = author;
    author.notes(1);
    expect(await wire.publish(author.notes(1), 1)).toMatchObject({ t: "refused", code: "gap", i: 0, at: [], head });
  });

  test("takes a last line without its newline, and stores it with one", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    const frame = Buffer.from(encodeFrame({ t: "publish", ref: 7, epoch: 1 }, author.begin()));
    wire.socket.send(frame.subarray(0, -1), { binary: false });
    const { message } = await wire.next("ack", "refused");
    expect(message).toMatchObject({ t: "ack", ref: 7 });
    await wire.publish(author.notes(1), 1);
    const response = await fetch(`${relay.httpUrl}/entries?did=${author.did}`);
    expect((await response.text()).trimEnd().split("\n")).toHaveLength(4);
  });

  test("takes frames as binary messages, too", async () => {
    await using wire = await Wire.open(relay.url);
    wire.socket.send(encodeFrame({ t: "publish", ref: 1, epoch: 1 }, new Author().begin()), { binary: true });
    expect((await wire.next("ack", "refused")).message.t).toBe("ack");
  });

  test("refuses a frame of two authors at the second one's entry", async () => {
    await using wire = await Wire.open(relay.url);
    const [a, b] = [new Author(), new Author()];
    expect(await wire.publish([...a.begin(), ...b.begin()], 1)).toMatchObject({ code: "bad-frame", i: 2 });
  });
});

describe("a promise", () => {
  test("is granted with the head and the newest operation, once for each epoch", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const line = author.promise(relay.stream, 2);
    const { message, entries } = await wire.ask({ t: "promise" }, [line]);
    const { genesis, head } = author;
    expect(message).toMatchObject({ t: "promised", epoch: 2, head, identity: genesis.hash });
    expect(entries.map((entry) => fromUtf8(entry))).toEqual([genesis.line]);
    expect((await wire.ask({ t: "promise" }, [line])).message.t).toBe("promised");
    const fenced = { t: "refused", code: "fenced", promised: 2 };
    expect(await wire.publish(author.notes(1), 1)).toMatchObject(fenced);
    const other = Object.assign(new Author(), { seed: author.seed, did: author.did });
    expect((await wire.ask({ t: "promise" }, [other.promise(relay.stream, 2)])).message).toMatchObject(fenced);
  });

  test("brings the operation that the relay lacks", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    const line = author.promise(relay.stream, 1);
    expect((await wire.ask({ t: "promise" }, [line])).message).toMatchObject({ code: "identity-needed" });
    const { message } = await wire.ask({ t: "promise" }, [line, author.genesis.line]);
    expect(message).toMatchObject({ t: "promised", epoch: 1, identity: author.genesis.hash });
  });

  test("for another relay's stream is refused", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const { message } = await wire.ask({ t: "promise" }, [author.promise("0123456789abcdef", 2)]);
    expect(message).toMatchObject({ t: "refused", code: "wrong-stream" });
  });
});

describe("authentication", () => {
  test("takes the answer to this connection's challenge and no other", async () => {
    await using wire = await Wire.open(relay.url);
    await using other = await Wire.open(relay.url);
    const author = new Author();
    expect(await wire.authenticate(author)).toMatchObject({ code: "identity-needed", retryable: true });
    await wire.publish(author.begin(), 1);
    expect(await wire.authenticate(author)).toMatchObject({ t: "ack" });
    const forOther = author.auth({ relay: relay.url, challenge: other.hello.challenge });
    expect((await wire.ask({ t: "auth" }, [forOther])).message).toMatchObject({ code: "auth-failed" });
  });

  test("takes the line only under a URL of this relay", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const { challenge } = wire.hello;
    const { port } = new URL(relay.url);
    const answers: string[] = [];
    for (const url of ["ws://evil.example", `ws://localhost:${port}`, `ws://127.0.0.1:${port}`]) {
      const { message } = await wire.ask({ t: "auth" }, [author.auth({ relay: url, challenge })]);
      answers.push(message.t === "refused" ? message.code : message.t);
    }
    expect(answers).toEqual(["auth-failed", "ack", "ack"]);
  });

  test("with a key that is not the agent's fails", async () => {
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const thief = Object.assign(new Author(), { did: author.did });
    expect(await wire.authenticate(thief)).toMatchObject({ code: "auth-failed" });
  });
});

describe("a follow", () => {
  test("gives the log, says when it has caught up, proves it, and goes on live", async () => {
    await using writer = await Wire.open(relay.url);
    await using reader = await Wire.open(relay.url);
    const author = new Author();
    const lines = [...author.begin(), ...author.notes(2)];
    reader.send({ t: "follow", ref: 1, after: "head" });
    const { message: caughtUp } = await reader.next("caught-up");
    const { message: head } = await reader.next("head");
    expect(head.cursor).toBe(caughtUp.cursor);
    await writer.publish(lines, 1);
    const first = await reader.next("entries");
    expect(first.entries.map((entry) => fromUtf8(entry))).toEqual(lines);
    expect(first.message.at).toHaveLength(4);
    const more = author.notes(1);
    await writer.publish(more, 1);
    const second = await reader.next("entries");
    expect(second.entries.map((entry) => fromUtf8(entry))).toEqual(more);
    reader.send({ t: "unfollow", ref: 1 });
    expect((await reader.next("ended")).message).toEqual({ t: "ended", ref: 1, cursor: second.message.cursor });
  });

  test("that is not live ends when it has caught up", async () => {
    await using reader = await Wire.open(relay.url);
    reader.send({ t: "follow", ref: 9, after: "start", live: false });
    const seen: string[] = [];
    for (;;) {
      const { message } = await reader.next("entries", "caught-up", "head", "ended");
      if (seen.at(-1) !== message.t) seen.push(message.t);
      if (message.t !== "ended") continue;
      expect(message).toMatchObject({
        ref: 9,
        cursor: expect.stringMatching(`^${relay.stream}\\.${relay.position}\\.`),
      });
      break;
    }
    expect(seen).toEqual(["entries", "caught-up", "head", "ended"]);
  });

  test("with a filter gives what matches and moves its cursor over everything else", async () => {
    await using wire = await Wire.open(relay.url);
    const [a, b] = [new Author(), new Author()];
    await wire.publish(a.begin(), 1);
    await wire.publish(b.begin(), 1);
    const wanted = a.write([note("1", { tags: ["x"] }), note("2", { tags: ["y"] }), note("3", { tags: ["x", "y"] })]);
    await wire.publish(wanted, 1);
    await wire.publish(b.write([note("4", { tags: ["x"] })]), 1);
    const filter = { dids: [a.did], tags: ["x"] };
    wire.send({ t: "follow", ref: 1, after: "start", filter, live: false });
    const { message, entries } = await wire.next("entries");
    expect(entries.map((entry) => fromUtf8(entry))).toEqual([wanted[0], wanted[2]]);
    expect(message.at[1]! - message.at[0]!).toBe(2);
    const { message: caughtUp } = await wire.next("caught-up");
    expect(caughtUp.cursor).toMatch(`${relay.stream}.${relay.position}.`);
  });

  test("of one ref cannot be begun twice, nor ended twice", async () => {
    await using wire = await Wire.open(relay.url);
    wire.send({ t: "follow", ref: 1, after: "head" });
    wire.send({ t: "follow", ref: 1, after: "head" });
    expect((await wire.next("refused")).message).toMatchObject({ ref: 1, code: "bad-message" });
    wire.send({ t: "unfollow", ref: 1 });
    wire.send({ t: "unfollow", ref: 1 });
    expect((await wire.next("ended")).message.ref).toBe(1);
    expect((await wire.next("refused")).message).toMatchObject({ ref: 1, code: "bad-message" });
  });

  test("beyond the limit is refused, and the others go on", async () => {
    await using wire = await Wire.open(relay.url);
    for (let ref = 1; ref <= 65; ref++) wire.send({ t: "follow", ref, after: "head" });
    expect((await wire.next("refused")).message).toMatchObject({
      ref: 65,
      code: "follow-limit",
      details: { limit: "maxFollows", value: 64 },
    });
    await wire.publish(new Author().begin(), 1);
    const refs = new Set<number>();
    while (refs.size < 64) refs.add((await wire.next("entries")).message.ref);
  });
});

describe("addressed events (N11)", () => {
  test("go to their author and their recipients; others learn id and place only", async () => {
    await using wire = await Wire.open(relay.url);
    const [author, friend, stranger] = [new Author(), new Author(), new Author()];
    for (const agent of [author, friend, stranger]) await wire.publish(agent.begin(), 1);
    const cursor = await cursorNow(wire);
    const events = author.sign([note("public"), note("secret", { to: [friend.did] }), note("public again")]);
    await wire.publish(
      events.map(({ line }) => line),
      1,
    );
    const [, secret] = events;
    for (const reader of [author, friend]) {
      await using connection = await Wire.open(relay.url);
      await connection.authenticate(reader);
      connection.send({ t: "follow", ref: 1, after: cursor });
      const { message, entries } = await connection.next("entries");
      expect(entries.map((entry) => fromUtf8(entry))).toEqual(events.map(({ line }) => line));
      expect(message.withheld).toBeUndefined();
    }
    for (const reader of [stranger, undefined]) {
      await using connection = await Wire.open(relay.url);
      if (reader !== undefined) await connection.authenticate(reader);
      connection.send({ t: "follow", ref: 1, after: cursor });
      const { message, entries } = await connection.next("entries");
      expect(entries).toHaveLength(2);
      const { id, event } = secret!;
      expect(message.withheld).toEqual([{ at: message.at[0]! + 1, id, did: author.did, seq: event.seq }]);
    }
  });

  test("are withheld by author or type, and never betrayed by kind, recipient or tag", async () => {
    await using wire = await Wire.open(relay.url);
    const [author, friend] = [new Author(), new Author()];
    for (const agent of [author, friend]) await wire.publish(agent.begin(), 1);
    const cursor = await cursorNow(wire);
    await wire.publish(author.write([note("secret", { to: [friend.did], tags: ["plan"], kind: "deal" })]), 1);
    await wire.publish(author.notes(1), 1);
    const withheld = async (query: string) => {
      const response = await fetch(`${relay.httpUrl}/entries?after=${cursor}&${query}`);
      const { withheld: list = [] } = JSON.parse((await response.text()).split("\n")[0]!) as { withheld?: object[] };
      return list.length;
    };
    expect(await withheld(`did=${author.did}`)).toBe(1);
    expect(await withheld("type=event")).toBe(1);
    expect(await withheld(`did=${friend.did}`)).toBe(0);
    expect(await withheld("kind=deal")).toBe(0);
    expect(await withheld("tag=plan")).toBe(0);
    expect(await withheld(`to=${friend.did}`)).toBe(0);
  });

  test("are no longer served to a key that was rotated away", async () => {
    await using wire = await Wire.open(relay.url);
    const [author, friend] = [new Author(), new Author()];
    for (const agent of [author, friend]) await wire.publish(agent.begin(), 1);
    await using reader = await Wire.open(relay.url);
    await reader.authenticate(friend);
    reader.send({ t: "follow", ref: 1, after: "head" });
    const secret = () => author.write([note("secret", { to: [friend.did] })]);
    await wire.publish(secret(), 1);
    expect((await reader.next("entries")).entries).toHaveLength(1);
    expect(await wire.publish([friend.rotation()])).toMatchObject({ t: "ack" });
    expect((await reader.next("entries")).entries).toHaveLength(1);
    await wire.publish(secret(), 1);
    const { message, entries } = await reader.next("entries");
    expect(entries).toHaveLength(0);
    expect(message.withheld).toHaveLength(1);
  });
});

async function cursorNow(wire: Wire): Promise<string> {
  wire.send({ t: "follow", ref: 999, after: "head", live: false });
  return (await wire.next("ended")).message.cursor;
}
