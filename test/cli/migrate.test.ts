import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { headAt, OwnerPlace } from "../support/owner-place.js";

// A process and an Argon2id for each step: seconds each where the machine is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const HOOK = fileURLToPath(new URL("../crash/programs/kill-at.mjs", import.meta.url));
const killed = (point: string) => `ANTS_TEST_KILL=${point} NODE_OPTIONS=--import=${HOOK}`;

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

function homeOf(variables: string): string {
  return /ANTS_HOME=(\S+)/.exec(variables)![1]!;
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
    in: `${there} ants migrate in --bundle ${bundle} --did ${place.did} --json`,
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
    await place.done(`${there} ants migrate in --bundle ${move.bundle} --did ${place.did} --json`);
    const got = await place.sh(`${there} ants secret get token; ${there} ants secret get other`);
    expect(got.stdout).toBe("twonew");
    here = there;
  });

  it("takes the agent that was named only, and names none without a person", async () => {
    const move = await ask();
    await place.done(`${here} ${move.out}`);
    const other = "did:ants:zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
    expect(await place.fails(move.in.replace(place.did, other))).toBe("move-other-agent");
    expect(await place.fails(`${move.there} ants migrate in --bundle ${move.bundle} --json`)).toBe("usage");
    expect(existsSync(join(move.folder, "ants"))).toBe(false);
    // Cut off after the home was awake and before the request was forgotten: the same command ends it.
    const folder = join(move.folder, "data/ants/move");
    const [name] = readdirSync(folder);
    const pending = JSON.parse(readFileSync(join(folder, name!), "utf8")) as object;
    // Here nothing makes backups any more, whatever the plan says and whatever failed.
    const state = join(homeOf(here), ".ants");
    writeFileSync(join(state, "backup.toml"), `[[target]]\nurl = "${move.folder}/nowhere"\n`);
    const failed = { job: "hot", startedMs: Date.now(), endedMs: Date.now(), outcome: "failed", code: "home-moved" };
    writeFileSync(join(state, "backup-runs.ndjson"), `${JSON.stringify(failed)}\n`);
    const told = async () => {
      const { findings } = JSON.parse((await place.sh(`${here} ants doctor --json`)).stdout) as {
        findings: { check: string; fix?: string }[];
      };
      const status = await place.sh(`${here} ants status`);
      expect(findings.filter(({ check }) => /backup|rehears/.test(check))).toEqual([]);
      expect(status.stdout).not.toContain("  next ");
      return `${findings.find(({ check }) => check === "copy")?.fix}\n${/^ {2}home .*/m.exec(status.stdout)?.[0]}`;
    };
    expect((await told()).match(/if it never arrived there: ants migrate out --cancel/g)).toHaveLength(2);
    const arrived = await place.done<{ epoch: number; seq: number }>(move.in);
    const after = await told();
    expect(after).not.toContain("--cancel");
    expect(after.match(/it has arrived: .* remove this home and its vault/g)).toHaveLength(2);
    expect(await place.fails(move.in)).toBe("move-no-request");
    const record = `${JSON.stringify({ ...pending, home: join(move.folder, "ants") })}\n`;
    writeFileSync(join(folder, name!), record, { mode: 0o600 });
    expect(await place.done(move.in)).toMatchObject({ did: place.did, epoch: arrived.epoch, seq: arrived.seq });
    expect(readdirSync(folder)).toEqual([]);
    // A home that was there for another reason stays in the way.
    writeFileSync(join(folder, name!), `${JSON.stringify(pending)}\n`, { mode: 0o600 });
    expect(await place.fails(move.in)).toBe("home-exists");
    here = move.there;
  });

  it("refuses a bundle that its agent went on from, also with --takeover, and leaves nothing of it", async () => {
    const move = await ask();
    // The bundle is whole, and nothing else happened: the agent goes on where it is.
    await place.sh(`${here} ${killed("sync:6")} ${move.out}`);
    expect(existsSync(move.bundle)).toBe(true);
    await place.done(`${here} ants publish "went on" --json`);
    expect(await place.fails(`${move.in} --takeover`)).toBe("move-stale");
    expect(existsSync(join(move.folder, "ants"))).toBe(false);
    expect(existsSync(join(move.folder, "vault.json"))).toBe(false);
    await place.done(`${here} ants publish "still here" --json`);
  });

  it("does not take a home of an older bundle that sleeps for the one of a newer bundle", async () => {
    const move = await ask();
    await place.sh(`${here} ${killed("publish:4")} ${move.out}`);
    expect(await place.fails(move.in)).toBe("move-no-handover");
    await place.sh(`cp ${move.bundle} ${move.folder}/older; echo "knows more" > ${homeOf(here)}/MEMORY.md`);
    await place.done(`${here} ${move.out}`);
    expect(await place.fails(move.in)).toBe("home-exists");
    // The older one is not handed over.
    expect(await place.fails(move.in.replace(move.bundle, `${move.folder}/older`))).toBe("move-stale");
    await place.sh(`rm -r ${move.folder}/ants`);
    await place.done(move.in);
    expect(readFileSync(join(move.folder, "ants/MEMORY.md"), "utf8")).toBe("knows more\n");
    here = move.there;
  });

  it("forgets the secrets of requests that nobody answered for long", async () => {
    const move = await ask();
    const folder = join(move.folder, "data/ants/move");
    const [name] = readdirSync(folder);
    const pending = JSON.parse(readFileSync(join(folder, name!), "utf8")) as { request: string };
    const old = pending.request.replace(/"expires":\d+/, `"expires":${Date.now() - 8 * 86_400_000}`);
    writeFileSync(join(folder, "00.json"), JSON.stringify({ ...pending, request: old }));
    const late = pending.request.replace(/"expires":\d+/, `"expires":${Date.now() - 6 * 86_400_000}`);
    writeFileSync(join(folder, "01.json"), JSON.stringify({ ...pending, request: late }));
    await place.done(`${move.there} ants migrate in --start --json`);
    const left = readdirSync(folder);
    expect(left).toHaveLength(3);
    expect(left).toContain("01.json");
    expect(left).toContain(name);
    // A request that could not be written leaves no secret.
    expect(await place.fails(`${move.there} ants migrate in --start --request ${folder} --json`)).toBe("disk-exists");
    expect(readdirSync(folder)).toHaveLength(3);
  });
});

describe("a home whose agent left", () => {
  it("asks whether it arrived before it claims, and so displaces nobody", async () => {
    const before = here;
    const move = await ask();
    await place.done(`${before} ${move.out}`);
    await place.done(move.in);
    const heads = () => Promise.all(place.relays.map(async (relay) => (await headAt(relay, place.did)).promised));
    const promised = await heads();
    // The new host is silent long enough: nothing but the chain tells that the agent is there.
    expect(await place.fails(`${before} ants migrate out --cancel --json`)).toBe("move-arrived");
    expect(await place.fails(`${before} ${move.out.replace(move.bundle, `${move.bundle}-again`)}`)).toBe(
      "move-arrived",
    );
    expect(await heads()).toEqual(promised);
    here = move.there;

    const status = await place.sh(`${before} ants status`);
    expect(status.stdout).toContain(`  home    at rest: ${place.did} moved away`);
    expect((await place.sh(`${before} ants doctor`)).stdout).toContain("moved away");
    const words = join(place.sandbox.work, "words");
    expect(await place.fails(`${before} ants rotate --yes --phrase-file ${words} --json`)).toBe("home-moved");
    const relay = place.relays[0]!.url;
    const recover = `ants recover --relay ${relay} --phrase-file ${words} --yes --json --vault ${move.folder}/new.json`;
    expect(await place.fails(`${before} ${recover}`)).toBe("home-moved");
  });

  it("packs no targets of backups that are in it", async () => {
    const home = homeOf(here);
    await place.done(`${here} ants backup create --tier hot --target ${home}/kept --json`);
    writeFileSync(join(home, ".ants/backup.toml"), `[[target]]\nurl = "${home}/kept"\n`);
    const move = await ask();
    await place.done(`${here} ${move.out}`);
    await place.done(move.in);
    expect(existsSync(join(move.folder, "ants/kept"))).toBe(false);
    expect(existsSync(join(move.folder, "ants/MEMORY.md"))).toBe(true);
    here = move.there;
  });
});
