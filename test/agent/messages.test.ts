import { appendFileSync, readFileSync } from "node:fs";
import { parseEvent } from "ants-agent";
import { type Agent, type InboxItem, openHome } from "ants-agent/agent";
import { generateSeed, publicKeyFromSeed, rotateIdentity, updateIdentity, x25519PublicKey } from "ants-agent/keys";
import { openVault, updateVaultFile } from "ants-agent/keys/node";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { nodeDisk } from "../../keys/node/disk.js";
import { changeIdentity } from "../../src/agent/change-identity.js";
import { AgentHome } from "../../src/agent/home.js";
import { openInbox } from "../../src/agent/mail.js";
import { InboxStore } from "../../src/client/inbox-store.js";
import { systemPorts } from "../../src/client/ports.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { type FoundedHome, foundHome } from "../support/agent-home.js";

let relays: TestRelay[];
beforeAll(async () => {
  relays = await Promise.all([startTestRelay(), startTestRelay(), startTestRelay()]);
});
afterAll(async () => {
  await Promise.all(relays.map((relay) => relay.close()));
});

/** An agent that has claimed, so that its relays know it. */
async function settled(...at: readonly TestRelay[]): Promise<FoundedHome> {
  const home = await foundHome(at);
  await (await openHome(home.options)).close();
  return home;
}

/** Everything that is in the inbox now, marked as read. */
async function read(agent: Agent, options: { readonly after?: string; readonly mark?: false } = {}) {
  const { mark, ...where } = options;
  const items: InboxItem[] = [];
  await using inbox = await agent.inbox({ live: false, ...where });
  for await (const item of inbox) {
    items.push(item);
    if (mark !== false) await inbox.done(item);
  }
  return items;
}

const messages = (items: readonly InboxItem[]) => items.flatMap((item) => (item.type === "message" ? [item] : []));
const texts = (items: readonly InboxItem[]) => messages(items).map(({ text }) => text);

/** An identity operation, known to these relays and in the home. */
async function tell(line: string, did: string, at: readonly TestRelay[], home: FoundedHome): Promise<void> {
  for (const { httpUrl } of at) {
    const answer = await fetch(`${httpUrl}/agents/${did}/identity`, { method: "POST", body: `${line}\n` });
    expect(await answer.text()).toContain('"t":"ack"');
  }
  appendFileSync(`${home.options.home}/.ants/identity.ndjson`, `${line}\n`);
}

describe("a message between two agents (N11)", () => {
  test("on disjoint relays: sealed, delivered, read once, answered", async () => {
    const [one, two] = await Promise.all([settled(relays[0]!), settled(relays[1]!)]);
    await using alice = await openHome(one.options);
    await using bob = await openHome(two.options);
    const sent = await alice.send(two.did, "hello bob", { via: [relays[1]!.url] });
    expect(sent.recipients).toEqual([
      { did: two.did, delivered: true, relays: { [relays[1]!.url]: { state: "delivered" } } },
    ]);
    const line = await alice.chain.line(alice.chain.tree.chainAt(sent.seq)!);
    expect(new TextDecoder().decode(line)).not.toContain("hello");
    expect(alice.openBody(parseEvent(line).event)).toEqual({ text: "hello bob" });

    const items = await read(bob);
    expect(messages(items)).toMatchObject([
      {
        id: sent.id,
        from: { did: one.did },
        text: "hello bob",
        sealed: true,
        standing: "live",
        firstContact: true,
        n: 1,
      },
    ]);
    expect(items.at(-1)).toEqual({ type: "caught-up" });
    expect(messages(await read(bob))).toEqual([]);

    await bob.send(one.did, { answer: 42 });
    expect(messages(await read(alice))).toMatchObject([{ body: { answer: 42 }, firstContact: false }]);
    await alice.send(two.did, "good");
    expect(messages(await read(bob))).toMatchObject([{ text: "good", firstContact: false, n: 2 }]);
  });

  test("to several at once, where relays are shared and where not; others get nothing of it", async () => {
    const homes = await Promise.all([
      settled(relays[0]!),
      settled(relays[0]!),
      settled(relays[1]!, relays[2]!),
      settled(relays[0]!, relays[1]!),
    ]);
    const agents = await Promise.all(homes.map(({ options }) => openHome(options)));
    const [alice, bob, carol, eve] = agents as [Agent, Agent, Agent, Agent];
    const before = relays.map(({ position }) => position);
    const sent = await alice.send([bob.did, carol.did], "for both", { via: [relays[1]!.url] });
    expect(sent.recipients.map(({ delivered }) => delivered)).toEqual([true, true]);
    await expect.poll(() => relays.map(({ position }, i) => position - before[i]!)).toEqual([1, 2, 2]);

    expect(messages(await read(bob))).toMatchObject([{ text: "for both", to: [bob.did, carol.did] }]);
    expect(messages(await read(carol))).toMatchObject([{ id: sent.id, text: "for both" }]);
    expect(messages(await read(eve))).toEqual([]);
    const event = parseEvent(await alice.chain.line(alice.chain.tree.chainAt(sent.seq)!)).event;
    expect(() => eve.openBody(event)).toThrow(expect.objectContaining({ code: "message-sealed" }));
    for (const { httpUrl } of relays) {
      const frame = await (await fetch(`${httpUrl}/entries?after=start&to=${bob.did}&limit=1000`)).text();
      expect(frame).not.toContain('"box"');
    }
    await Promise.all(agents.map((agent) => agent.close()));
  });

  test("waits for a relay that is away, and is delivered by a later run, once", async () => {
    const data = temporaryFolder();
    const kept = await startTestRelay({ config: { data } });
    const { url } = kept;
    const [one, two] = await Promise.all([settled(relays[0]!), settled(kept)]);
    const alice = await openHome(one.options);
    await alice.send(two.did, "first", { via: [url] });
    await kept.close();
    const sent = await alice.send(two.did, "second", { deliverMs: 3_000 });
    expect(sent.recipients).toMatchObject([{ delivered: false, relays: { [url]: { state: "waiting" } } }]);
    expect(sent.recipients[0]!.stale).toBeDefined();
    await alice.close();

    await using back = await startTestRelay({ config: { data, port: Number(new URL(url).port) } });
    const before = back.position;
    await using again = await openHome(one.options);
    await expect.poll(() => back.position - before, { timeout: 30_000 }).toBe(1);
    await using bob = await openHome(two.options);
    expect(texts(await read(bob))).toEqual(["first", "second"]);
    expect(again.did).toBe(one.did);
  });

  test("that was sealed to an earlier key is opened with it; the next one is sealed to the new key", async () => {
    const [one, two] = await Promise.all([settled(relays[0]!), settled(relays[1]!)]);
    await using alice = await openHome(one.options);
    await alice.send(two.did, "to the old key", { via: [relays[1]!.url] });
    const agreeSecret = generateSeed();
    const changes = { agree: x25519PublicKey(agreeSecret) };
    const update = updateIdentity({ parent: two.genesis, changes, signSeed: two.signSeed, timeMs: Date.now() });
    await tell(update.line, two.did, [relays[1]!], two);
    const { vault: path, unlock } = two.options;
    await updateVaultFile(path, (bytes) => {
      const vault = openVault(bytes, unlock);
      const earlier = [{ agreeSecret: two.agreeSecret, stateKey: vault.content.stateKey }];
      return vault.reseal({ ...vault.content, agreeSecret, earlier });
    });
    await alice.send(two.did, "to the new key");
    await using bob = await openHome(two.options);
    expect(texts(await read(bob))).toEqual(["to the old key", "to the new key"]);
  });

  test("of a key that its owner took away is marked as somebody else's words", async () => {
    const [one, two] = await Promise.all([settled(relays[0]!), settled(relays[1]!)]);
    const thief = await openHome(one.options);
    const good = await thief.send(two.did, "the owner's", { via: [relays[1]!.url] });
    await thief.send(two.did, "the thief's");
    await thief.close();
    const newSeed = generateSeed();
    const rotate = rotateIdentity({
      parent: one.genesis,
      revealSeeds: [one.recoverySeed],
      newSignSeeds: [newSeed],
      nextRecoveryKeys: [publicKeyFromSeed(generateSeed())],
      anchor: { epoch: good.epoch, seq: good.seq, id: good.id },
      timeMs: Date.now(),
    });
    // Only the sender's own relay knows: the one with the messages was not told.
    await tell(rotate.line, one.did, [relays[0]!], one);
    await using bob = await openHome(two.options);
    const items = await read(bob);
    expect(messages(items)).toMatchObject([{ text: "the owner's", standing: "retired" }]);
    expect(items.filter(({ type }) => type === "disowned")).toMatchObject([
      { claimedFrom: one.did, body: { text: "the thief's" } },
    ]);
  });

  test("that a rotate overtook is given up, and named as lost", async () => {
    const data = temporaryFolder();
    const kept = await startTestRelay({ config: { data } });
    const { url } = kept;
    const [one, two] = await Promise.all([settled(relays[0]!), settled(kept)]);
    const alice = await openHome(one.options);
    await alice.send(two.did, "first", { via: [url] });
    await kept.close();
    const { epoch, seq, id } = await alice.send(two.did, "second", { deliverMs: 100 });
    await alice.close();
    const signSeed = generateSeed();
    const rotate = rotateIdentity({
      parent: one.genesis,
      revealSeeds: [one.recoverySeed],
      newSignSeeds: [signSeed],
      nextRecoveryKeys: [publicKeyFromSeed(generateSeed())],
      anchor: { epoch, seq, id },
      timeMs: Date.now(),
    });
    await using back = await startTestRelay({ config: { data, port: Number(new URL(url).port) } });
    await tell(rotate.line, one.did, [relays[0]!, back], one);
    const { vault: path, unlock } = one.options;
    await updateVaultFile(path, (bytes) => {
      const vault = openVault(bytes, unlock);
      return vault.reseal({ ...vault.content, signSeed });
    });
    const notes = () => JSON.parse(readFileSync(`${one.options.home}/.ants/outbox/messages/deliveries.json`, "utf8"));
    const again = await openHome(one.options);
    await expect.poll(notes, { timeout: 30_000 }).toMatchObject({ open: [], lost: [{ id, seq, to: [two.did] }] });
    await again.close();
    // It stays named, and nothing tries it any more; what is written now goes out.
    await using later = await openHome(one.options);
    expect((await later.send(two.did, "third")).recipients).toMatchObject([{ delivered: true }]);
    await expect.poll(notes, { timeout: 30_000 }).toMatchObject({ open: [], lost: [{ id }] });
    await using bob = await openHome(two.options);
    expect(texts(await read(bob))).toEqual(["first", "third"]);
  });

  test("goes to a relay that keeps the sender's old chain, with what that relay lacks of it", async () => {
    const [one, two] = await Promise.all([settled(relays[0]!), settled(relays[0]!)]);
    const there = [{ url: relays[1]!.url, stream: relays[1]!.stream }];
    const update = updateIdentity({
      parent: one.genesis,
      changes: { relays: there },
      signSeed: one.signSeed,
      timeMs: Date.now(),
    });
    await tell(update.line, one.did, [relays[0]!], one);
    await using alice = await openHome(one.options);
    await alice.publisher.publish([{ kind: "note", body: { text: "not on the old relay" } }]);
    const sent = await alice.send(two.did, "from afar", { via: [relays[0]!.url] });
    expect(sent.recipients).toMatchObject([{ delivered: true }]);
    await using bob = await openHome(two.options);
    expect(texts(await read(bob))).toEqual(["from afar"]);
  });

  test("goes on to a relay that the agent leaves before it has the message; what it has stays delivered", async () => {
    const data = temporaryFolder();
    const kept = await startTestRelay({ config: { data } });
    const { url, stream } = kept;
    const others = relays.map(({ url, stream }) => ({ url, stream }));
    const [one, two] = await Promise.all([settled(kept, ...relays), settled(kept)]);
    await using alice = await openHome(one.options);
    expect((await alice.send(two.did, "first", { via: [url] })).recipients).toMatchObject([{ delivered: true }]);
    await kept.close();
    const sent = await alice.send(two.did, "second", { deliverMs: 500 });
    expect(sent.recipients).toMatchObject([{ delivered: false }]);
    await changeIdentity(alice as never, { relays: others });
    await using back = await startTestRelay({ config: { data, port: Number(new URL(url).port) } });
    expect(back.stream).toBe(stream);
    await using bob = await openHome(two.options);
    await expect
      .poll(async () => texts(await read(bob, { mark: false })), { timeout: 30_000 })
      .toEqual(["first", "second"]);
  });

  test("is read by a live inbox where its reader moves to, once", async () => {
    const [one, two] = await Promise.all([settled(relays[0]!), settled(relays[1]!)]);
    await using alice = await openHome(one.options);
    await using bob = await openHome(two.options);
    const home = await AgentHome.open(nodeDisk, two.options.home);
    const signSeed = two.signSeed;
    const parts = { disk: nodeDisk, ports: systemPorts, home, instance: "fedcba9876543210", hasWrittenTo: () => true };
    // As another process reads it, which hears of the move from the relays alone.
    await using inbox = await openInbox({ ...parts, secrets: { signSeed, agreeSecret: two.agreeSecret } }, {});
    expect((await inbox.next()).value).toEqual({ type: "caught-up" });
    const next = async () => {
      for (;;) {
        const { value } = await inbox.next();
        if (value.type === "message") return value.text;
        if (value.type !== "problem") throw new Error(`got ${value.type}`);
      }
    };
    await alice.send(two.did, "before", { via: [relays[1]!.url] });
    expect(await next()).toBe("before");
    const [, there, newer] = relays;
    await changeIdentity(bob as never, { relays: [{ url: newer!.url, stream: newer!.stream }] });
    const sent = await alice.send(two.did, "after", { via: [newer!.url] });
    expect(await next()).toBe("after");
    // The same message where it was before, as somebody brings it who doesn't know of the move.
    const line = await alice.chain.line(alice.chain.tree.chainAt(sent.seq)!);
    const body = `{"ref":1,"t":"publish"}\n${one.genesis}\n${new TextDecoder().decode(line)}\n`;
    const answer = await fetch(`${there!.httpUrl}/entries`, { method: "POST", body });
    expect(await answer.text()).toContain('"t":"ack"');
    await alice.send(two.did, "last", { via: [newer!.url] });
    expect(await next()).toBe("last");
    await inbox.close();
    expect(texts(await read(bob))).toEqual(["before", "after", "last"]);
  });

  test("to somebody who is not there is not sent at all", async () => {
    const one = await settled(relays[0]!);
    const nobody = await foundHome([relays[1]!]);
    await using alice = await openHome(one.options);
    const { seq } = alice.pen.head;
    await expect(alice.send(nobody.did, "hello?")).rejects.toMatchObject({ code: "recipient-unknown" });
    const away = { via: ["ws://127.0.0.1:1"] };
    await expect(alice.send(nobody.did, "hello?", away)).rejects.toMatchObject({ code: "recipient-unreachable" });
    await expect(alice.send(alice.did, "me")).rejects.toMatchObject({ code: "message-recipients" });
    await expect(alice.send([], "all")).rejects.toMatchObject({ code: "message-recipients" });
    expect(alice.pen.head.seq).toBe(seq);
  });
});

describe("an inbox", () => {
  let one: FoundedHome;
  let two: FoundedHome;
  beforeEach(async () => {
    [one, two] = await Promise.all([settled(relays[0]!), settled(relays[0]!)]);
    await using alice = await openHome(one.options);
    for (const text of ["one", "two", "three"]) await alice.send(two.did, text);
  });

  test("gives again what was not marked, and goes on behind a place that the caller keeps", async () => {
    await using bob = await openHome(two.options);
    const first = messages(await read(bob, { mark: false }));
    expect(first.map(({ text }) => text)).toEqual(["one", "two", "three"]);
    const again = messages(await read(bob, { mark: false }));
    expect(again.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect(texts(await read(bob, { mark: false, after: first[1]!.place }))).toEqual(["three"]);
    await expect(bob.inbox({ after: "0123456789abcdef.1" })).rejects.toMatchObject({ code: "inbox-changed" });
    await expect(bob.inbox({ after: "nonsense" })).rejects.toMatchObject({ code: "inbox-changed" });
    // Nothing is locked by what failed, and a second reader is kept out.
    await using open = await bob.inbox();
    await expect(bob.inbox()).rejects.toMatchObject({ code: "locked" });
    await open.close();
  });

  test("keeps messages sealed on the disk, and says so when its file is damaged", async () => {
    const path = `${two.options.home}/.ants/inbox/inbox.ndjson`;
    await using bob = await openHome(two.options);
    await read(bob, { mark: false });
    const text = readFileSync(path, "utf8");
    expect(text).toContain('"box"');
    expect(text).not.toContain("three");
    appendFileSync(path, '{"type":"message","torn');
    expect(texts(await read(bob, { mark: false }))).toEqual(["one", "two", "three"]);
    expect(readFileSync(path, "utf8")).toBe(text);
    appendFileSync(path, "nonsense\n");
    await expect(bob.inbox()).rejects.toMatchObject({ code: "inbox-damaged", details: { line: 5 } });
  });

  test("gives nothing of somebody who is blocked, and all of somebody who is accepted", async () => {
    const folder = `${two.options.home}/.ants/inbox`;
    const store = await InboxStore.open(nodeDisk, folder, systemPorts.random);
    await store.block(one.did);
    await store.close();
    await using alice = await openHome(one.options);
    await alice.send(two.did, "while blocked");
    await using bob = await openHome(two.options);
    expect(messages(await read(bob))).toEqual([]);
    const again = await InboxStore.open(nodeDisk, folder, systemPorts.random);
    await again.accept(one.did);
    await again.close();
    await alice.send(two.did, "after that");
    expect(messages(await read(bob))).toMatchObject([{ text: "after that", firstContact: false }]);
  });

  test("loses nothing where a relay does not take the reader for itself", async () => {
    const home = await AgentHome.open(nodeDisk, two.options.home);
    const open = (signSeed: Uint8Array) => {
      const secrets = { signSeed, agreeSecret: two.agreeSecret };
      const parts = { disk: nodeDisk, ports: systemPorts, home, secrets, instance: "0123456789abcdef" };
      return openInbox({ ...parts, hasWrittenTo: () => true }, { live: false });
    };
    const all = async (signSeed: Uint8Array) => {
      const items: (InboxItem | unknown)[] = [];
      await using inbox = await open(signSeed);
      try {
        for await (const item of inbox) items.push(item);
      } catch (error) {
        items.push(error);
      }
      return items as InboxItem[];
    };
    // Its key is not known there, as after a rotate that this relay missed.
    expect(await all(generateSeed())).toMatchObject([
      { type: "problem", code: "auth-failed", relayIs: "stopped" },
      { code: "auth-failed" },
    ]);
    expect(texts(await all(two.signSeed))).toEqual(["one", "two", "three"]);
  });

  test("gives messages as they come", async () => {
    await using alice = await openHome(one.options);
    await using bob = await openHome(two.options);
    await read(bob);
    await using inbox = await bob.inbox();
    expect((await inbox.next()).value).toEqual({ type: "caught-up" });
    const next = inbox.next();
    await alice.send(two.did, "live");
    expect((await next).value).toMatchObject({ type: "message", text: "live" });
    const ending = inbox.next();
    await inbox.close();
    expect(await ending).toEqual({ value: undefined, done: true });
  });

  test("says what cannot be opened, and what was sent in the clear", async () => {
    await using alice = await openHome(one.options);
    await using bob = await openHome(two.options);
    await read(bob);
    await alice.publisher.publish([
      { kind: "note", body: { text: "in the clear" }, to: [two.did] },
      { kind: "note", body: { box: "AAAA", for: { [two.did]: "AAAA" } }, to: [two.did] },
      { kind: "note", body: { text: "private" }, private: true, to: [two.did] },
    ]);
    const items = await read(bob);
    expect(items.slice(0, 3)).toMatchObject([
      { type: "message", text: "in the clear", sealed: false },
      { type: "unreadable", code: "message-sealed", from: { did: one.did } },
      { type: "unreadable", code: "message-sealed" },
    ]);
  });
});
