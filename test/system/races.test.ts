import { cpSync, rmSync } from "node:fs";
import { nodeDisk } from "ants-agent/keys/node";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AntsError } from "../../keys/errors.js";
import { AgentHome } from "../../src/agent/home.js";
import { type Agent, type OpeningOptions, openAgent } from "../../src/agent/open-agent.js";
import { systemPorts } from "../../src/client/ports.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { settle } from "../support/agent-process.js";
import { type AgentKeys, foundAgent, idsOnRelay } from "../support/test-agent.js";

let relays: TestRelay[];

beforeAll(async () => {
  relays = await Promise.all([startTestRelay(), startTestRelay(), startTestRelay()]);
});

afterAll(async () => {
  for (const relay of relays) await relay.close();
});

async function open(keys: AgentKeys, path: string, options: OpeningOptions = {}): Promise<Agent> {
  const home = await AgentHome.open(nodeDisk, path);
  const lock = await home.lock();
  const secrets = { signSeed: keys.seed, stateKey: new Uint8Array(32), agreeSecret: new Uint8Array(32) };
  return openAgent({ disk: nodeDisk, ports: systemPorts, home, lock, secrets, bootId: "this boot", ...options });
}

/** What two starts came to. */
interface Race {
  readonly winners: readonly Agent[];
  readonly losers: readonly AntsError[];
}

/** Two starts, `laterMs` apart: what the second one meets differs with every millisecond. */
async function race(starts: readonly [() => Promise<Agent>, () => Promise<Agent>], laterMs: number): Promise<Race> {
  const [first, second] = starts;
  const settled = await Promise.allSettled([first(), systemPorts.clock.sleep(laterMs).then(second)]);
  return {
    winners: settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : [])),
    losers: settled.flatMap((each) => (each.status === "rejected" ? [each.reason as AntsError] : [])),
  };
}

/** Publishes with all of them at once; how many could. What a displaced one signed is never committed. */
async function holders({ winners }: Race): Promise<Agent[]> {
  const holding = await Promise.all(
    winners.map(async (agent) => {
      try {
        agent.pen.check();
        await agent.publisher.publish([{ kind: "note", body: {} }]);
        agent.pen.check();
        return [agent];
      } catch {
        return [];
      }
    }),
  );
  return holding.flat();
}

async function atHome(): Promise<{ keys: AgentKeys; home: string }> {
  const keys = foundAgent(relays);
  const home = temporaryFolder();
  await settle(keys, home);
  return { keys, home };
}

/** The same home on another host: whatever runs there is nobody's earlier run. */
function elsewhere(home: string): string {
  const copy = temporaryFolder();
  cpSync(home, copy, { recursive: true });
  rmSync(`${copy}/.ants/instances.ndjson`, { force: true });
  return copy;
}

async function closeAll(agents: readonly Agent[]): Promise<void> {
  for (const agent of agents) await agent.close();
}

describe("200 races for one pen: never two holders (I11)", () => {
  it("on two hosts, 100 times: one has it, the other says who, since when, and what to do", async () => {
    for (let n = 0; n < 100; n++) {
      const { keys, home } = await atHome();
      const other = elsewhere(home);
      const outcome = await race([() => open(keys, home), () => open(keys, other)], (n % 20) * 2);
      const holding = await holders(outcome);
      expect(holding, `race ${n}`).toHaveLength(1);
      expect(outcome.losers, `race ${n}`).toHaveLength(1);
      const [holder] = holding;
      const [loser] = outcome.losers;
      expect(loser).toMatchObject({
        code: "held",
        details: { instance: holder!.context.instance, label: "test", sinceMs: expect.any(Number) },
      });
      expect(loser!.message).toMatch(/is held by "test" \(instance [0-9a-f]{16}\) since 20\d\d-/);
      expect(loser!.hint).toMatch(/stop that instance.*--wait.*--takeover/);
      await closeAll(outcome.winners);
      for (const folder of [home, other]) rmSync(folder, { recursive: true });
    }
  }, 120_000);

  it("in one home, 60 times: the second is told that it is locked, by which process, and since when", async () => {
    const { keys, home } = await atHome();
    for (let n = 0; n < 60; n++) {
      const outcome = await race([() => open(keys, home), () => open(keys, home)], n % 3);
      expect(outcome.winners, `race ${n}`).toHaveLength(1);
      expect(outcome.losers[0]).toMatchObject({ code: "locked" });
      expect(outcome.losers[0]!.message).toMatch(new RegExp(`process ${process.pid}.* since 20\\d\\d-`));
      expect(await holders(outcome)).toHaveLength(1);
      await closeAll(outcome.winners);
    }
  }, 120_000);

  it("both taking over from a live holder, 40 times: three know the key, one of them commits", async () => {
    for (let n = 0; n < 40; n++) {
      const { keys, home } = await atHome();
      const before = await open(keys, home);
      const [one, two] = [elsewhere(home), elsewhere(home)];
      const takeover = { takeover: true };
      const outcome = await race([() => open(keys, one, takeover), () => open(keys, two, takeover)], (n % 10) * 3);
      const all = { ...outcome, winners: [before, ...outcome.winners] };
      const holding = await holders(all);
      expect(holding, `race ${n}`).toHaveLength(1);
      expect(holding[0]).not.toBe(before);
      await closeAll(all.winners);
      // One line of claims, whatever was tried: every epoch of it is one instance's.
      const ids = await idsOnRelay(relays[0]!.url, keys.did);
      expect(ids).toContain(holding[0]!.pen.claim.id);
      for (const folder of [home, one, two]) rmSync(folder, { recursive: true });
    }
  }, 120_000);
});
