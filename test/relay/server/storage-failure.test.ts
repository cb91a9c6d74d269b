import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Author, note } from "./author.js";
import { RelayProcess } from "./relay-process.js";
import { Wire } from "./wire.js";

/** Files of the relay's process may not grow beyond this (bash counts in KiB): its disk is full soon. */
const FULL_AT = "ulimit -f 700";

describe("a relay whose disk takes no more", () => {
  test("refuses every further write, says that it is not ready, serves readers, and starts again with all it acknowledged", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ants-full-"));
    const data = join(folder, "data");
    const author = new Author();
    const acknowledged: number[] = [];
    {
      await using relay = await RelayProcess.start({ data }, FULL_AT);
      await using wire = await Wire.open(relay.url);
      await wire.publish(author.begin(), 1);
      const text = "x".repeat(30_000);
      let answer = await wire.publish(author.write([note(text)]), 1);
      for (; answer.t === "ack"; answer = await wire.publish(author.write([note(text)]), 1)) {
        acknowledged.push(...(answer.at ?? []));
        expect(acknowledged.length).toBeLessThan(100);
      }
      expect(answer).toMatchObject({ code: "storage-failed", retryable: true, at: [] });
      expect(acknowledged.length).toBeGreaterThan(10);
      expect(await wire.publish(new Author().begin(), 1)).toMatchObject({ code: "storage-failed" });
      const ready = await fetch(`${relay.httpUrl}/readyz`);
      expect(ready.status).toBe(503);
      expect(await ready.json()).toMatchObject({ ready: false, code: "storage-failed" });
      expect((await fetch(`${relay.httpUrl}/healthz`)).status).toBe(200);
      expect(await linesOf(wire)).toBe(acknowledged.length + 2);
      const page = await (await fetch(relay.httpUrl)).text();
      expect(page).toContain("Not ready (storage-failed)");
    }
    await using again = await RelayProcess.start({ data });
    expect(again.position).toBeGreaterThanOrEqual(Math.max(...acknowledged));
    await using wire = await Wire.open(again.url);
    expect(await linesOf(wire)).toBe(again.position);
    expect(await wire.publish(new Author().begin(), 1)).toMatchObject({ t: "ack" });
    await rm(folder, { recursive: true });
  });
});

/** Entries that a reader gets from the start to the end of the log. */
async function linesOf(wire: Wire): Promise<number> {
  wire.send({ t: "follow", ref: 1, after: "start", live: false });
  let lines = 0;
  for (;;) {
    const { message, entries } = await wire.next("entries", "ended");
    if (message.t === "ended") return lines;
    lines += entries.length;
  }
}
