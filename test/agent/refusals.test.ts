import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AntsError } from "../../keys/errors.js";
import { systemClock } from "../../keys/ports.js";
import { unlessAllRefuse } from "../../src/agent/refusals.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const away = (code?: string) =>
  new AntsError("relay-unreachable", `cannot reach it: ${code}`, {
    ...(code === undefined ? {} : { cause: Object.assign(new Error("dial"), { code }) }),
  });

/** Work that only ends when it is told to; what became of it, and after how long. */
async function outcome(failures: Readonly<Record<string, AntsError | undefined>>, signal?: AbortSignal) {
  let told: unknown;
  const startMs = Date.now();
  const relays = { whyAway: (url: string) => failures[url] };
  const watch = { did: "did:ants:x", relays, urls: Object.keys(failures), clock: systemClock, signal };
  void unlessAllRefuse(watch, (signal) => systemClock.sleep(3_600_000, signal)).catch((error: unknown) => {
    told = error;
  });
  for (let ms = 0; told === undefined && ms < 30_000; ms += 100) await vi.advanceTimersByTimeAsync(100);
  return { told, afterMs: Date.now() - startMs };
}

test("where every relay refuses, whoever can try later does not wait", async () => {
  const { told, afterMs } = await outcome({ a: away("ECONNREFUSED"), b: away("ENOTFOUND"), c: away("ENETUNREACH") });
  expect(told).toMatchObject({ code: "no-quorum", message: expect.stringContaining("ECONNREFUSED") });
  expect(afterMs).toBeGreaterThanOrEqual(1_500);
  expect(afterMs).toBeLessThan(2_500);
});

test("one that is only silent, or not tried yet, or connected, is waited for", async () => {
  for (const other of [away(), away("ETIMEDOUT"), new AntsError("connection-lost", "broke"), undefined]) {
    const { told } = await outcome({ a: away("ECONNREFUSED"), b: other });
    expect(told, String(other)).toBeUndefined();
  }
});

test("the caller's own signal ends it with its own reason", async () => {
  const { told } = await outcome({ a: undefined }, AbortSignal.abort("Ctrl-C"));
  expect(told).toBe("Ctrl-C");
});

test("what the work comes to is handed on", async () => {
  const relays = { whyAway: () => away("ECONNREFUSED") };
  const watch = { did: "did:ants:x", relays, urls: ["a"], clock: systemClock, signal: undefined };
  await expect(unlessAllRefuse(watch, () => Promise.resolve("the pen"))).resolves.toBe("the pen");
  await expect(unlessAllRefuse(watch, () => Promise.reject(new Error("held")))).rejects.toThrow("held");
  expect(vi.getTimerCount()).toBe(0);
});
