import { afterAll, beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { Prng } from "../keys/prng.js";
import { AgentProcess, idsInHome, settle } from "../support/agent-process.js";
import { LogAuditor } from "../support/log-auditor.js";
import { RelayPlace } from "../support/relay-place.js";
import { foundAgent, idsOnRelay } from "../support/test-agent.js";

const KILLS = 30;
/** Of these, how many must have had events under way: the others show little. */
const KILLS_IN_FLIGHT = 15;
const SEED = 20_261;
const SLOW_ONE_WAY_MS = 10;

let places: RelayPlace[];

beforeAll(async () => {
  places = await Promise.all([RelayPlace.start(), RelayPlace.start(SLOW_ONE_WAY_MS), RelayPlace.start()]);
});

afterAll(async () => {
  for (const place of places) await place[Symbol.asyncDispose]();
});

/** Sleeps for a drawn moment: when a kill strikes is the experiment, nothing waits for it. */
const moment = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

it(`an agent that is killed ${KILLS} times with -9 loses nothing it had stored, while a relay is away (N1)`, {
  timeout: 300_000,
}, async () => {
  const random = new Prng(SEED);
  const keys = foundAgent(places);
  const home = temporaryFolder();
  await settle(keys, home);
  const away = places[2]!;
  const committed: string[] = [];
  let stored: string[] = [];
  let withEventsUnderWay = 0;
  let underWay = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    // The third relay is away for most of the time, and back now and then in the middle of it.
    if (kill % 6 === 1) await away.kill();
    if (kill % 6 === 5) await away.restart();
    await using agent = new AgentProcess(home, keys);
    if (random.below(5) === 0) await moment(random.below(500));
    else {
      await agent.hears("done", 1 + random.below(60));
      await moment(random.below(6));
    }
    await agent.kill();
    const done = agent.heard("done").map((words) => words.split(" ")[1]!);
    committed.push(...done);
    const lost = agent.heard("send").length - done.length;
    underWay += lost;
    if (lost > 0) withEventsUnderWay += 1;
    const before = stored;
    stored = idsInHome(home);
    expect(stored.slice(0, before.length)).toEqual(before);
  }
  await away.kill();
  await away.restart();
  await using last = new AgentProcess(home, keys, "drain");
  await last.hears("drained");
  expect(await last.exited).toEqual([0, null]);

  const ids = idsInHome(home);
  expect(ids.slice(0, stored.length)).toEqual(stored);
  expect(new Set(ids).size).toBe(ids.length);
  expect(committed.filter((id) => !ids.includes(id))).toEqual([]);
  for (const { relay } of places) {
    expect(await idsOnRelay(relay.url, keys.did)).toEqual(ids);
    const log = new LogAuditor();
    await log.read(relay.httpUrl);
    const ofAgent = new Set(ids);
    expect(log.ids.filter((id) => ofAgent.has(id))).toEqual(ids);
  }
  console.log(
    `${KILLS} kills (seed ${SEED}), ${withEventsUnderWay} with events under way (${underWay} in all); ` +
      `${committed.length} were committed, ${stored.length} stored, ${ids.length} are on every relay in order, once`,
  );
  expect(withEventsUnderWay).toBeGreaterThanOrEqual(KILLS_IN_FLIGHT);
});
