import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openHome } from "ants-agent/agent";
import { nodeDisk } from "ants-agent/keys/node";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemRandom } from "../../keys/ports.js";
import { DraftQueue, type QueuedDraft } from "../../src/agent/draft-queue.js";
import { AgentHome } from "../../src/agent/home.js";
import { readChain } from "../../src/cli/chain-reading.js";
import { parseEvent } from "../../src/protocol/event.js";
import { type FoundedHome, foundHome } from "../support/agent-home.js";

let relay: TestRelay;
beforeAll(async () => {
  relay = await startTestRelay();
});
afterAll(() => relay.close());

/** Keeps drafts in a home, as a command does that found no quorum. */
async function queue({ options }: FoundedHome, ...drafts: readonly QueuedDraft[]): Promise<DraftQueue> {
  const home = await AgentHome.open(nodeDisk, options.home);
  const kept = new DraftQueue(nodeDisk, home.layout.drafts);
  const { chain } = await readChain(home);
  for (const draft of drafts) await kept.add(home.config.did, draft, { chain, random: systemRandom });
  await chain.close();
  return kept;
}

const note = (text: string): QueuedDraft => ({ kind: "note", body: { text } });

/** What the chain in a home says, from its first event: texts, and claims. */
async function said({ options }: FoundedHome): Promise<string[]> {
  const { chain } = await readChain(await AgentHome.open(nodeDisk, options.home));
  const lines = await chain.read(0, { maxBytes: 1e6, maxEntries: 1_000 });
  await chain.close();
  return lines.map((line) => {
    const { kind, body } = parseEvent(line).event;
    return kind === "note" ? String(body?.text) : kind;
  });
}

describe("what waits for a quorum", () => {
  test("is published by the next turn, in order and before anything else, and not again", async () => {
    const founded = await foundHome([relay]);
    const kept = await queue(founded, note("one"), note("two"), { ...note("three"), tags: ["late"], timeMs: 1_000 });
    expect(await kept.size()).toBe(3);
    await using agent = await openHome(founded.options);
    expect(agent.queuePublished).toBe(3);
    await agent.publisher.publish([note("four")]);
    await agent.close();
    expect(await kept.size()).toBe(0);
    await using again = await openHome(founded.options);
    expect(again.queuePublished).toBe(0);
    await again.close();
    expect(await said(founded)).toEqual(["ants.claim", "one", "two", "three", "four", "ants.claim"]);
  });

  test("is published once also when the process died between signing it and forgetting it", async () => {
    const founded = await foundHome([relay]);
    const kept = await queue(founded, note("one"), note("two"));
    const { drafts } = (await AgentHome.open(nodeDisk, founded.options.home)).layout;
    cpSync(drafts, `${drafts}-before`, { recursive: true });
    await (await openHome(founded.options)).close();
    expect(await kept.size()).toBe(0);
    // As it is after a crash: both events are signed, and the second draft and a third are still here.
    cpSync(join(`${drafts}-before`, "0000000002.json"), join(drafts, "0000000002.json"));
    await queue(founded, note("three"));
    const agent = await openHome(founded.options);
    expect(agent.queuePublished).toBe(1);
    await agent.close();
    expect(await said(founded)).toEqual(["ants.claim", "one", "two", "ants.claim", "three"]);
    expect(readdirSync(drafts)).toEqual([]);
  });

  test("stays where there is still no quorum", async () => {
    const other = await startTestRelay();
    const founded = await foundHome([other]);
    const kept = await queue(founded, note("one"));
    await other.close();
    await expect(openHome({ ...founded.options, timeoutMs: 300 })).rejects.toMatchObject({ code: "no-quorum" });
    expect(await kept.size()).toBe(1);
  });

  test("is a draft that makes an event; a file that was damaged is set aside, and the others are published", async () => {
    const founded = await foundHome([relay]);
    await expect(queue(founded, note("x".repeat(70_000)))).rejects.toMatchObject({ code: "event-too-long" });
    await expect(queue(founded, { kind: "No Kind", body: {} })).rejects.toMatchObject({ code: "event-grammar" });
    const kept = await queue(founded, note("one"), note("two"), note("three"));
    const { drafts } = (await AgentHome.open(nodeDisk, founded.options.home)).layout;
    writeFileSync(join(drafts, "0000000003.json"), "{");
    const agent = await openHome(founded.options);
    expect(agent.queuePublished).toBe(2);
    const damaged = join(drafts, "0000000003.json.damaged");
    expect(agent.queueDamaged).toEqual([damaged]);
    await agent.close();
    expect(await kept.size()).toBe(0);
    // Its name is taken: nothing that is damaged later may be written over it.
    await queue(founded, note("four"));
    expect(readdirSync(drafts)).toEqual(["0000000003.json.damaged", "0000000004.json"]);
    await (await openHome(founded.options)).close();
    expect(readFileSync(damaged, "utf8")).toBe("{");
    expect(await said(founded)).toEqual(["ants.claim", "one", "two", "ants.claim", "four"]);
  });

  test("is not published twice where a copy of the home from before that is started", async () => {
    const founded = await foundHome([relay]);
    await (await openHome(founded.options)).close();
    await queue(founded, note("one"), note("two"));
    const { home } = founded.options;
    const copy = `${home}-copy`;
    cpSync(home, copy, { recursive: true });
    const agent = await openHome(founded.options);
    expect(agent.queuePublished).toBe(2);
    await agent.publisher.publish([note("three")]);
    await agent.close();
    const restored = { ...founded, options: { ...founded.options, home: copy, takeover: true } };
    const old = await openHome(restored.options);
    expect(old.queuePublished).toBe(0);
    await old.close();
    expect(readdirSync((await AgentHome.open(nodeDisk, copy)).layout.drafts)).toEqual([]);
    expect(await said(restored)).toEqual(["ants.claim", "ants.claim", "one", "two", "three", "ants.claim"]);
  });
});
