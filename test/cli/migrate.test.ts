import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { OwnerPlace } from "../support/owner-place.js";

// A process and an Argon2id for each step: seconds each where the machine is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let place: OwnerPlace;
let hosts = 0;
/** Variables of the host that the agent lives on. */
let here = "";

beforeAll(async () => {
  place = await OwnerPlace.found("migrate");
  here = `${at(0)} ANTS_VAULT=${place.sandbox.work}/host-0/vault.json`;
  await place.sh(
    "mkdir host-0 && mv ants host-0/ants && mv vault.json host-0/vault.json && echo knows > host-0/ants/MEMORY.md",
  );
  await place.done(`${here} ants publish one --json`);
});

afterAll(() => place[Symbol.asyncDispose]());

function folderOf(host: number): string {
  return join(place.sandbox.work, `host-${host}`);
}

function at(host: number): string {
  const folder = folderOf(host);
  return `ANTS_HOME=${folder}/ants ANTS_VAULT=${folder}/vault.json XDG_DATA_HOME=${folder}/data`;
}

interface Move {
  readonly there: string;
  readonly folder: string;
  readonly bundle: string;
  readonly out: string;
  readonly in: string;
}

/** A new host asks for the agent. */
async function ask(): Promise<Move> {
  const there = at(++hosts);
  const folder = folderOf(hosts);
  await place.sh(`mkdir -p ${folder}`);
  const { request, code } = await place.done<{ request: string; code: string }>(
    `${there} ants migrate in --start --json`,
  );
  writeFileSync(join(folder, "request"), request);
  const bundle = join(folder, "bundle");
  return {
    there,
    folder,
    bundle,
    out: `ants migrate out --request ${folder}/request --code ${code} --bundle ${bundle} --json`,
    in: `${there} ants migrate in --bundle ${bundle} --json`,
  };
}

describe("ants migrate in", () => {
  it("onto a host that kept a copy of the vault brings the secrets that are newer, under the copy's passphrase", async () => {
    const { sandbox } = place;
    const move = await ask();
    const own = "another passphrase of that host";
    writeFileSync(join(sandbox.work, "own"), `${own}\n`, { mode: 0o600 });
    const there = `${move.there} ANTS_PASSPHRASE_FILE=${sandbox.work}/own`;
    await place.sh(`printf one | env ${here} ants secret set token`);
    await place.sh(`cp host-0/vault.json ${move.folder}/vault.json`);
    await place.sh(`${here} ANTS_VAULT=${move.folder}/vault.json ants vault passwd --new-passphrase-file own`);
    await place.sh(`printf two | env ${here} ants secret rotate token; printf new | env ${here} ants secret set other`);
    await place.done(`${here} ${move.out}`);
    await place.done(`${there} ants migrate in --bundle ${move.bundle} --json`);
    const got = await place.sh(`${there} ants secret get token; ${there} ants secret get other`);
    expect(got.stdout).toBe("twonew");
    here = there;
  });
});
