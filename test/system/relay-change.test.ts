import { cpSync, rmSync } from "node:fs";
import { nodeDisk } from "ants-agent/keys/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { changeIdentity } from "../../src/agent/change-identity.js";
import { AgentHome } from "../../src/agent/home.js";
import { type Agent, openAgent } from "../../src/agent/open-agent.js";
import { systemPorts } from "../../src/client/ports.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { AgentProcess, settle } from "../support/agent-process.js";
import { RelayPlace } from "../support/relay-place.js";
import { type AgentKeys, foundAgent, idsOnRelay } from "../support/test-agent.js";

let places: RelayPlace[];

beforeAll(async () => {
  places = await Promise.all([0, 1, 2, 3, 4].map(() => RelayPlace.start()));
});

afterAll(async () => {
  for (const place of places) await place[Symbol.asyncDispose]();
});

async function open(keys: AgentKeys, path: string): Promise<Agent> {
  const home = await AgentHome.open(nodeDisk, path);
  const lock = await home.lock();
  const secrets = { signSeed: keys.seed, stateKey: new Uint8Array(32), agreeSecret: new Uint8Array(32) };
  return openAgent({ disk: nodeDisk, ports: systemPorts, home, lock, secrets, bootId: "this boot", timeoutMs: 20_000 });
}

/** Publishes one event after the other until it is told to stop; the ids of those that were committed. */
function writing(agent: Agent): { stop(): Promise<string[]>; readonly committed: readonly string[] } {
  const committed: string[] = [];
  let goesOn = true;
  const worker = async (): Promise<void> => {
    while (goesOn) {
      const { events } = await agent.publisher.publish([{ kind: "note", body: { n: committed.length } }]);
      committed.push(events[0]!.id);
    }
  };
  const workers = Promise.all([worker(), worker(), worker()]);
  return {
    committed,
    async stop() {
      goesOn = false;
      await workers;
      return committed;
    },
  };
}

it("A, B, C become C, D, E while the agent writes, one of each set dead: no loss, no second holder", async () => {
  const [a, b, c, d, e] = places as [RelayPlace, RelayPlace, RelayPlace, RelayPlace, RelayPlace];
  const keys = foundAgent([a, b, c]);
  const home = temporaryFolder();
  await settle(keys, home);
  const agent = await open(keys, home);
  const work = writing(agent);
  while (work.committed.length < 20) await systemPorts.clock.sleep(5);
  // Another host has the home as it was before the change, and knows of A, B and C only.
  const copy = temporaryFolder();
  cpSync(home, copy, { recursive: true });
  rmSync(`${copy}/.ants/instances.ndjson`, { force: true });
  rmSync(`${copy}/.ants/lock`, { force: true });

  await a.kill();
  const before = work.committed.length;
  const after = [c, d, e].map(({ url, stream }) => ({ url, stream }));
  // A new relay that is dead from the beginning is not named: nothing is signed then, and the agent writes on.
  await e.proxy.refuse();
  await expect(changeIdentity(agent, { relays: after }, { timeoutMs: 1_500 })).rejects.toMatchObject({
    code: "identity-unspread",
  });
  expect(agent.pen.loss).toBeUndefined();
  await e.proxy.accept();
  // One that dies in the middle of the change is as good as any of the old set's.
  const change = changeIdentity(agent, { relays: after });
  const identityAtE = `${e.proxy.targetUrl.replace(/^ws/, "http")}/agents/${keys.did}/identity`;
  while ((await fetch(identityAtE)).status !== 200) await systemPorts.clock.sleep(2);
  await e.kill();
  {
    await using rival = new AgentProcess(copy, keys);
    expect((await rival.exited)[0]).toBe(1);
    expect(rival.said).toEqual(["error held"]);
  }
  await change;
  expect(agent.pen.relaySet.relays.map(({ url }) => url)).toEqual(after.map(({ url }) => url));
  const changed = work.committed.length;
  expect(changed).toBeGreaterThanOrEqual(before);
  while (work.committed.length < changed + 20) await systemPorts.clock.sleep(5);
  {
    await using rival = new AgentProcess(copy, keys);
    expect((await rival.exited)[0]).toBe(1);
    expect(rival.said).toEqual(["error held"]);
  }
  const committed = await work.stop();
  expect(agent.pen.loss).toBeUndefined();
  expect(agent.leftBehind).toEqual([]);
  await agent.close();

  // Every committed event is on the chain of both living relays of the new set, once and in one order.
  await b.kill();
  const [atC, atD] = await Promise.all([c, d].map(({ relay }) => idsOnRelay(relay.url, keys.did)));
  const onChain = new Set(atC);
  expect(committed.filter((id) => !onChain.has(id))).toEqual([]);
  expect(new Set(committed).size).toBe(committed.length);
  const shared = Math.min(atC!.length, atD!.length);
  expect(atD!.slice(0, shared)).toEqual(atC!.slice(0, shared));

  // The next start, from the old copy: its own relays are gone but C, and the chain leads on from all of it.
  await a.restart();
  await b.restart();
  await using next = new AgentProcess(copy, keys, "takeover");
  await next.hears("done", 3);
  await next.kill();
  const last = await idsOnRelay(c.relay.url, keys.did);
  expect(last.slice(0, atC!.length)).toEqual(atC);
  expect(
    next
      .heard("done")
      .map((words) => words.split(" ")[1]!)
      .filter((id) => !last.includes(id)),
  ).toEqual([]);
}, 120_000);
