import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generateSeed } from "../../../keys/ed25519/index.js";
import { createAuth } from "../../../src/protocol/auth.js";
import { Author, note } from "./author.js";
import { Wire } from "./wire.js";

let relay: TestRelay;
const author = new Author();
const friend = new Author();
const timeMs = 1_790_000_000_000;

beforeAll(async () => {
  relay = await startTestRelay();
  await using wire = await Wire.open(relay.url);
  await wire.publish(friend.begin(), 1);
  await wire.publish([...author.begin(), ...author.write([note("for a friend", { to: [friend.did] })])], 1);
});

afterAll(() => relay.close());

/** Authenticates as the author with any key. */
async function authenticate(wire: Wire, seed: Uint8Array) {
  const { challenge } = wire.hello;
  const { did, instance } = author;
  const line = createAuth({ did, instance, relay: relay.url, challenge, timeMs, seed });
  return (await wire.ask({ t: "auth" }, [line])).message;
}

let nextRef = 1_000;

/** How many of the author's notes this connection is given. */
async function readNotes(wire: Wire): Promise<number> {
  const filter = { dids: [author.did], kinds: ["note"] };
  wire.send({ t: "follow", ref: nextRef++, after: "start", filter, live: false });
  for (let notes = 0; ; ) {
    const { message, entries } = await wire.next("entries", "caught-up");
    if (message.t === "caught-up") return notes;
    notes += entries.length;
  }
}

test("the owner's recovery key reads what is addressed", async () => {
  await using wire = await Wire.open(relay.url);
  expect(await readNotes(wire)).toBe(0);
  expect(await authenticate(wire, author.recoverySeed)).toMatchObject({ t: "ack" });
  expect(await readNotes(wire)).toBe(1);
});

test("a key that nothing commits to is refused", async () => {
  await using wire = await Wire.open(relay.url);
  expect(await authenticate(wire, generateSeed())).toMatchObject({ t: "refused", code: "auth-failed" });
});

test("a recovery key that was used up reads no more", async () => {
  await using wire = await Wire.open(relay.url);
  expect(await authenticate(wire, author.recoverySeed)).toMatchObject({ t: "ack" });
  await using owner = await Wire.open(relay.url);
  expect(await owner.publish([author.rotation()])).toMatchObject({ t: "ack" });
  expect(await readNotes(wire)).toBe(0);
});
