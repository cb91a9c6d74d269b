import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Agent, type OpenHomeOptions, openHome } from "ants-agent/agent";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { foundHome } from "../support/agent-home.js";

const SUCCESSOR = "00000000000000b2";
const note = (text: string) => [{ kind: "note", body: { text } }];

let relays: TestRelay[];
beforeAll(async () => {
  relays = await Promise.all([startTestRelay(), startTestRelay(), startTestRelay()]);
});
afterAll(async () => {
  for (const relay of relays) await relay.close();
});

/** An agent at work, and the same home and vault as another host has them. */
async function onTwoHosts(): Promise<{ here: OpenHomeOptions; there: OpenHomeOptions; agent: Agent }> {
  const { options: here, folder } = await foundHome(relays);
  await using first = await openHome(here);
  await first.publisher.publish(note("before"));
  await first.close();
  const there = { ...here, home: join(folder, "there"), vault: join(folder, "vault-there.json") };
  cpSync(here.home, there.home, { recursive: true });
  rmSync(join(there.home, ".ants/instances.ndjson"));
  cpSync(here.vault, there.vault);
  return { here, there, agent: await openHome(here) };
}

describe("handing over to another host", () => {
  test("the named instance goes on at once, on everything that was committed; it works for one start", async () => {
    const { here, there, agent } = await onTwoHosts();
    const unsent = Array.from({ length: 20 }, (_, i) => agent.publisher.publish(note(`last ${i}`)));
    await expect(openHome(there)).rejects.toMatchObject({ code: "held" });
    const event = await agent.handOver({ instance: SUCCESSOR, body: { home: "there" } });
    await Promise.all(unsent);
    expect(event.event).toMatchObject({
      kind: "ants.handover",
      body: { home: "there", instance: SUCCESSOR, until: expect.any(Number) },
    });
    expect(agent.pen.committedSeq).toBe(event.event.seq);
    expect(await agent.lost).toEqual({ reason: "released" });
    expect(() => agent.pen.check()).toThrow(expect.objectContaining({ code: "pen-lost" }));
    await expect(agent.publisher.publish(note("one more"))).rejects.toMatchObject({ code: "pen-lost" });

    // The old process is still connected, as a live holder is.
    const next = await openHome({ ...there, instance: SUCCESSOR, handover: event.id });
    expect(next.pen.claim.event).toMatchObject({ prev: event.id, body: { instance: SUCCESSOR } });
    expect(next.chain.head?.seq).toBe(event.event.seq + 1);
    await next.publisher.publish(note("there"));
    await next.close();
    await agent.close();

    await expect(openHome({ ...there, instance: SUCCESSOR, handover: event.id })).rejects.toMatchObject({
      code: "handover-used",
    });
    await expect(openHome({ ...here, instance: SUCCESSOR, handover: event.id })).rejects.toMatchObject({
      code: "handover-used",
    });
  });

  test("nothing follows a hand-over in its epoch, also not what is published while it is made", async () => {
    const { agent } = await onTwoHosts();
    const handing = agent.handOver({ instance: SUCCESSOR });
    const during: Promise<unknown>[] = [];
    const work = (async () => {
      while (agent.pen.loss === undefined) {
        during.push(agent.publisher.publish(note("during")).catch((error: { code: string }) => error.code));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const event = await handing;
    await work;
    await Promise.all(during);
    expect(agent.chain.head?.id).toBe(event.id);
    await expect(agent.changePen()).rejects.toMatchObject({ code: "closed" });
    await agent.close();
  });

  test("without a quorum it hands over nothing, and the agent goes on when one is back", async () => {
    const places = await Promise.all([startTestRelay(), startTestRelay(), startTestRelay()]);
    const { options } = await foundHome(places);
    const agent = await openHome(options);
    await agent.publisher.publish(note("committed"));
    for (const place of places.slice(1)) await place.close();
    const pending = agent.publisher.publish(note("signed, and committed by nobody"));
    pending.catch(() => undefined);
    const signal = AbortSignal.timeout(500);
    await expect(agent.handOver({ instance: SUCCESSOR, signal })).rejects.toMatchObject({ name: "TimeoutError" });
    expect(agent.pen.loss).toBeUndefined();
    expect((agent.chain.head?.seq ?? 0) - agent.pen.committedSeq).toBe(1);
    agent.pen.check();
    await agent.close();
    await expect(pending).rejects.toMatchObject({ code: "publish-unknown" });
    await places[0]!.close();
  });
});
