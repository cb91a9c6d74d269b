import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { RelayPlace } from "../support/relay-place.js";
import { foundAgent, idsOnRelay, TestAgent } from "../support/test-agent.js";

/** Three of them are a quorum, so with two dead the agent goes on, and with three or four its events wait. */
const RELAYS = 5;
const QUORUM = 3;
/** Publications under way at once. */
const WORKERS = 8;
/** Of each worker, before the relays die and again after that. */
const EACH = 15;

let places: RelayPlace[];

beforeAll(async () => {
  places = await Promise.all(Array.from({ length: RELAYS }, () => RelayPlace.start()));
});

afterAll(async () => {
  for (const place of places) await place[Symbol.asyncDispose]();
});

describe("five relays, some killed with -9 while the agent writes (B23)", () => {
  it.each([1, 2, 3, 4])(
    "%s of them: nothing is lost and nothing doubled, and those that come back catch up",
    async (dead) => {
      const keys = foundAgent(places);
      await using agent = await TestAgent.open(keys, { folder: temporaryFolder() });
      const committed: string[] = [];
      const published = { asked: 0 };
      let mayDie = () => {};
      const isUnderWay = new Promise<void>((resolve) => {
        mayDie = resolve;
      });
      const work = async () => {
        for (let i = 0; i < 2 * EACH; i++) {
          const n = ++published.asked;
          const { events } = await agent.publisher.publish([{ kind: "note", body: { n } }]);
          committed.push(events[0]!.id);
          if (committed.length === WORKERS * EACH) mayDie();
        }
      };
      const all = Promise.all(Array.from({ length: WORKERS }, work));
      await isUnderWay;
      const victims = places.slice(RELAYS - dead);
      await Promise.all(victims.map((place) => place.kill()));
      if (RELAYS - dead >= QUORUM) await all;
      else {
        // Whatever is acknowledged by the relays that are left is no commitment.
        const before = committed.length;
        const { url } = places[0]!;
        const atRest = () => agent.publisher.relays().find((relay) => relay.url === url)!.behind === 0;
        await expect.poll(atRest).toBe(true);
        expect(committed.length).toBeLessThanOrEqual(before + WORKERS);
        expect(committed.length).toBeLessThan(2 * WORKERS * EACH);
      }
      await Promise.all(victims.map((place) => place.restart()));
      await all;
      await agent.publisher.drain({ durability: "all" });

      const ids = agent.ids();
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.length).toBe(1 + 2 * WORKERS * EACH);
      expect(new Set(committed)).toEqual(new Set(ids.slice(1)));
      for (const { relay } of places) expect(await idsOnRelay(relay.url, keys.did)).toEqual(ids);
    },
  );
});
