import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { headAt, OwnerPlace } from "../support/owner-place.js";

/**
 * kill -9 at every step of a move, on both sides: instead of the n-th write that is made durable, and instead of the
 * n-th frame of events that goes to a relay. What comes after the kill is what a person would do: run it again, or take
 * it back. The agent moves on through a row of hosts, each a folder of its own.
 */
const HOOK = fileURLToPath(new URL("../crash/programs/kill-at.mjs", import.meta.url));
const killed = (point: string) => `ANTS_TEST_KILL=${point} NODE_OPTIONS=--import=${HOOK}`;
const TIMEOUT_MS = 120_000;

let place: OwnerPlace;
let hosts = 0;
/** Variables of the host that the agent lives on. */
let here = "";

beforeAll(async () => {
  place = await OwnerPlace.found("migrate-kill");
  await place.sh(
    "mkdir host-0 && mv ants host-0/ants && mv vault.json host-0/vault.json && echo knows > host-0/ants/MEMORY.md",
  );
  here = at(0);
  await place.done(`${here} ants publish one --json`);
});

afterAll(() => place[Symbol.asyncDispose]());

function folderOf(number: number): string {
  return join(place.sandbox.work, `host-${number}`);
}

function at(number: number): string {
  const folder = folderOf(number);
  return `ANTS_HOME=${folder}/ants ANTS_VAULT=${folder}/vault.json XDG_DATA_HOME=${folder}/data`;
}

interface Move {
  readonly out: string;
  readonly in: string;
  readonly there: string;
  readonly bundle: string;
}

/** A new host asks for the agent. */
async function ask(): Promise<Move> {
  const there = at(++hosts);
  await place.sh(`mkdir -p ${folderOf(hosts)}`);
  const { request, code } = await place.done<{ request: string; code: string }>(
    `${there} ants migrate in --start --json`,
  );
  writeFileSync(join(folderOf(hosts), "request"), request);
  const bundle = join(folderOf(hosts), "bundle");
  return {
    there,
    bundle,
    out: `ants migrate out --request ${folderOf(hosts)}/request --code ${code} --bundle ${bundle} --json`,
    in: `${there} ants migrate in --bundle ${bundle} --did ${place.did} --json`,
  };
}

/** The agent lives there, and nowhere else; nothing that was committed is missing, and every relay says so. */
async function requireOneSelf(before: readonly string[], there: string, elsewhere: string): Promise<void> {
  await place.done(`${there} ants publish here --durability all --json`);
  const chain = await place.chain(there);
  expect(chain.slice(0, before.length)).toEqual(before);
  const heads = await Promise.all(place.relays.map((relay) => headAt(relay, place.did)));
  expect(heads.map(({ head }) => head?.id)).toEqual(heads.map(() => chain.at(-1)));
  expect(await place.fails(`${elsewhere} ants publish x --json`)).toBe("home-moved");
  expect(readFileSync(join(folderOf(hosts), "ants/MEMORY.md"), "utf8")).toBe("knows\n");
}

describe("kill -9 in the middle of ants migrate out (B16)", () => {
  // Before the bundle has its name, after it, after the home noted that its agent leaves, and around the hand-over.
  test.each(["sync:4", "sync:6", "sync:7", "publish:4", "publish:6"])(
    "at %s: run again, it moves; nothing is lost",
    async (point) => {
      const before = await place.chain(here);
      const move = await ask();
      const { exit } = await place.sh(`${here} ${killed(point)} ${move.out}`);
      expect(exit, "it was not killed").not.toBe(0);
      await place.done(`${here} ${move.out}`);
      await place.done(move.in);
      await requireOneSelf(before, move.there, here);
      here = move.there;
    },
    TIMEOUT_MS,
  );

  test.each(["publish:4", "publish:6"])(
    "at %s: taken back, the agent stays, and what was packed is worth nothing",
    async (point) => {
      const before = await place.chain(here);
      const move = await ask();
      await place.sh(`${here} ${killed(point)} ${move.out}`);
      const isLeaving = (await place.sh(`${here} ants publish y --json`)).exit !== 0;
      if (isLeaving) await place.done(`${here} ants migrate out --cancel --json`);
      await place.done(`${here} ants publish back --durability all --json`);
      expect((await place.chain(here)).slice(0, before.length)).toEqual(before);
      if (existsSync(move.bundle)) {
        const code = await place.fails(move.in);
        expect(["handover-used", "move-no-handover", "move-stale"]).toContain(code);
      }
    },
    TIMEOUT_MS,
  );
});

describe("kill -9 in the middle of ants migrate in", () => {
  // While the home is unpacked, around the vault, and around the claim.
  test.each(["sync:3", "sync:12", "publish:1", "publish:2"])(
    "at %s: run again, the agent arrives",
    async (point) => {
      const before = await place.chain(here);
      const move = await ask();
      await place.done(`${here} ${move.out}`);
      const { exit } = await place.sh(`${killed(point)} ${move.in}`);
      expect(exit, "it was not killed").not.toBe(0);
      await place.done(move.in);
      await requireOneSelf(before, move.there, here);
      here = move.there;
    },
    TIMEOUT_MS,
  );

  test(
    "the old host is gone before the hand-over: --takeover goes on with what was packed",
    async () => {
      // A host that it left long ago cannot take it back, whether it is at work just now or not.
      const long = await place.fails(`${at(hosts - 1)} ants migrate out --cancel --json`);
      expect(["held", "move-arrived"]).toContain(long);
      const before = await place.chain(here);
      const move = await ask();
      await place.sh(`${here} ${killed("publish:4")} ${move.out}`);
      expect(existsSync(move.bundle)).toBe(true);
      expect(await place.fails(move.in)).toBe("move-no-handover");
      rmSync(folderOf(hosts - 1), { recursive: true });
      await place.done(`${move.in} --takeover`);
      const chain = await place.chain(move.there);
      expect(chain.slice(0, before.length)).toEqual(before);
      here = move.there;
    },
    TIMEOUT_MS,
  );
});
