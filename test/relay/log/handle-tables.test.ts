import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Tables } from "../../../relay/index/tables.js";
import { verifyFolder } from "../../../relay/verify-folder.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { NamedAuthor } from "../server/named-author.js";
import { disk, files, openLedger, publish, signHead } from "./folder-bench.js";

const NAME = "scout@relay.example";

/** A relay's folder with two agents that have names, closed. */
async function served() {
  const folder = temporaryFolder();
  const ledger = await openLedger(folder);
  const scout = new NamedAuthor({ handles: [NAME, "scout.example.com"] });
  const other = new NamedAuthor({ handles: ["other@relay.example"] });
  await publish(ledger, [
    [scout.newest.line, scout.claim()],
    [other.newest.line, other.claim()],
  ]);
  await publish(ledger, [[other.update({ handles: [] })]]);
  await signHead(ledger);
  await ledger.close();
  return { folder, scout, other };
}

const verify = (folder: string) => verifyFolder(join(folder, "data"), { disk, files });

/** Changes every row of the facts table whose first byte is `fact`. */
async function spoil(folder: string, fact: number, change: (value: Buffer) => Buffer | undefined): Promise<void> {
  const tables = Tables.open(join(folder, "data", "index"));
  const rows = tables.range(tables.facts, { from: Buffer.of(fact), until: Buffer.of(fact + 1) });
  expect(rows.length).toBeGreaterThan(0);
  tables.transaction(() => {
    for (const { key, value } of rows) {
      const changed = change(value);
      if (changed === undefined) tables.facts.removeSync(key);
      else tables.facts.putSync(key, changed);
    }
  });
  await tables.close();
  // As if it had been closed like this: what is looked for here is what it says, not that it was touched.
  const index = join(folder, "data", "index");
  const state = JSON.parse(readFileSync(join(index, "state.json"), "utf8")) as object;
  const closedBytes = statSync(join(index, "data.mdb")).size;
  writeFileSync(join(index, "state.json"), JSON.stringify({ ...state, closedBytes }));
}

describe("the names in a relay's index", () => {
  it("are the same after the index was deleted and built again from the log", async () => {
    const { folder, scout, other } = await served();
    const whole = (): Promise<unknown> =>
      openLedger(folder).then(async (ledger) => {
        const { index } = ledger.folder;
        const no = index.agent(scout.did)!.no;
        const state = {
          scout: index.handle(NAME),
          other: { ...index.handle("other@relay.example"), droppedMs: "some time" },
          of: [scout, other].map(({ did }) => index.handlesOf(did, "relay.example", 9)),
          domain: index.listersOf("scout.example.com", 9),
          escrow: index.named(`escrow:${scout.escrow}`),
        };
        expect(state).toMatchObject({
          scout: { did: scout.did, at: 1 },
          of: [[NAME], ["other@relay.example"]],
          domain: [no],
          escrow: [no],
        });
        expect(index.handle("other@relay.example")?.droppedMs).toEqual(expect.any(Number));
        await ledger.close();
        return state;
      });
    const before = await whole();
    rmSync(join(folder, "data", "index"), { recursive: true });
    expect(await whole()).toEqual(before);
    expect(existsSync(join(folder, "data", "index"))).toBe(true);
    expect((await verify(folder)).problems).toEqual([]);
  });

  it("are checked by a verification of the folder", async () => {
    for (const [fact, change, message] of [
      [2, () => undefined, "escrow key"],
      [
        11,
        (value: Buffer) => Buffer.from(value.toString().replace(/did:ants:.{52}/, `did:ants:${"a".repeat(52)}`)),
        "with another agent",
      ],
      [12, () => undefined, "with another agent"],
      [13, () => undefined, "is listed"],
    ] as const) {
      const { folder } = await served();
      await spoil(folder, fact, change);
      const { problems } = await verify(folder);
      expect(problems[0]).toMatchObject({
        position: 1,
        code: "index-mismatch",
        message: expect.stringContaining(message),
      });
    }
  });
});
