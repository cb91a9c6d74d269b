import { startTestRelay } from "ants-agent/testing";
import { describe, expect, test } from "vitest";
import { Author, note } from "./author.js";
import { Wire } from "./wire.js";

describe("GET /metrics", () => {
  test("counts entries, frames by outcome and commits, and names no agent", async () => {
    await using relay = await startTestRelay();
    await using wire = await Wire.open(relay.url);
    const author = new Author();
    await wire.publish(author.begin(), 1);
    const batch = author.write([note("a"), note("b")]);
    await wire.publish(batch, 1);
    wire.send({ t: "publish", ref: 9, epoch: 1 }, ["no entry"]);
    await wire.next("refused");

    const response = await fetch(`${relay.httpUrl}/metrics`);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const value = (name: string) =>
      Number(text.match(new RegExp(`^${name.replaceAll(/[{}"]/g, "\\$&")} (.+)$`, "m"))?.[1]);
    expect(value("ants_relay_entries_total")).toBe(relay.position);
    expect(value("ants_relay_position")).toBe(relay.position);
    expect(value('ants_relay_frames_total{kind="publish",outcome="ok"}')).toBe(2);
    expect(text).toMatch(/^ants_relay_frames_total\{kind="publish",outcome="(?!ok)[a-z-]+"\} 1$/m);
    expect(value("ants_relay_commit_seconds_count")).toBe(2);
    expect(value("ants_relay_connections")).toBe(1);
    expect(value("ants_relay_ready")).toBe(1);
    expect(value("process_resident_memory_bytes")).toBeGreaterThan(1e6);
    expect(text).not.toContain(author.did);
  });
});
