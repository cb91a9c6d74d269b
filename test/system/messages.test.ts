import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { openHome } from "ants-agent/agent";
import { hex, x25519PublicKey } from "ants-agent/keys";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nodeDisk } from "../../keys/node/disk.js";
import { InboxStore } from "../../src/client/inbox-store.js";
import { systemPorts } from "../../src/client/ports.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { Prng } from "../keys/prng.js";
import { type FoundedHome, foundHome } from "../support/agent-home.js";
import { filesWith, holds } from "../support/plain-text-search.js";
import { RelayPlace } from "../support/relay-place.js";
import { RelayProcess } from "../support/relay-process.js";
import { Spawned } from "../support/spawned.js";
import { idsOnRelay } from "../support/test-agent.js";

const MESSAGES = 1_000;
const KILLS = 5;
/** Of these, how many are read by the home's own marks as well. */
const MARKED = 250;
const SEED = 20_811;

let places: RelayPlace[];
beforeAll(async () => {
  places = await Promise.all([RelayPlace.start(), RelayPlace.start(), RelayPlace.start()]);
});
afterAll(async () => {
  for (const place of places) await place[Symbol.asyncDispose]();
});

async function settled(...at: readonly { readonly url: string; readonly stream: string }[]): Promise<FoundedHome> {
  const home = await foundHome(at);
  await (await openHome(home.options)).close();
  return home;
}

const programOf = ({ options, signSeed, agreeSecret }: FoundedHome) => [options.home, hex(signSeed), hex(agreeSecret)];
const linesOf = (file: string) => readFileSync(file, "utf8").split("\n").slice(0, -1);
/** Sleeps for a drawn moment: when a kill strikes is the experiment, nothing waits for it. */
const moment = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Runs the reader, killed with -9 a few times after so many messages, until it ends by itself. */
async function readKilled(home: FoundedHome, file: string, mode: "place" | "marks", random: Prng): Promise<number> {
  let kills = 0;
  for (;;) {
    await using reader = new Spawned("message-reader.mjs", [...programOf(home), file, mode]);
    if (kills === KILLS) {
      expect(await reader.exited).toEqual([0, null]);
      return kills;
    }
    // Also while it starts, reads the relays, and has given nothing yet.
    if (random.below(4) === 0) await moment(300 + random.below(500));
    else {
      await reader.hears("got", 1 + random.below((mode === "place" ? MESSAGES : MARKED) / KILLS));
      await moment(random.below(8));
    }
    await reader.kill();
    kills += 1;
  }
}

test(`${MESSAGES} messages reach an application once each, in order, though it is killed ${KILLS} times with -9 (N11)`, {
  timeout: 600_000,
}, async () => {
  const [one, two] = await Promise.all([settled(places[0]!), settled(places[1]!, places[2]!)]);
  await using alice = await openHome(one.options);
  const first = await alice.send(two.did, { n: 0 }, { via: [places[1]!.url] });
  const readers = [
    { did: two.did, agree: x25519PublicKey(two.agreeSecret) },
    { did: one.did, agree: x25519PublicKey(one.agreeSecret) },
  ];
  const drafts = Array.from({ length: MESSAGES - 1 }, (_, i) => {
    return { kind: "message", body: { n: i + 1 }, to: [two.did], sealTo: readers };
  });
  const { events } = await alice.publisher.publish(drafts);
  const sent = [first.id, ...events.map(({ id }) => id)];
  for (const { url } of places.slice(1)) {
    await expect.poll(async () => (await deliveredTo(url, one.did)).length, { timeout: 30_000 }).toBe(MESSAGES);
  }

  const random = new Prng(SEED);
  const processed = `${temporaryFolder()}/processed`;
  await readKilled(two, processed, "place", random);
  const withPlaces = linesOf(processed).map((line) => line.split(" ")[0]);
  expect(withPlaces).toEqual(sent);

  // The last of them once more, where the home keeps what was read: given again only what was not marked.
  const store = await InboxStore.open(nodeDisk, `${two.options.home}/.ants/inbox`, systemPorts.random);
  await store.markRead(Array.from({ length: MESSAGES - MARKED }, (_, i) => i + 1));
  await store.close();
  const marked = `${temporaryFolder()}/marked`;
  await readKilled(two, marked, "marks", random);
  const done = new Set<string>();
  for (const line of linesOf(marked)) {
    const [word, id] = line.split(" ") as [string, string?];
    if (word === "done") done.add(id!);
    else expect(done.has(word), `${word} was given again after it was done`).toBe(false);
  }
  const given = linesOf(marked).filter((line) => !line.startsWith("done"));
  expect([...new Set(given)]).toEqual(sent.slice(-MARKED));
  console.log(
    `${MESSAGES} messages, ${2 * KILLS} kills (seed ${SEED}): with places ${withPlaces.length} given; ` +
      `with marks ${given.length} given, of which ${given.length - MARKED} again before they were marked`,
  );
});

/** Ids of a sender's events for an agent in a relay's files: nobody else is given them. */
async function deliveredTo(url: string, author: string): Promise<string[]> {
  const place = places.find((one) => one.url === url)!;
  return linesOfRelay(place.data).flatMap((line) => {
    const entry = JSON.parse(line) as { type: string; did: string; id: string; to?: string[] };
    return entry.type === "event" && entry.did === author && entry.to !== undefined ? [entry.id] : [];
  });
}

function linesOfRelay(data: string): string[] {
  const folder = `${data}/log`;
  return readdirSync(folder)
    .filter((name) => name.endsWith(".ndjson"))
    .flatMap((name) => linesOf(`${folder}/${name}`));
}

test("a sender that is killed with -9 between its own publication and the delivery delivers once, after its restart", {
  timeout: 60_000,
}, async () => {
  const [own, there] = places as [RelayPlace, RelayPlace];
  const [one, two] = await Promise.all([settled(own), settled(there)]);
  {
    await using sender = new Spawned("message-sender.mjs", [...programOf(one), two.did, "first", there.url]);
    await expect.poll(async () => (await deliveredTo(there.url, one.did)).length, { timeout: 30_000 }).toBe(1);
    // Before it noted anything: the next run delivers it again, and the relay knows it.
    await sender.kill();
  }
  await there.kill();
  {
    await using sender = new Spawned("message-sender.mjs", [...programOf(one), two.did, "second"]);
    await sender.hears("sent");
    expect(sender.said).toContainEqual(expect.stringMatching(/^sent /));
    expect(sender.said).not.toContain("delivered");
    await sender.kill();
  }
  await there.restart();
  {
    await using _sender = new Spawned("message-sender.mjs", programOf(one));
    await expect.poll(async () => (await deliveredTo(there.url, one.did)).length, { timeout: 30_000 }).toBe(2);
  }
  const ids = await deliveredTo(there.url, one.did);
  expect(new Set(ids).size).toBe(2);
  expect((await idsOnRelay(own.url, one.did)).length).toBeGreaterThan(0);
  const processed = `${temporaryFolder()}/processed`;
  await using reader = new Spawned("message-reader.mjs", [...programOf(two), processed, "place"]);
  expect(await reader.exited).toEqual([0, null]);
  expect(linesOf(processed).map((line) => line.split(" ")[0])).toEqual(ids);
});

test("the text of a message is in no file, log or metric of a relay, and nobody else is given the message", {
  timeout: 60_000,
}, async () => {
  const text = "the harbour master keeps the spare key behind the third lamp";
  const data = [temporaryFolder(), temporaryFolder()];
  const [r1, r2] = await Promise.all(
    data.map((folder) => RelayProcess.start({ data: folder, flags: ["--log-level", "debug"] })),
  );
  await using own = r1!;
  await using there = r2!;
  const [one, two, three] = await Promise.all([settled(own), settled(there), settled(there)]);
  await using alice = await openHome(one.options);
  const { id } = await alice.send(two.did, text, { via: [there.url] });

  for (const relay of [own, there]) {
    for (const path of [
      `/entries?after=start&limit=256`,
      `/agents/${one.did}/entries`,
      `/entries?after=start&to=${two.did}`,
    ]) {
      const frame = await (await fetch(relay.httpUrl + path)).text();
      expect(frame).not.toContain('"box"');
      if (path.startsWith("/entries?after=start&limit")) expect(frame).toContain(`"id":"${id}"`);
    }
    const metrics = await (await fetch(`${relay.httpUrl}/metrics`)).text();
    const status = await (await fetch(relay.httpUrl)).text();
    for (const shown of [metrics, status, relay.errors.join("")]) expect(holds(Buffer.from(shown), text)).toBe(false);
  }
  await using stranger = await openHome(three.options);
  await using inbox = await stranger.inbox({ live: false });
  const items = [];
  for await (const item of inbox) items.push(item.type);
  expect(items).toEqual(["caught-up"]);
  await using bob = await openHome(two.options);
  await using mine = await bob.inbox({ live: false });
  expect((await mine.next()).value).toMatchObject({ type: "message", text });

  for (const folder of [...data, one.folder, two.folder, three.folder]) expect(filesWith(folder, text)).toEqual([]);
  // The search finds what it has to find.
  const known = temporaryFolder();
  const spelt = [text, Buffer.from(`{"text":"${text}"}`).toString("base64url"), Buffer.from(text).toString("hex")];
  for (const [i, one] of spelt.entries()) writeFileSync(`${known}/${i}`, `xx${one}xx`);
  writeFileSync(`${known}/gz`, Buffer.concat([Buffer.from("xx"), gzipSync(text)]));
  expect(filesWith(known, text)).toHaveLength(4);
});
