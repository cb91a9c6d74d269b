import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FollowItem, type FollowState, follow, RelayConnection, systemPorts } from "ants-agent";
import { startTestRelay } from "ants-agent/testing";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { RawAuthor } from "../support/raw-author.js";

const EVENTS = 40;

async function read(url: string, state?: FollowState): Promise<{ items: FollowItem[]; state: FollowState }> {
  const following = follow({ relays: [url], live: false, ...(state === undefined ? {} : { state }) });
  const items: FollowItem[] = [];
  try {
    for await (const item of following) items.push(item);
  } catch (error) {
    expect(items.at(-1)).toMatchObject({ type: "problem", code: (error as { code: string }).code });
  }
  return { items, state: following.state() };
}

/** Two authors' events in turn, every third addressed to the other, so that an anonymous reader sees only its id. */
async function publish(url: string, one: RawAuthor, other: RawAuthor): Promise<void> {
  await using connection = new RelayConnection(url, systemPorts);
  await connection.opened();
  for (const { genesis, events } of [one, other]) await connection.publish([genesis, events[0]!.line], { epoch: 1 });
  for (let i = 0; i < EVENTS; i++) {
    const [from, to] = i % 2 === 0 ? [one, other] : [other, one];
    const [event] = from.write(1, i % 3 === 0 ? { to: [to.did] } : {});
    expect(await connection.publish([event!.line], { epoch: 1 })).toMatchObject({ t: "ack" });
  }
}

describe("a relay whose operator rewrote its data folder is caught by the next resume (N5, N6)", () => {
  type Rewrite = (lines: string[], one: RawAuthor) => void;
  const forgeLast: Rewrite = (lines, one) => {
    const at = lines.findLastIndex((line) => line.includes(one.did));
    one.events.pop();
    lines[at] = one.write(1, { text: "another" })[0]!.line;
  };
  const rewrites: [what: string, code: string, rewrite: Rewrite][] = [
    ["cut the end off", "cursor-ahead", (lines) => lines.splice(-5)],
    [
      "swapped two entries",
      "relay-rewrote",
      (lines) => {
        [lines[20], lines[21]] = [lines[21]!, lines[20]!];
      },
    ],
    ["signed another event with the author's key in the place of the last one", "relay-rewrote", forgeLast],
    [
      "did that, and went on from there",
      "cursor-mismatch",
      (lines, one) => {
        forgeLast(lines, one);
        for (const { line } of one.write(5)) lines.push(line);
      },
    ],
    [
      "dropped an entry, and went on from there",
      "cursor-mismatch",
      (lines, one) => {
        const at = lines.findLastIndex((line) => line.includes(one.did));
        lines.splice(at, 1);
        one.events.pop();
        for (const { line } of one.write(5)) lines.push(line);
      },
    ],
  ];
  for (const [what, code, rewrite] of rewrites) {
    it(`${what}: ${code}, with the signed head as evidence`, async () => {
      const data = temporaryFolder();
      const [one, friend] = [new RawAuthor(), new RawAuthor()];
      let url: string;
      let before: Awaited<ReturnType<typeof read>>;
      {
        await using relay = await startTestRelay({ config: { data } });
        ({ url } = relay);
        await publish(url, one, friend);
        before = await read(url);
      }
      expect(before.items.filter(({ type }) => type === "withheld").length).toBeGreaterThan(10);

      // All that an operator has: the log, and the key that signs whatever tree is made of it.
      const log = join(data, "log", readdirSync(join(data, "log")).find((name) => name.endsWith(".ndjson"))!);
      const lines = readFileSync(log, "utf8").split("\n").slice(0, -1);
      rewrite(lines, one);
      writeFileSync(log, lines.map((line) => `${line}\n`).join(""));
      for (const name of readdirSync(data)) {
        if (name !== "log" && name !== "relay.json") rmSync(join(data, name), { recursive: true });
      }
      for (const name of readdirSync(join(data, "log"))) {
        if (!name.endsWith(".ndjson")) rmSync(join(data, "log", name), { recursive: true });
      }

      await using relay = await startTestRelay({ config: { data, port: Number(new URL(url).port) } });
      expect(relay.url).toBe(url);
      const after = await read(url, before.state);
      expect(after.items).toMatchObject([{ type: "problem", code, relayIs: "stopped" }]);
      const { checkpoint } = before.state.relays[url]!;
      // Two heads that one key signed over one size are proof to anybody.
      const other = code === "relay-rewrote" ? { otherCheckpoint: expect.any(String) } : {};
      expect(after.items[0]).toMatchObject({ details: { checkpoint, ...other } });
      expect(after.state.relays[url]!.cursor).toBe(before.state.relays[url]!.cursor);
    });
  }
});
