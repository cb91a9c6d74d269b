import { expect, test } from "vitest";
import { IdentityLog } from "../../src/client/identity-log.js";
import { codeOf } from "../keys/code-of.js";
import { genesis, rotate, update } from "../keys/identity/agent.js";

test("an identity log takes thousands of operations one by one, asked what they say after each, in no time", () => {
  const born = genesis();
  const siblings = Array.from({ length: 3_000 }, () => update(born));
  const log = new IdentityLog(born.did, [born]);
  const before = process.cpuUsage();
  for (const sibling of siblings) {
    expect(log.add(sibling)).toBe(true);
    if (log.resolution.status === "not-found") throw new Error("the genesis is there");
  }
  // Of the processor, since others may be using the machine. Sorting all that lost at each step took 15 s.
  expect(process.cpuUsage(before).user / 1_000).toBeLessThan(2_000);
  expect(log.resolution).toMatchObject({ status: "contested", state: { head: siblings[0] } });
});

test("what was verified first stays pinned, whether anybody asked for it or not", () => {
  const born = genesis();
  const [one, other] = [update(born), update(born)];
  const log = new IdentityLog(born.did, [born]);
  for (const each of [one, other]) expect(log.add(each)).toBe(true);
  expect(log.newest).toBe(one);
  const [first, rival] = [rotate(born, 0), rotate(other, 0, { letter: "b" })];
  for (const each of [first, rival]) expect(log.add(each)).toBe(true);
  expect([log.resolution.status, log.newest, log.rotations]).toEqual(["verified", first, 1]);
  expect(log.rotationsOf(first.op.keys.sign[0]!)).toBe(1);
});

test("a log that is opened with what was pinned goes on from there", () => {
  const born = genesis();
  const rivals = [rotate(born, 0), rotate(born, 0, { letter: "b" })];
  for (const pinned of rivals) {
    const log = new IdentityLog(born.did, [born, ...rivals], pinned.hash);
    expect([log.resolution.status, log.newest]).toEqual(["verified", pinned]);
  }
  expect(new IdentityLog(born.did, [born, ...rivals]).resolution.status).toBe("conflicted");
  expect(codeOf(() => new IdentityLog(born.did, [born], rivals[0]!.hash))).toBe("identity-pin-missing");
});
