import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openHome } from "ants-agent/agent";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { nodeDisk } from "../../keys/node/disk.js";
import { AgentHome } from "../../src/agent/home.js";
import { displacementOf } from "../../src/cli/displacement.js";
import { OwnerPlace } from "../support/owner-place.js";

// Each step is a program that opens a vault.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PASSPHRASE = "correct horse battery staple";
let place: OwnerPlace;
/** Where the agent goes on, as variables. */
let there: string;

beforeAll(async () => {
  place = await OwnerPlace.found("backup-displaced");
  place.sandbox.env.ANTS_ALLOW_EPHEMERAL = "1";
});
afterAll(() => place[Symbol.asyncDispose]());

const path = (name: string) => join(place.sandbox.work, name);
const archives = () => (existsSync(path("store")) ? readdirSync(path("store")) : []);
const create = "ants backup create --target store --json";

/** What a home is told by its relays. */
async function told(home: string) {
  const signal = new AbortController().signal;
  return displacementOf(await AgentHome.open(nodeDisk, path(home)), { timeoutMs: 30_000, signal });
}

test("a home that never published, and one that is behind in its own turn, are the agent's", async () => {
  expect(await told("ants")).toBeUndefined();
  const unlock = { passphrase: PASSPHRASE };
  const agent = await openHome({ home: path("ants"), vault: path("vault.json"), unlock });
  await agent.publisher.publish([{ kind: "note", body: { n: 1 } }]);
  place.copy("behind");
  await agent.publisher.publish([{ kind: "note", body: { n: 2 } }]);
  expect(await told("ants")).toBeUndefined();
  await agent.close();
  expect(await told("behind/ants")).toBeUndefined();
  there = place.copy("there");
});

test("a displaced home makes no archive, by hand and by the clock, unless its owner says so; doctor tells", async () => {
  await place.done(`${there} ants publish onwards --takeover --json`);
  const { head } = (await told("ants"))!;
  expect(head).toMatchObject({ epoch: 2, label: "agent" });
  expect(await told("there/ants")).toBeUndefined();

  expect(await place.fails(create)).toBe("home-displaced");
  writeFileSync(path("ants/.ants/backup.toml"), `[[target]]\nurl = '${path("store")}'\ntier = ["hot"]\n`);
  const { exit, stdout } = await place.sh("ants backup schedule run --once --json");
  expect(exit).toBe(3);
  const { runs } = JSON.parse(stdout) as { runs: { job: string; outcome: string; code?: string }[] };
  expect(runs.find(({ job }) => job === "hot")).toMatchObject({ outcome: "failed", code: "home-displaced" });
  expect(archives()).toEqual([]);
  const doctor = await place.sh("ants doctor --json");
  const { findings } = JSON.parse(doctor.stdout) as { findings: { check: string; level: string; found: string }[] };
  expect(findings.find(({ check }) => check === "backup job hot")).toMatchObject({ level: "broken" });
  expect(findings.find(({ check }) => check === "other instance")?.found).toContain("another instance writes");

  const forced = await place.sh(`${create} --anyway`);
  expect(JSON.parse(forced.stdout)).toMatchObject({ displaced: { head: { epoch: 2 } } });
  expect(forced.stderr).toContain("[home-displaced]");
  expect(archives()).toHaveLength(1);
});

test("what relays name without the agent's signature displaces nobody", async () => {
  // What a relay says is its head is no proof: here nobody signed it.
  const home = await AgentHome.open(nodeDisk, path("there/ants"));
  const { fetch } = globalThis;
  vi.stubGlobal("fetch", async (input: string, init?: RequestInit) => {
    if (!input.endsWith("/head")) return fetch(input, init);
    const said = (await (await fetch(input, init)).json()) as { head: object };
    return Response.json({ ...said, head: { epoch: 99, seq: 999, id: "f".repeat(64) } });
  });
  const signal = new AbortController().signal;
  expect(await displacementOf(home, { timeoutMs: 30_000, signal })).toBeUndefined();
  vi.unstubAllGlobals();
});

test("a rotate elsewhere displaces as well; relays that are away stop nobody's backups", async () => {
  await place.done(`${there} ants rotate --phrase-file words --yes --json`);
  expect(await told("ants")).toBeDefined();
  expect(await told("there/ants")).toBeUndefined();
  await Promise.all(place.relays.map((relay) => relay.close()));
  expect(await told("ants")).toBeUndefined();
  await place.done(create);
});
