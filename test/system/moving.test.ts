import { rmSync } from "node:fs";
import { type FollowedAgent, type FollowItem, type FollowState, follow, parseFollowState } from "ants-agent";
import { nodeDisk } from "ants-agent/keys/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changeIdentity } from "../../src/agent/change-identity.js";
import { AgentHome } from "../../src/agent/home.js";
import { type Agent, openAgent } from "../../src/agent/open-agent.js";
import { standings } from "../../src/cli/relay-standing.js";
import { systemPorts } from "../../src/client/ports.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { settle } from "../support/agent-process.js";
import { CensoringProxy } from "../support/censoring-proxy.js";
import { freePort, RelayPlace } from "../support/relay-place.js";
import { NO_RATES, RelayProcess } from "../support/relay-process.js";
import { type AgentKeys, foundAgent, idsOnRelay } from "../support/test-agent.js";

let places: RelayPlace[];

beforeAll(async () => {
  places = await Promise.all([0, 1, 2, 3, 4].map(() => RelayPlace.start()));
});

afterAll(async () => {
  for (const place of places) await place[Symbol.asyncDispose]();
});

const addresses = (of: readonly { readonly url: string; readonly stream: string }[]) =>
  of.map(({ url, stream }) => ({ url, stream }));

async function open(keys: AgentKeys, path: string): Promise<Agent> {
  const home = await AgentHome.open(nodeDisk, path);
  const lock = await home.lock();
  const secrets = { signSeed: keys.seed, stateKey: new Uint8Array(32), agreeSecret: new Uint8Array(32) };
  return openAgent({ disk: nodeDisk, ports: systemPorts, home, lock, secrets, bootId: "this boot", timeoutMs: 10_000 });
}

async function founded(of: readonly { readonly url: string; readonly stream: string }[]) {
  const keys = foundAgent(of);
  const home = temporaryFolder();
  await settle(keys, home);
  return { keys, home };
}

/** A peer that follows an agent and notes what it is given. */
class Peer {
  readonly seqs: number[] = [];
  readonly items: FollowItem[] = [];
  readonly ended: Promise<void>;
  state: FollowState | undefined;
  readonly #following: ReturnType<typeof follow>;
  #waiting: (() => void)[] = [];

  constructor(agent: FollowedAgent, state?: FollowState) {
    this.#following = follow({
      agents: [agent],
      mayDial: () => true,
      connection: { backoff: { maxMs: 500 } },
      ...(state === undefined ? {} : { state: parseFollowState(JSON.parse(JSON.stringify(state))) }),
    });
    this.ended = this.#read();
  }

  get relays(): readonly string[] {
    return this.#following.relays;
  }

  async #read(): Promise<void> {
    for await (const item of this.#following) {
      this.items.push(item);
      if (item.type === "event") this.seqs.push(item.event.event.seq);
      this.state = this.#following.state();
      for (const look of this.#waiting) look();
    }
  }

  /** Resolves once it is so, as far as items show. */
  async until(isSo: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!isSo()) return;
        this.#waiting = this.#waiting.filter((other) => other !== look);
        resolve();
      };
      this.#waiting.push(look);
      look();
    });
  }

  async stop(): Promise<void> {
    this.state = this.#following.state();
    await this.#following.close();
    await this.ended;
  }
}

const upTo = (last: number) => Array.from({ length: last + 1 }, (_, seq) => seq);
const note = (agent: Agent) => agent.publisher.publish([{ kind: "note", body: {} }]);

describe("moving between relays (B23)", () => {
  it("a peer that follows the agent misses nothing, doubles nothing and is never told where it is (N9, I12)", async () => {
    const [a, b] = [places[0]!, places[1]!];
    const { keys, home } = await founded([a]);
    const agent = await open(keys, home);
    const peer = new Peer({ did: keys.did, operations: [keys.genesis] });
    for (let i = 0; i < 20; i++) await note(agent);
    await peer.until(() => peer.seqs.length > 10);

    let writing = true;
    const work = (async () => {
      while (writing) await note(agent);
    })();
    await changeIdentity(agent, { relays: addresses([b]) });
    for (let i = 0; i < 20; i++) await note(agent);
    writing = false;
    await work;
    const { seq } = agent.pen.head;
    await peer.until(() => peer.seqs.includes(seq));
    // The old relay is let go of; then it is switched off, for good.
    await note(agent);
    await peer.until(() => peer.relays.length === 1 || peer.seqs.includes(seq + 1));
    await a.kill();
    const first = agent.pen.head.seq;
    await peer.until(() => peer.seqs.includes(first));
    await peer.stop();

    for (let i = 0; i < 10; i++) await note(agent);
    // Another run of the peer, which was started with the genesis only: its state knows the way.
    const again = new Peer({ did: keys.did, operations: [keys.genesis] }, peer.state);
    await note(agent);
    const last = agent.pen.head.seq;
    await again.until(() => again.seqs.includes(last));
    await again.stop();
    expect([...peer.seqs, ...again.seqs]).toEqual(upTo(last));
    expect(again.relays).toEqual([b.url]);
    expect([...peer.items, ...again.items].filter(({ type }) => type === "gap" || type === "superseded")).toEqual([]);
    await agent.close();
    await a.restart();
  });

  it("a peer that was away while the agent moved is led on by the old relay, and loses nothing (N9)", async () => {
    const [a, b] = [places[0]!, places[1]!];
    const { keys, home } = await founded([a]);
    const agent = await open(keys, home);
    for (let i = 0; i < 300; i++) void note(agent);
    await note(agent);
    const peer = new Peer({ did: keys.did, operations: [keys.genesis] });
    await peer.until(() => peer.seqs.length >= 5);
    await peer.stop();
    await changeIdentity(agent, { relays: addresses([b]) });
    await note(agent);
    const { seq } = agent.pen.head;
    const again = new Peer({ did: keys.did, operations: [keys.genesis] }, peer.state);
    await again.until(() => again.seqs.includes(seq));
    await again.stop();
    expect([...peer.seqs, ...again.seqs]).toEqual(upTo(seq));
    await agent.close();
  });

  it("one of three relays is lost for good and replaced: all have the same chain, and the agent never stopped (N10)", async () => {
    const lost = await RelayPlace.start();
    const { keys, home } = await founded([lost, places[1]!, places[2]!]);
    const agent = await open(keys, home);
    for (let i = 0; i < 30; i++) await note(agent);
    await lost[Symbol.asyncDispose]();
    rmSync(lost.data, { recursive: true, force: true });
    await note(agent);
    const next = [places[1]!, places[2]!, places[3]!];
    await changeIdentity(agent, { relays: addresses(next) });
    await agent.publisher.publish([{ kind: "note", body: {} }], { durability: "all" });
    const chain = Array.from({ length: agent.pen.head.seq + 1 }, (_, seq) => agent.chain.tree.chainAt(seq)!.id);
    await agent.close();
    for (const place of next) expect(await idsOnRelay(place.url, keys.did)).toEqual(chain);
  });

  it("one of three relays bans the agent: it goes on with the others, and names another (N10)", async () => {
    const banning = await RelayPlace.start();
    const { keys, home } = await founded([banning, places[1]!, places[2]!]);
    const agent = await open(keys, home);
    await agent.publisher.publish([{ kind: "note", body: {} }], { durability: "all" });
    await banning.kill();
    await banning.restart(["--ban", keys.did]);
    for (let i = 0; i < 5; i++) await note(agent);
    const refused = () => agent.publisher.relays().find(({ url }) => url === banning.url)?.status;
    await expect.poll(() => JSON.stringify(refused()), { timeout: 30_000 }).toContain("banned");
    const next = [places[1]!, places[2]!, places[3]!];
    await changeIdentity(agent, { relays: addresses(next) });
    await agent.publisher.publish([{ kind: "note", body: {} }], { durability: "all" });
    const chain = Array.from({ length: agent.pen.head.seq + 1 }, (_, seq) => agent.chain.tree.chainAt(seq)!.id);
    await agent.close();
    for (const place of next) expect(await idsOnRelay(place.url, keys.did)).toEqual(chain);
    // What it had before the ban is served on.
    expect(await idsOnRelay(banning.url, keys.did)).toEqual(chain.slice(0, 2));
    await banning[Symbol.asyncDispose]();
  });

  it("a relay that was rebuilt is named as what it is now, and gets the chain anew (N10)", async () => {
    const rebuilt = await RelayPlace.start();
    const { keys, home } = await founded([rebuilt, places[1]!, places[2]!]);
    const agent = await open(keys, home);
    for (let i = 0; i < 10; i++) await note(agent);
    const peer = new Peer({ did: keys.did, operations: [keys.genesis] });
    await peer.until(() => peer.seqs.length === 11);
    await rebuilt.kill();
    rmSync(rebuilt.data, { recursive: true, force: true });
    await rebuilt.restart();
    await changeIdentity(agent, { relays: addresses([rebuilt, places[1]!, places[2]!]) });
    await agent.publisher.publish([{ kind: "note", body: {} }], { durability: "all" });
    const { seq } = agent.pen.head;
    await peer.until(() => peer.seqs.includes(seq));
    await peer.stop();
    expect(peer.seqs).toEqual(upTo(seq));
    expect(await idsOnRelay(rebuilt.url, keys.did)).toEqual(await idsOnRelay(places[1]!.url, keys.did));
    await agent.close();
    await rebuilt[Symbol.asyncDispose]();
  });

  it("a relay that acknowledges one agent's events and serves them to nobody is found, and readers do without it (B24)", async () => {
    const proxy = await CensoringProxy.start();
    const port = await freePort();
    const flags = [...NO_RATES, "--port", String(port), "--public-url", proxy.url];
    const relay = await RelayProcess.start({ data: temporaryFolder(), flags });
    proxy.target(`ws://127.0.0.1:${port}`);
    const censor = { url: proxy.url, stream: relay.stream };
    const { keys, home } = await founded([censor, places[1]!, places[2]!]);
    const other = await founded([censor, places[1]!, places[2]!]);
    for (const each of [{ keys, home }, other]) {
      const agent = await open(each.keys, each.home);
      for (let i = 0; i < 5; i++) await agent.publisher.publish([{ kind: "note", body: {} }], { durability: "all" });
      await agent.close();
    }
    const options = { signal: new AbortController().signal, timeoutMs: 5_000 };
    const before = await standings(await AgentHome.open(nodeDisk, home), options);
    expect(before.map(({ state }) => state)).toEqual(["serves", "serves", "serves"]);

    proxy.silenced = keys.did;
    const found = await standings(await AgentHome.open(nodeDisk, home), options);
    expect(found.map(({ state }) => state)).toEqual(["withholds", "serves", "serves"]);
    const { audit } = found[0] as Extract<(typeof found)[number], { state: "withholds" }>;
    expect(audit.withheld.map(({ from, events }) => [from, events.length])).toEqual([
      ["chain", 6],
      ["follow", 6],
    ]);
    expect(audit.checkpoint).toContain(relay.stream);
    // It says of public events that they are addressed to others.
    proxy.claimsAddressed = true;
    const again = await standings(await AgentHome.open(nodeDisk, home), options);
    expect(again.map(({ state }) => state)).toEqual(["withholds", "serves", "serves"]);
    expect((again[0] as (typeof found)[0] & { audit: typeof audit }).audit.withheld).toEqual(audit.withheld);
    proxy.claimsAddressed = false;
    // What it names as the head is nothing that can be compared: that is no relay that serves, and says nothing of others.
    for (const head of [
      '{"head":{"seq":"x"}}',
      '{"head":{"epoch":1,"seq":1e99,"id":"00"}}',
      '{"identity":7}',
      "<html>",
    ]) {
      proxy.head = head;
      const odd = await standings(await AgentHome.open(nodeDisk, home), options);
      expect(odd.map(({ state }) => state)).toEqual(["unreachable", "serves", "serves"]);
    }
    proxy.head = undefined;
    // It treats everybody else well.
    const theirs = await standings(await AgentHome.open(nodeDisk, other.home), options);
    expect(theirs.map(({ state }) => state)).toEqual(["serves", "serves", "serves"]);

    const peer = new Peer({ did: keys.did, operations: [keys.genesis] });
    await peer.until(() => peer.seqs.length === 6);
    await peer.stop();
    expect(peer.seqs).toEqual(upTo(5));
    await relay.kill();
    await proxy[Symbol.asyncDispose]();
  });
});
