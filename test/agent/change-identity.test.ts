import { updateIdentity } from "ants-agent/keys";
import { nodeDisk } from "ants-agent/keys/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Disk } from "../../keys/ports.js";
import { changeIdentity } from "../../src/agent/change-identity.js";
import { AgentHome } from "../../src/agent/home.js";
import { type Agent, openAgent } from "../../src/agent/open-agent.js";
import type { WaitingUpdate } from "../../src/agent/proposed-update.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import { systemPorts } from "../../src/client/ports.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { settle } from "../support/agent-process.js";
import { RelayPlace } from "../support/relay-place.js";
import { type AgentKeys, foundAgent, idsOnRelay } from "../support/test-agent.js";

let places: RelayPlace[];

beforeAll(async () => {
  places = await Promise.all([0, 1, 2, 3].map(() => RelayPlace.start()));
});

afterAll(async () => {
  for (const place of places) await place[Symbol.asyncDispose]();
});

const addresses = (of: readonly RelayPlace[]) => of.map(({ url, stream }) => ({ url, stream }));

async function open(keys: AgentKeys, path: string, disk: Disk = nodeDisk): Promise<Agent> {
  const home = await AgentHome.open(disk, path);
  const lock = await home.lock();
  return openAgent({
    disk,
    ports: systemPorts,
    home,
    lock,
    secrets: { signSeed: keys.seed, stateKey: new Uint8Array(32), agreeSecret: new Uint8Array(32) },
    bootId: "this boot",
    timeoutMs: 8_000,
  });
}

async function settled(of: readonly RelayPlace[]): Promise<{ keys: AgentKeys; home: string }> {
  const keys = foundAgent(of);
  const home = temporaryFolder();
  await settle(keys, home);
  return { keys, home };
}

/** Hashes' count of operations on a relay, by way of any HTTP client. */
async function operationsOn(place: RelayPlace, did: string): Promise<string[]> {
  const answer = await fetch(`${place.relay.httpUrl}/agents/${did}/identity`);
  return answer.status === 404 ? [] : (await answer.text()).split("\n").filter((line) => line.includes('"identity"'));
}

/** A quorum is enough for the agent, so one of the relays may hear of it a moment later. */
async function expectOperations(place: RelayPlace, did: string, count: number): Promise<void> {
  await expect.poll(async () => (await operationsOn(place, did)).length).toBe(count);
}

describe("changing the identity as the holder of the pen (N9, N10)", () => {
  it("replaces a relay while it publishes: nothing is lost, the epoch is a new one, the new relay has the whole chain", async () => {
    const { keys, home } = await settled(places.slice(0, 3));
    await using agent = await open(keys, home);
    let lost = false;
    void agent.lost.then(() => {
      lost = true;
    });
    let publishing = true;
    const ids: string[] = [];
    const work = (async () => {
      while (publishing) {
        const { events } = await agent.publisher.publish([{ kind: "note", body: { n: ids.length } }]);
        ids.push(events[0]!.id);
      }
    })();
    const before = agent.pen.epoch;
    const changed = await changeIdentity(agent, { relays: addresses(places.slice(1, 4)) });
    expect(changed.added).toEqual(addresses([places[3]!]));
    expect(changed.removed).toEqual(addresses([places[0]!]));
    expect(agent.pen.epoch).toBeGreaterThan(before);
    publishing = false;
    await work;
    await agent.publisher.publish([{ kind: "note", body: {} }], { durability: "all" });
    expect(lost).toBe(false);
    const chain = await idsOnRelay(places[3]!.url, keys.did);
    expect(ids.filter((id) => !chain.includes(id))).toEqual([]);
    expect(new Set(chain).size).toBe(chain.length);
    for (const place of places.slice(1, 4)) expect(await idsOnRelay(place.url, keys.did)).toEqual(chain);
  });

  it("is on disk before any relay hears of it: with a disk that fails, none does, and the agent goes on as it was", async () => {
    const { keys, home } = await settled(places.slice(0, 3));
    let isFull = false;
    const disk: Disk = {
      ...nodeDisk,
      read: (path) => nodeDisk.read(path),
      list: (path) => nodeDisk.list(path),
      replace: (path, bytes, options) => nodeDisk.replace(path, bytes, options),
      truncate: (path, size) => nodeDisk.truncate(path, size),
      remove: (path) => nodeDisk.remove(path),
      mkdir: (path) => nodeDisk.mkdir(path),
      lock: (path) => nodeDisk.lock(path),
      append: async (path, bytes) => {
        if (isFull && path.endsWith("identity.ndjson")) throw new Error("no space left");
        return nodeDisk.append(path, bytes);
      },
    };
    await using agent = await open(keys, home, disk);
    isFull = true;
    await expect(changeIdentity(agent, { relays: addresses(places.slice(1, 4)) })).rejects.toThrow("no space left");
    for (const place of places) expect((await operationsOn(place, keys.did)).length).toBe(1);
    await agent.publisher.publish([{ kind: "note", body: {} }]);
  });

  it("goes on after a crash right after the update was kept: the next start sends it, and needs both sets", async () => {
    const { keys, home } = await settled(places.slice(0, 3));
    const first = await open(keys, home);
    await first.publisher.publish([{ kind: "note", body: {} }], { durability: "all" });
    const parent = first.context.identity.newest!;
    const changes = { relays: addresses(places.slice(1, 4)) };
    const { parsed } = updateIdentity({ parent, changes, signSeed: keys.seed, timeMs: 1 });
    await first.home.keepOperations([parsed]);
    await first.close();
    await using agent = await open(keys, home);
    expect(agent.pen.relaySet.relays).toEqual(changes.relays);
    await agent.publisher.drain({ durability: "all" });
    const ids = await idsOnRelay(places[3]!.url, keys.did);
    for (const place of places.slice(1)) expect(await idsOnRelay(place.url, keys.did)).toEqual(ids);
    expect((await operationsOn(places[0]!, keys.did)).length).toBe(2);
  });

  it("signs nothing where a new relay is another incarnation, or does not answer, or the set is too small", async () => {
    const { keys, home } = await settled(places.slice(0, 3));
    await using agent = await open(keys, home);
    const old = addresses(places.slice(0, 3));
    const dead = { url: "ws://127.0.0.1:9", stream: "0123456789abcdef" };
    const other = { url: places[3]!.url, stream: "0123456789abcdef" };
    for (const relay of [dead, other]) {
      const changing = changeIdentity(agent, { relays: [...old, relay] }, { timeoutMs: 1_500 });
      await expect(changing).rejects.toMatchObject({ code: "identity-unspread" });
    }
    await expect(changeIdentity(agent, { relays: [] })).rejects.toMatchObject({ code: "relays-too-few" });
    await expect(changeIdentity(agent, { faults: 1 })).rejects.toMatchObject({ code: "relays-too-few" });
    expect(agent.context.identity.operations().length).toBe(1);
    for (const place of places) expect((await operationsOn(place, keys.did)).length).toBeLessThanOrEqual(1);
    await agent.publisher.publish([{ kind: "note", body: {} }]);
  });

  it("where updates clash it refuses, and settles in favour of the home's own when told to", async () => {
    const { keys, home } = await settled(places.slice(0, 3));
    await using agent = await open(keys, home);
    const parent = agent.context.identity.newest!;
    const mine = await changeIdentity(agent, { handles: ["scout.example.com"] });
    for (let n = 0; n < 12; n++) {
      const { parsed } = updateIdentity({
        parent,
        changes: { handles: [`h${n}.example.com`] },
        signSeed: keys.seed,
        timeMs: n,
      });
      agent.context.identity.add(parsed);
      await agent.home.keepOperations([parsed]);
    }
    await expect(changeIdentity(agent, { faults: 0 })).rejects.toMatchObject({ code: "identity-contested" });
    const settledOn = await changeIdentity(agent, {}, { settle: true });
    expect(settledOn.parent.hash).toBe(mine.operation.hash);
    expect(agent.context.identity.resolution.status).toBe("verified");
    expect(agent.context.identity.newest!.op.handles).toEqual(["scout.example.com"]);
    await agent.publisher.publish([{ kind: "note", body: {} }]);
  });

  it("two changes at once are made one after the other: neither update is the other's rival", async () => {
    const { keys, home } = await settled(places.slice(0, 3));
    await using agent = await open(keys, home);
    const services = [{ id: "mail", type: "Mail", endpoint: "https://example.com/" }];
    const refused = expect(changeIdentity(agent, { relays: [] })).rejects.toMatchObject({ code: "relays-too-few" });
    const [first, second] = await Promise.all([
      changeIdentity(agent, { handles: ["scout.example.com"] }),
      changeIdentity(agent, { services }),
    ]);
    await refused;
    expect(second.parent.hash).toBe(first.operation.hash);
    const { resolution, newest } = agent.context.identity;
    expect(resolution.status).toBe("verified");
    expect(newest!.op).toMatchObject({ handles: ["scout.example.com"], services });
  });

  it("a handle that its relay refuses is signed for nobody: no other relay has the update, and the home forgets it", async () => {
    const [a, b, c] = places as [RelayPlace, RelayPlace, RelayPlace];
    const handle = `scout@${new URL(a.url).host}`;
    const first = await settled([a, b, c]);
    const second = await settled([a, b, c]);
    await using owner = await open(first.keys, first.home);
    await using other = await open(second.keys, second.home);
    await changeIdentity(owner, { handles: [handle] });
    expect(owner.context.identity.newest!.op.handles).toEqual([handle]);
    await expect(changeIdentity(other, { handles: [handle] })).rejects.toMatchObject({ code: "handle-taken" });
    expect(other.context.identity.operations().length).toBe(1);
    expect(await other.home.proposed()).toBeUndefined();
    for (const place of [a, b, c]) expect((await operationsOn(place, second.keys.did)).length).toBe(1);
    await other.publisher.publish([{ kind: "note", body: {} }]);
  });

  it("a proposal that a crash left is settled first: taken by its relay, or undecided while that is away", async () => {
    const [a, b, c] = places as [RelayPlace, RelayPlace, RelayPlace];
    const { keys, home } = await settled([a, b, c]);
    const handle = `crashed-${Date.now()}@${new URL(a.url).host}`;
    await using agent = await open(keys, home);
    const parent = agent.context.identity.newest!;
    const { parsed } = updateIdentity({ parent, changes: { handles: [handle] }, signSeed: keys.seed, timeMs: 1 });
    await agent.home.propose(parsed);
    await a.kill();
    const services = [{ id: "mail", type: "Mail", endpoint: "https://example.com/" }];
    const changing = changeIdentity(agent, { services }, { timeoutMs: 1_500 });
    await expect(changing).rejects.toMatchObject({ code: "update-undecided" });
    expect((await agent.home.proposed())?.hash).toBe(parsed.hash);
    await a.restart();
    const { operation } = await changeIdentity(agent, { services });
    expect(operation.op.prev).toBe(parsed.hash);
    expect(operation.op.handles).toEqual([handle]);
    expect(await agent.home.proposed()).toBeUndefined();
  });

  it("a proposal whose relay is gone for good is taken back, and loses even where that relay had it", async () => {
    const [a, b, c] = places as [RelayPlace, RelayPlace, RelayPlace];
    const { keys, home } = await settled([a, b, c]);
    const handle = `gone-${Date.now()}@${new URL(a.url).host}`;
    await using agent = await open(keys, home);
    const parent = agent.context.identity.newest!;
    const { parsed } = updateIdentity({ parent, changes: { handles: [handle] }, signSeed: keys.seed, timeMs: 1 });
    await agent.home.propose(parsed);
    const body = `${new TextDecoder().decode(parsed.line)}\n`;
    const answer = await fetch(`${a.relay.httpUrl}/agents/${keys.did}/identity`, { method: "POST", body });
    expect(await answer.text()).toContain('"t":"ack"');
    await a.kill();
    // Something else is wanted: the proposal stays.
    const options = { timeoutMs: 5_000, takesBack: ({ handles }: WaitingUpdate) => handles.includes(handle) };
    const other = { timeoutMs: 500, takesBack: ({ handles }: WaitingUpdate) => handles.includes("scout@b.example") };
    await expect(changeIdentity(agent, { handles: [] }, other)).rejects.toMatchObject({ code: "update-undecided" });
    const { operation } = await changeIdentity(agent, { handles: [] }, options);
    expect(operation.op).toMatchObject({ prev: parent.hash, over: [parsed.hash], handles: [] });
    expect(await agent.home.proposed()).toBeUndefined();

    await a.restart();
    await agent.publisher.publish([{ kind: "note", body: {} }], { durability: "all" });
    const log = new IdentityLog(keys.did, await operationsOn(a, keys.did));
    expect(log.has(parsed.hash)).toBe(true);
    expect(log.resolution).toMatchObject({ status: "verified", state: { head: { hash: operation.hash } } });
  });

  it("an update that is kept while too few relays answer says so, and the next start brings it out", async () => {
    const { keys, home } = await settled(places.slice(0, 3));
    const agent = await open(keys, home);
    // The relays go away between the disk and the network.
    const { home: kept } = agent;
    const keep = kept.keepOperations.bind(kept);
    kept.keepOperations = async (operations) => {
      await keep(operations);
      await Promise.all(places.slice(0, 2).map((place) => place.kill()));
    };
    const changing = changeIdentity(agent, { handles: ["scout.example.com"] }, { timeoutMs: 1_500 });
    await expect(changing).rejects.toMatchObject({ code: "update-unfinished" });
    await agent.close();
    await Promise.all(places.slice(0, 2).map((place) => place.restart()));
    await using again = await open(keys, home);
    expect(again.context.identity.newest!.op.handles).toEqual(["scout.example.com"]);
    for (const place of places.slice(0, 3)) await expectOperations(place, keys.did, 2);
  });

  it("an agent that is closed while it claims anew claims nothing more: its lock is another's by then", async () => {
    const { keys, home } = await settled(places.slice(0, 3));
    const agent = await open(keys, home);
    await Promise.all(places.slice(0, 2).map((place) => place.kill()));
    const ended = expect(agent.changePen({ timeoutMs: 60_000 })).rejects.toMatchObject({ code: "closed" });
    await agent.pen.lost;
    const closing = agent.close();
    await Promise.all(places.slice(0, 2).map((place) => place.restart()));
    await ended;
    await closing;
    await expect(agent.changePen()).rejects.toMatchObject({ code: "closed" });
    await expect(agent.context.relays.get(places[0]!.url).opened()).rejects.toMatchObject({ code: "closed" });
    await using again = await open(keys, home);
    expect(again.chain.tree.sideEvents).toBe(0);
  });
});
