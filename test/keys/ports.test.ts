import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { hex } from "../../keys/bytes.js";
import { systemClock, systemRandom } from "../../keys/ports.js";

test("the system's generator gives any length, beyond what WebCrypto gives at once", () => {
  for (const length of [0, 1, 32, 65_536, 65_537, 200_000]) {
    expect(systemRandom.bytes(length)).toHaveLength(length);
  }
  const long = systemRandom.bytes(131_072);
  expect(hex(long.subarray(0, 32))).not.toBe(hex(long.subarray(65_536, 65_568)));
  expect(long.subarray(131_040).some((byte) => byte !== 0)).toBe(true);
});

test("the monotonic clock does not go back, and the wall clock gives whole milliseconds", () => {
  const start = systemClock.monotonicMs();
  expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(start);
  expect(Number.isInteger(systemClock.nowMs())).toBe(true);
});

test("a sleep lasts at least as long as asked", async () => {
  const start = systemClock.monotonicMs();
  await systemClock.sleep(15);
  // Timers round to whole milliseconds.
  expect(systemClock.monotonicMs() - start).toBeGreaterThanOrEqual(14);
});

test("a sleep ends with the signal's reason, and leaves no listener behind", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort(reason);
  await expect(sleeping).rejects.toBe(reason);
  await expect(systemClock.sleep(60_000, controller.signal)).rejects.toBe(reason);

  const other = new AbortController();
  await systemClock.sleep(1, other.signal);
  expect(getEventListeners(other.signal, "abort")).toHaveLength(0);
});
