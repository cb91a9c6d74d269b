import { join } from "node:path";
import type { Scenario } from "./scenario.js";
import { SCENARIO_TITLES } from "./titles.js";

const COUNTS = 8;
const MEMORY = "# What I know\n\nThe blue door sticks in winter.\n";

export const HAND_OVER: Scenario = {
  name: "handover",
  title: SCENARIO_TITLES.handover,
  async play(stage) {
    const { a, b, did } = stage;
    const first = stage.count(a);
    await first.counts(COUNTS);
    await first.stop();
    await a.put("ants/MEMORY.md", MEMORY);
    const asked = await b.run<{ request: string; code: string }>(["migrate", "in", "--start"]);
    const packed = join(a.folder, "agent.move");
    const request = ["--request", asked.request, "--code", asked.code];
    await a.run(["migrate", "out", ...request, "--bundle", packed]);
    stage.tell(`A packed the agent for B after ${first.last} numbers, and handed the pen over`);
    const refusal = await stage.count(a).refusal();
    stage.check("nothing begins to work on A again", refusal.code === "home-moved", refusal.message);

    const bundle = join(b.folder, "agent.move");
    await b.put("agent.move", await a.get("agent.move"));
    const pending = await b.names(join("data", "ants", "move"));
    const kept = await Promise.all(pending.map(async (name) => [name, await b.get(name)] as const));
    const take = ["migrate", "in", "--bundle", bundle, "--did", did];
    await b.run(take);
    const second = stage.count(b);
    const { epoch, next } = await second.opened();
    stage.tell(`B took the bundle, and counts on at ${next} in epoch ${epoch}`);
    await second.counts(COUNTS);
    const memory = (await b.get("ants/MEMORY.md")).toString();
    stage.check("the files went along", memory === MEMORY, `MEMORY.md has ${memory.length} characters`);

    const elsewhere = join(b.folder, "elsewhere");
    const env = { ANTS_HOME: elsewhere, ANTS_VAULT: join(b.folder, "elsewhere.json") };
    const used = await b.fails(take, { env });
    stage.check("the bundle opens no second time on B", used === "move-no-request", used);
    for (const [name, bytes] of kept) await b.put(name, bytes);
    const replayed = await b.fails(take, { env });
    stage.check("nor with a copy of B's disk from before", replayed === "handover-used", replayed);
    const back = await a.fails(["migrate", "out", "--cancel"]);
    stage.check("A cannot take the move back once B was at work", back === "move-arrived", back);
    stage.tell(`the bundle was replayed, with and without the one-time key, and refused; ${did} is on B alone`);
    await second.counts(2 * COUNTS);
    await second.stop();
    await stage.conclude(b);
  },
};
