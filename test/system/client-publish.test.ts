import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { RelayPlace } from "../support/relay-place.js";
import { foundAgent, idsOnRelay, TestAgent } from "../support/test-agent.js";

/** Long against what a busy test machine adds by chance. */
const SLOW_ONE_WAY_MS = 40;
const PUBLISHES = 600;
/** Publications under way at once, for each agent. */
const WORKERS = 6;

const note = (text: string) => [{ kind: "note", body: { text } }];

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
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

describe("three relays, one dead and one slow (N1)", () => {
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
      const tookMs: { a: number[]; b: number[] } = { a: [], b: [] };
      // Both at the same time, so that whatever else this machine does hits both.
      const work = async (name: "a" | "b", { publisher }: TestAgent) => {
        for (let i = 0; i < PUBLISHES / WORKERS; i++) {
          const startMs = performance.now();
          const { relays } = await publisher.publish(note(`${i}`));
          tookMs[name].push(performance.now() - startMs);
          if (name === "b") expect(relays[third.url]!.state).not.toBe("acknowledged");
        }
      };
      await Promise.all(Array.from({ length: WORKERS }, () => [work("a", a), work("b", b)]).flat());
      for (const times of [tookMs.a, tookMs.b]) times.sort((x, y) => x - y);
      const [pA, pB] = [percentile(tookMs.a, 0.99), percentile(tookMs.b, 0.99)];
      const shown = (times: readonly number[]) =>
        [0.5, 0.99].map((share) => percentile(times, share).toFixed(1)).join("/");
      const line = `a relay ${death}: p50/p99 ${shown(tookMs.a)} ms without it, ${shown(tookMs.b)} ms with it`;
      console.log(line);
      expect(pB, line).toBeLessThanOrEqual(pA * 1.2);
      expect(b.publisher.relays().find(({ url }) => url === third.url)!.behind).toBeGreaterThanOrEqual(PUBLISHES);

      if (death === "refuses connections") await third.proxy.accept();
      else if (death === "is a black hole") third.proxy.isBlackHole = false;
      else await third.restart();
      await b.publisher.drain({ durability: "all" });
      const ids = b.ids();
      for (const { relay } of [fast, slow, third]) expect(await idsOnRelay(relay.url, withDead.did)).toEqual(ids);
    });
  }
});
