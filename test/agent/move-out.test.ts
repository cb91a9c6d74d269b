import { existsSync } from "node:fs";
import { join } from "node:path";
import { openVault, readVaultFile } from "ants-agent/keys/node";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nodeDisk } from "../../keys/node/disk.js";
import { type MoveRequest, makeMoveRequest } from "../../keys/node/move-request.js";
import { systemRandom } from "../../keys/ports.js";
import { AgentHome } from "../../src/agent/home.js";
import { moveOut } from "../../src/agent/move-out.js";
import { type Departure, readDeparture } from "../../src/agent/moved.js";
import type { Agent } from "../../src/agent/open-agent.js";
import { openHome } from "../../src/agent/open-home.js";
import { systemPorts } from "../../src/client/ports.js";
import { type FoundedHome, foundHome } from "../support/agent-home.js";

let relay: TestRelay;
beforeAll(async () => {
  relay = await startTestRelay();
});
afterAll(() => relay.close());

/** Moves a new agent out; `handOver` runs instead of its hand-over, which it is given. */
async function movedOut(
  handOver: (original: Agent["handOver"], home: FoundedHome, request: MoveRequest) => Agent["handOver"],
): Promise<{ readonly founded: FoundedHome; readonly request: MoveRequest; readonly failure: unknown }> {
  const founded = await foundHome([relay]);
  const { options, folder } = founded;
  const agent = await openHome(options);
  const { request } = makeMoveRequest(Date.now(), systemRandom);
  agent.handOver = handOver(agent.handOver.bind(agent), founded, request);
  const vault = openVault(await readVaultFile(options.vault), options.unlock);
  let failure: unknown;
  await moveOut({
    agent,
    vault,
    vaultBytes: () => readVaultFile(options.vault),
    request,
    bundle: join(folder, "bundle"),
    exclude: new Map(),
    disk: nodeDisk,
    ports: systemPorts,
    signal: new AbortController().signal,
  }).catch((error: unknown) => {
    failure = error;
  });
  vault.close();
  await agent.close();
  return { founded, request, failure };
}

const departureOf = async ({ options }: FoundedHome) =>
  readDeparture(nodeDisk, await AgentHome.open(nodeDisk, options.home));

test("the bundle is there, and the home knows that its agent leaves, before the pen is handed over", async () => {
  let noted: Departure | undefined;
  let isPacked = false;
  const { founded, request, failure } = await movedOut((original, home) => async (options) => {
    noted = await departureOf(home);
    isPacked = existsSync(join(home.folder, "bundle"));
    return original(options);
  });
  expect(failure).toBeUndefined();
  expect(noted).toMatchObject({ state: "leaving", request: request.hash, instance: request.instance });
  expect(isPacked).toBe(true);
  expect(await departureOf(founded)).toMatchObject({ state: "gone", request: request.hash });
});

test("nothing begins to work in a home whose agent has left, or may have", async () => {
  const { founded } = await movedOut((original) => original);
  await expect(openHome(founded.options)).rejects.toMatchObject({ code: "home-moved" });
  const unknown = Object.assign(new Error("no answer"), { code: "publish-unknown" });
  const cut = await movedOut((original) => async (options) => {
    await original(options);
    throw unknown;
  });
  expect(cut.failure).toBe(unknown);
  await expect(openHome(cut.founded.options)).rejects.toMatchObject({ code: "home-moved" });
});
