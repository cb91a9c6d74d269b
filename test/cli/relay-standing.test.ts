import { cpSync } from "node:fs";
import { openHome } from "ants-agent/agent";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nodeDisk } from "../../keys/node/disk.js";
import { AgentHome } from "../../src/agent/home.js";
import { type RelayStanding, standings } from "../../src/cli/relay-standing.js";
import { foundHome } from "../support/agent-home.js";

let relays: TestRelay[];
beforeAll(async () => {
  relays = await Promise.all([startTestRelay(), startTestRelay(), startTestRelay()]);
});
afterAll(() => Promise.all(relays.map((relay) => relay.close())));

const note = (text: string) => [{ kind: "note", body: { text } }];
const stand = async (home: string): Promise<RelayStanding[]> =>
  standings(await AgentHome.open(nodeDisk, home), { signal: new AbortController().signal, timeoutMs: 20_000 });

test("no relay is accused of what it never took: an event that was signed after another instance took over", async () => {
  const { options } = await foundHome(relays);
  const copy = { ...options, home: `${options.home}-copy` };
  cpSync(options.home, copy.home, { recursive: true });
  const first = await openHome(options);
  await first.publisher.publish(note("one"), { durability: "all" });
  expect((await stand(options.home)).map(({ state }) => state)).toEqual(["serves", "serves", "serves"]);
  const second = await openHome({ ...copy, takeover: true });
  // Signed before it knows; nobody takes it.
  await expect(first.publisher.publish(note("two"))).rejects.toMatchObject({ code: "publish-unknown" });
  await first.close();
  for (const text of ["instead", "and on"]) await second.publisher.publish(note(text), { durability: "all" });
  await second.close();

  const found = await stand(options.home);
  expect(found).toMatchObject(
    relays.map(() => ({ state: "beyond", behind: 0, audit: { goneOnAt: 2, owedSeq: 1, withheld: [] } })),
  );
  expect((await stand(copy.home)).map(({ state }) => state)).toEqual(["serves", "serves", "serves"]);
});
