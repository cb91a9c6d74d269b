import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type FollowItem, follow, verifyFork } from "ants-agent";
import { hex } from "ants-agent/keys";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type FoundedHome, foundHome } from "../support/agent-home.js";
import { AgentProcess } from "../support/agent-process.js";
import { RelayPlace } from "../support/relay-place.js";
import { idsOnRelay } from "../support/test-agent.js";
import { Sandbox } from "../transcripts/sandbox.js";

const FORGER = fileURLToPath(new URL("programs/forger.mjs", import.meta.url));

let places: RelayPlace[];
let sandbox: Sandbox;
let founded: FoundedHome;

beforeAll(async () => {
  places = await Promise.all([RelayPlace.start(), RelayPlace.start(), RelayPlace.start()]);
  founded = await foundHome(places);
  sandbox = new Sandbox("forks");
  writeFileSync(join(sandbox.work, "passphrase"), "correct horse battery staple\n", { mode: 0o600 });
  Object.assign(sandbox.env, {
    ANTS_HOME: founded.options.home,
    ANTS_VAULT: founded.options.vault,
    ANTS_PASSPHRASE_FILE: join(sandbox.work, "passphrase"),
  });
});

afterAll(async () => {
  await sandbox.close();
  for (const place of places) await place[Symbol.asyncDispose]();
});

async function ants<T>(script: string): Promise<T> {
  const { exit, stdout, stderr } = await sandbox.sh(`ants ${script} --json`);
  expect(exit, stdout + stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

interface Forks {
  readonly forks: readonly {
    readonly epoch: number;
    readonly seq: number;
    readonly ids: string[];
    readonly lines: string[];
    readonly healed: boolean;
    readonly relays: string[];
  }[];
}

it("two writers with one key: the proof is kept, the honest one stops, heal joins, and followers see all of it", async () => {
  const { did, signSeed, options } = founded;
  const { home } = options;
  await using holder = new AgentProcess(home, { did, seed: signSeed, genesis: founded.genesis });
  await holder.hears("done", 5);

  // The third relay is out of the holder's reach, and there a second process signs with a copy of its key.
  const cut = places[2]!;
  await cut.proxy.refuse();
  await holder.hears("done", 20);
  const forged = await promisify(execFile)(process.execPath, [
    FORGER,
    cut.proxy.targetUrl.replace(/^ws/, "http"),
    did,
    hex(signSeed),
    "it was me",
  ]);
  const [forgedId, forgedSeq] = forged.stdout.trim().split(" ");

  const items: FollowItem[] = [];
  let look = () => {};
  const sees = (wanted: (item: FollowItem) => boolean) =>
    new Promise<void>((resolve) => {
      look = () => {
        if (items.some(wanted)) resolve();
      };
      look();
    });
  const following = follow({ relays: places.map(({ url }) => url), connection: { backoff: { maxMs: 500 } } });
  const reading = (async () => {
    for await (const item of following) {
      items.push(item);
      look();
    }
  })();

  // The two meet: whatever the holder sends there is refused, and it stops.
  await cut.proxy.accept();
  expect(await holder.exited).toEqual([0, null]);
  expect(["fork", "foreign-event"]).toContain(holder.heard("lost")[0]);
  expect(holder.heard("failed").at(-1)).toMatch(/ pen-lost /);

  await sees(({ type }) => type === "fork");
  const told = items.find((item) => item.type === "fork")!;
  expect(told.proof).toMatchObject({ did, seq: Number(forgedSeq) });
  expect(told.proof.events.map(({ id }) => id)).toContain(forgedId);

  // Read from the relays, and verified by somebody who has the two lines and nothing else.
  const { forks } = await ants<Forks>("forks");
  expect(forks).toHaveLength(1);
  const [fork] = forks;
  expect(fork).toMatchObject({ seq: Number(forgedSeq), healed: false });
  expect(fork!.ids).toContain(forgedId);
  expect(verifyFork(fork!.lines[0]!, fork!.lines[1]!).seq).toBe(Number(forgedSeq));
  const [a, b] = fork!.lines as [string, string];
  const alone = new Sandbox("third-party");
  try {
    writeFileSync(join(alone.work, "two-lines"), `${a}\n${b}\n`);
    writeFileSync(join(alone.work, "altered"), `${a}\n${b.replace('"time":1', '"time":2')}\n`);
    const good = await alone.sh("ants forks --verify two-lines --json");
    expect(good.exit, good.stderr).toBe(0);
    expect(JSON.parse(good.stdout)).toMatchObject({ verified: true, did, seq: Number(forgedSeq) });
    const bad = await alone.sh("ants forks --verify altered --json");
    expect(bad.exit).toBe(1);
    expect(JSON.parse(bad.stderr)).toMatchObject({ code: "fork-unproven" });
  } finally {
    await alone.close();
  }

  const healed = await ants<{ id: string; epoch: number; forks: { ids: string[]; kept: string }[] }>("heal --takeover");
  expect(healed.forks).toHaveLength(1);
  expect(healed.forks[0]!.ids).toEqual(fork!.ids);
  await sees((item) => item.type === "event" && item.event.id === healed.id);
  await following.close();
  await reading;

  // Everybody has one chain again, and both lines: what was committed is on it.
  const chains = await Promise.all(places.map(({ relay }) => idsOnRelay(relay.url, did)));
  expect(new Set(chains.map((chain) => chain.join())).size).toBe(1);
  expect(chains[0]).toContain(healed.id);
  expect(chains[0]).toContain(healed.forks[0]!.kept);
  const done = holder.heard("done").map((words) => words.split(" ")[1]!);
  expect(done.filter((id) => !chains[0]!.includes(id))).toEqual([]);
  const after = await ants<Forks>("forks");
  expect(after.forks.map(({ seq, healed, relays }) => ({ seq, healed, relays: relays.length }))).toEqual([
    { seq: Number(forgedSeq), healed: true, relays: 3 },
  ]);
  expect(await ants("heal")).toEqual({ did, forks: [] });
});
