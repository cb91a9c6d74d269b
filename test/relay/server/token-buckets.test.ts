import { describe, expect, test } from "vitest";
import { TokenBuckets } from "../../../relay/server/token-buckets.js";

describe("token buckets", () => {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs };
  const buckets = () => new TokenBuckets({ perSecond: 100, burst: 50 }, clock);

  test("give a burst, then what flows in, to each key apart", () => {
    const rate = buckets();
    expect(rate.take("a", 50)).toBe(0);
    expect(rate.take("a", 10)).toBe(100);
    expect(rate.take("b", 50)).toBe(0);
    nowMs += 100;
    expect(rate.take("a", 10)).toBe(0);
    expect(rate.take("a", 1)).toBe(10);
  });

  test("never hold more than the burst, whatever is given back", () => {
    const rate = buckets();
    rate.giveBack("a", 1_000);
    nowMs += 1_000_000;
    expect(rate.take("a", 50)).toBe(0);
    expect(rate.take("a", 1)).toBeGreaterThan(0);
  });

  test("give a full bucket more than the burst, which then owes the rest", () => {
    const rate = buckets();
    expect(rate.take("a", 80)).toBe(0);
    expect(rate.take("a", 1)).toBe(310);
  });

  test("stay bounded however many keys there are, and forget the full ones first", () => {
    const rate = buckets();
    rate.take("poor", 50);
    for (let i = 0; i < 200_000; i++) rate.take(`key ${i}`, 0);
    expect(rate.size).toBeLessThanOrEqual(65_536);
    expect(rate.take("poor", 1)).toBeGreaterThan(0);
  });
});
