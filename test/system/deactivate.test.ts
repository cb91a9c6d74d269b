import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { headAt, OwnerPlace } from "../support/owner-place.js";

const HOOK = fileURLToPath(new URL("../crash/programs/kill-at.mjs", import.meta.url));

describe("ants deactivate", { timeout: 600_000 }, () => {
  test("ends an agent for good, also when it was cut off; nothing and nobody writes as it again", async () => {
    await using place = await OwnerPlace.found("deactivate");
    await place.done("ants publish one --json");
    const chain = await place.chain();
    const command = "ants deactivate --phrase-file words --json";
    expect(await place.fails(command)).toBe("not-confirmed");

    // Killed once the signed end is on the disk, and before a relay heard of it: the agent is what it was.
    const { exit } = await place.sh(`ANTS_TEST_KILL=sync:2 NODE_OPTIONS=--import=${HOOK} ${command} --yes`);
    expect(exit, "it was not killed").not.toBe(0);
    await place.done("ants publish two --json");

    const ended = await place.done<{ deactivated: boolean; confirmed: string[] }>(`${command} --yes`);
    expect(ended).toMatchObject({ deactivated: true });
    expect([...ended.confirmed].sort()).toEqual(place.relays.map(({ url }) => url).sort());
    await place.done(`${command} --yes`);

    expect(await place.fails("ants publish three --json")).toBe("key-not-live");
    expect(await place.fails("ants rotate --phrase-file words --yes --json")).toBe("identity-ended");
    const { stdout } = await place.sh(`ants resolve ${place.did} --json`);
    expect(JSON.parse(stdout)).toMatchObject({ status: "deactivated" });
    for (const relay of place.relays) {
      const response = await fetch(`${relay.httpUrl}/1.0/identifiers/${place.did}`);
      expect(response.status).toBe(410);
      expect((await headAt(relay, place.did)).head).toBeDefined();
    }
    // What was written stays written.
    const { stdout: lines } = await place.sh("cat ants/.ants/chain/*.ndjson");
    for (const id of chain) expect(lines).toContain(id);
    expect((await place.chain()).slice(0, chain.length)).toEqual(chain);
    await place.done("ants log verify --json");
  });
});
