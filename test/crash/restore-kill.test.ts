import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canMount, NO_NAMESPACES, runWithMounts } from "../keys/node/run.js";
import { OwnerPlace } from "../support/owner-place.js";
import { programPath } from "./lines.js";

/**
 * Writes of a restore that are made durable: files, configuration, mark, folders; the 16th and last is that of the
 * folder above, once the home has its name.
 */
const POINTS = [1, 4, 7, 10, 12, 14, 15, 16].map((n) => `sync:${n}`);
const killed = (point: string) => `ANTS_TEST_KILL=${point} NODE_OPTIONS=--import=${programPath("kill-at.mjs")}`;
const RESTORE = "ants backup restore archives/* --phrase-file words --offline --json";

let place: OwnerPlace;

beforeAll(async () => {
  place = await OwnerPlace.found("restore-kill", 1);
  place.sandbox.env.ANTS_ALLOW_EPHEMERAL = "1";
  await place.done("ants publish one --json");
  await place.done("ants backup create --tier cold --target archives --json");
});

afterAll(() => place[Symbol.asyncDispose]());

const names = () => readdirSync(place.sandbox.work).filter((name) => name.includes("copy"));

describe("kill -9 in the middle of ants backup restore", { timeout: 60_000 }, () => {
  let chain: readonly string[];
  const whole: string[] = [];
  beforeAll(async () => {
    chain = await place.chain();
  });

  test.each(POINTS)("at %s: there is a whole home or none, and the next one makes it", async (point) => {
    const copy = `copy-${point.replace(":", "-")}`;
    const { exit } = await place.sh(`${killed(point)} ${RESTORE} --to ${copy}`);
    expect(exit, "it was not killed").not.toBe(0);
    const { work } = place.sandbox;
    if (existsSync(join(work, copy))) whole.push(point);
    else await place.done(`${RESTORE} --to ${copy}`);
    expect(names()).toEqual([copy]);
    expect(await place.chain(`ANTS_HOME=${join(work, copy)}`)).toEqual(chain);
    expect(existsSync(join(work, copy, ".ants/dormant.json"))).toBe(true);
    await place.sh(`rm -r ${copy}`);
  });

  test("only the last of these was after the home had its name", () => expect(whole).toEqual(["sync:16"]));
});

test("a full disk is said to be one, and nothing is left on it", { timeout: 60_000 }, (context) => {
  context.skip(!canMount, NO_NAMESPACES);
  const { work, env } = place.sandbox;
  const variables = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
  const { stdout } = runWithMounts(
    `cd $1; mkdir full; mount -t tmpfs -o size=16k none full
     env ${variables.join(" ")} ${RESTORE} --to full/copy 2>&1 || true; ls -A full`,
    work,
  );
  const [error, ...left] = stdout.trim().split("\n");
  expect(JSON.parse(error!)).toMatchObject({ code: "disk-full" });
  expect(left).toEqual([]);
});
