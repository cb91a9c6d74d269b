import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { RelayPlace } from "../support/relay-place.js";
import { foundAgent, idsOnRelay, TestAgent } from "../support/test-agent.js";

/** Long against what a busy test machine adds by chance. */
const SLOW_ONE_WAY_MS = 40;
/** In each round. */
const PUBLISHES = 300;
/** One round without a hiccup of the machine is enough: a relay that costs time costs it in every round. */
const ROUNDS = 3;
const MAX_RATIO = 1.2;
/** Publications under way at once, for each agent. */
const WORKERS = 6;

const note = (text: string) => [{ kind: "note", body: { text } }];

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

const shown = (times: readonly number[]) => [0.5, 0.99].map((share) => percentile(times, share).toFixed(1)).join("/");

/** Both agents publish at the same time, turn by turn, so that whatever else this machine does hits both. */
async function round(a: TestAgent, b: TestAgent, dead: string): Promise<{ a: number[]; b: number[] }> {
  const tookMs: { a: number[]; b: number[] } = { a: [], b: [] };
  const publish = async (name: "a" | "b", { publisher }: TestAgent) => {
    const startMs = performance.now();
    const { relays } = await publisher.publish(note("counting"));
    tookMs[name].push(performance.now() - startMs);
    if (name === "b") expect(relays[dead]!.state).not.toBe("acknowledged");
  };
  const work = async () => {
    // Who comes first changes from turn to turn.
    for (let turn = 0; turn < PUBLISHES / WORKERS; turn++) {
      await Promise.all(turn % 2 === 0 ? [publish("a", a), publish("b", b)] : [publish("b", b), publish("a", a)]);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  for (const times of [tookMs.a, tookMs.b]) times.sort((x, y) => x - y);
  return tookMs;
}

let fast: RelayPlace;
let slow: RelayPlace;
let third: RelayPlace;

beforeAll(async () => {
  [fast, slow, third] = await Promise.all([RelayPlace.start(), RelayPlace.start(SLOW_ONE_WAY_MS), RelayPlace.start()]);
});

afterAll(async () => {
  for (const place of [fast, slow, third]) await place[Symbol.asyncDispose]();
});

describe("three relays, one dead and one slow (N1, B23)", () => {
  for (const death of ["refuses connections", "is a black hole", "was killed with -9"] as const) {
    it(`publishing at quorum takes no longer because a relay ${death}; it catches up in order`, async () => {
      const withoutDead = foundAgent([fast, slow]);
      const withDead = foundAgent([fast, slow, third]);
      await using a = await TestAgent.open(withoutDead, { folder: temporaryFolder() });
      await using b = await TestAgent.open(withDead, { folder: temporaryFolder() });
      await b.publisher.drain({ durability: "all" });

      if (death === "refuses connections") await third.proxy.refuse();
      else if (death === "is a black hole") third.proxy.isBlackHole = true;
      else await third.kill();
      let published = 0;
      const ratios: number[] = [];
      while (ratios.length < ROUNDS && !ratios.some((ratio) => ratio <= MAX_RATIO)) {
        const tookMs = await round(a, b, third.url);
        published += tookMs.b.length;
        const [pA, pB] = [percentile(tookMs.a, 0.99), percentile(tookMs.b, 0.99)];
        ratios.push(pB / pA);
        console.log(
          `a relay ${death}, round ${ratios.length}: p50/p99 ${shown(tookMs.a)} ms without it, ` +
            `${shown(tookMs.b)} ms with it (p99 × ${(pB / pA).toFixed(2)})`,
        );
      }
      expect(Math.min(...ratios), `p99 with the dead relay by p99 without it: ${ratios}`).toBeLessThanOrEqual(
        MAX_RATIO,
      );
      expect(b.publisher.relays().find(({ url }) => url === third.url)!.behind).toBeGreaterThanOrEqual(published);

      if (death === "refuses connections") await third.proxy.accept();
      else if (death === "is a black hole") third.proxy.isBlackHole = false;
      else await third.restart();
      await b.publisher.drain({ durability: "all" });
      const ids = b.ids();
      for (const { relay } of [fast, slow, third]) expect(await idsOnRelay(relay.url, withDead.did)).toEqual(ids);
    });
  }
});
