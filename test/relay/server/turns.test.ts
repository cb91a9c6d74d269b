import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { Turns } from "../../../relay/server/turns.js";

test("who waits from one address is let through in order, one in a round", async () => {
  const turns = new Turns();
  const gone: number[] = [];
  for (let i = 0; i < 3; i++) void turns.next("one").then(() => gone.push(i));
  expect(gone).toEqual([]);
  for (let round = 1; round <= 3; round++) {
    await setImmediate();
    expect(gone).toEqual([0, 1, 2].slice(0, round));
  }
});

test("an address that floods delays another by one turn", async () => {
  const turns = new Turns();
  const gone: string[] = [];
  for (let i = 0; i < 1_000; i++) void turns.next("flood").then(() => gone.push("flood"));
  void turns.next("other").then(() => gone.push("other"));
  await setImmediate();
  await setImmediate();
  expect(gone).toEqual(["flood", "other"]);
});

test("short work of many is done in few rounds, each address in its turn, and a long one ends the round", async () => {
  const turns = new Turns();
  const gone: string[] = [];
  for (let i = 0; i < 3; i++) turns.run("one", () => gone.push(`one ${i}`));
  turns.run("two", () => gone.push("two 0"));
  void turns.next("two").then(() => gone.push("two 1"));
  turns.run("two", () => gone.push("two 2"));
  await setImmediate();
  expect(gone).toEqual(["one 0", "two 0", "one 1", "two 1"]);
  await setImmediate();
  expect(gone.slice(4)).toEqual(["one 2", "two 2"]);
});
