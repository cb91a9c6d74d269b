import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hex } from "ants-agent/keys";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseEvent } from "../../src/protocol/event.js";
import { readableBody } from "../../src/protocol/private-body.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { settle } from "../support/agent-process.js";
import { foundAgent } from "../support/test-agent.js";
import { programPath } from "./lines.js";

const LAST = 4;
const STATE_KEY = new Uint8Array(32).fill(7);
/** Up to the middle of the second step, by way of every write and every frame; then right after an effect. */
const POINTS = [
  ...Array.from({ length: 12 }, (_, i) => `sync:${i + 1}`),
  ...Array.from({ length: 5 }, (_, i) => `publish:${i + 1}`),
  ...[1, 2, LAST].map((n) => `effect:${n}`),
];

let relay: TestRelay;
beforeAll(async () => {
  relay = await startTestRelay();
});
afterAll(() => relay.close());

interface Effect {
  readonly key: string;
  readonly n: number;
  readonly attempt: number;
}

/** Runs the agent, killed at a point or to its end; what it printed. */
async function run(args: readonly string[], kill = ""): Promise<string> {
  const child = spawn(process.execPath, ["--import", programPath("kill-at.mjs"), programPath("steps.mjs"), ...args], {
    env: { ...process.env, ANTS_TEST_KILL: kill },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (bytes) => {
    said += bytes;
  });
  await once(child, "close");
  return said;
}

/** What this disk says of steps, the lines in the order in which they were written. */
function stepsOnDisk(home: string) {
  const folder = join(home, ".ants/chain");
  const lines = readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1),
  );
  return lines.flatMap((line) => {
    const { event } = parseEvent(new TextEncoder().encode(line));
    return event.kind === "ants.step" ? [readableBody(event, STATE_KEY)!] : [];
  });
}

describe("kill -9 of an agent that works in steps (E11, E12)", () => {
  let killed = 0;
  test.each(POINTS)("at %s: no effect without an intent on its disk, and none twice", async (point) => {
    const folder = temporaryFolder();
    const [home, receiver] = [join(folder, "home"), join(folder, "receiver")];
    const keys = foundAgent([relay]);
    await settle(keys, home);
    writeFileSync(receiver, "");
    const effects = () =>
      readFileSync(receiver, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Effect);
    const args = [home, hex(keys.seed), String(LAST), receiver];

    if ((await run(args, point)) === "") killed += 1;
    const intents = effects().length === 0 ? [] : stepsOnDisk(home).filter(({ phase }) => phase === "intent");
    for (const { n, attempt } of effects()) {
      expect(intents).toContainEqual(expect.objectContaining({ key: `count-${n}`, attempt }));
    }

    expect(await run(args)).toBe("done\n");
    expect(effects().map(({ n }) => n)).toEqual(Array.from({ length: LAST }, (_, i) => i + 1));
    const done = stepsOnDisk(home).filter(({ status }) => status === "done");
    expect(done.map(({ key }) => key)).toEqual(Array.from({ length: LAST }, (_, i) => `count-${i + 1}`));
  });

  test("all of these were kills", () => expect(killed).toBe(POINTS.length));
});
