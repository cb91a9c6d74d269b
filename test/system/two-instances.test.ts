import { cpSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { AgentProcess, idsInHome, settle } from "../support/agent-process.js";
import { RelayPlace } from "../support/relay-place.js";
import { type AgentKeys, foundAgent, idsOnRelay } from "../support/test-agent.js";

let places: RelayPlace[];

beforeAll(async () => {
  places = await Promise.all([RelayPlace.start(), RelayPlace.start(), RelayPlace.start()]);
});

afterAll(async () => {
  for (const place of places) await place[Symbol.asyncDispose]();
});

/** An agent at work, and a copy of its home from before it began. */
async function atWork(): Promise<{ keys: AgentKeys; home: string; copy: string }> {
  const keys = foundAgent(places);
  const [home, copy] = [temporaryFolder(), temporaryFolder()];
  await settle(keys, home);
  cpSync(home, copy, { recursive: true });
  return { keys, home, copy };
}

describe("two instances of one agent, as processes (I11, B3)", () => {
  it("in one home the second is told that it is locked, elsewhere that the pen is held; the first goes on", async () => {
    const { keys, home, copy } = await atWork();
    await using first = new AgentProcess(home, keys);
    await first.hears("done", 20);
    for (const [place, code] of [
      [home, "locked"],
      [copy, "held"],
    ] as const) {
      await using second = new AgentProcess(place, keys);
      expect(await second.exited).toEqual([1, null]);
      expect(second.said).toEqual([`error ${code}`]);
    }
    const { length } = first.heard("done");
    await first.hears("done", length + 50);
    expect(first.heard("lost")).toEqual([]);
  });

  it("with takeover the first is fenced and stops, and nothing of it is committed afterwards", async () => {
    const { keys, home, copy } = await atWork();
    await using first = new AgentProcess(home, keys);
    await first.hears("done", 100);
    await using second = new AgentProcess(copy, keys, "takeover");
    await second.hears("open");
    await first.hears("lost");
    expect(first.heard("lost")).toEqual(["fenced"]);
    expect(await first.exited).toEqual([0, null]);
    await second.hears("done", 100);
    await second.kill();
    await using last = new AgentProcess(copy, keys, "drain");
    await last.hears("drained");

    // What was under way is unknown to its caller, what came after was refused: nothing is called a success.
    const failed = first.heard("failed").map((words) => words.split(" ").slice(1).join(" "));
    expect(failed.length).toBeGreaterThan(0);
    for (const each of failed) expect(["publish-unknown fenced", "pen-lost fenced"]).toContain(each);
    expect(failed.at(-1)).toBe("pen-lost fenced");

    const [, claimSeq] = second.heard("open")[0]!.split(" ").map(Number);
    const byFirst = new Set(idsInHome(home));
    for (const { relay } of places) {
      const chain = await idsOnRelay(relay.url, keys.did);
      const onChain = new Set(chain);
      const committed = first.heard("done").map((words) => words.split(" ")[1]!);
      expect(committed.filter((id) => !onChain.has(id))).toEqual([]);
      expect(chain.slice(claimSeq).filter((id) => byFirst.has(id))).toEqual([]);
    }
  });

  it("the first goes on in its home by claiming anew, on the chain that the second left", async () => {
    const { keys, home, copy } = await atWork();
    await using first = new AgentProcess(home, keys);
    await first.hears("done", 10);
    await using second = new AgentProcess(copy, keys, "takeover");
    await first.exited;
    await second.hears("done", 10);
    await using again = new AgentProcess(home, keys, "takeover");
    await again.hears("done", 10);
    await second.exited;
    await again.kill();
    await using last = new AgentProcess(home, keys, "drain");
    await last.hears("drained");
    const chain = await idsOnRelay(places[0]!.relay.url, keys.did);
    const done = [first, second, again].flatMap((run) => run.heard("done").map((words) => words.split(" ")[1]!));
    const onChain = new Set(chain);
    expect(done.filter((id) => !onChain.has(id))).toEqual([]);
    for (const { relay } of places) expect(await idsOnRelay(relay.url, keys.did)).toEqual(chain);
  });
});
