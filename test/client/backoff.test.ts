import { describe, expect, it } from "vitest";
import { Backoff, pauseAskedFor } from "../../src/client/backoff.js";
import { SimClock } from "../simulation/sim-clock.js";
import { SimRandom } from "../simulation/sim-random.js";

describe("the pause that a relay asks for", () => {
  it.each([
    [2_000, 2_000],
    [0, 50],
    [-1, 50],
    [Number.POSITIVE_INFINITY, 3_600_000],
    [Number.NaN, undefined],
    ["2000", undefined],
    [undefined, undefined],
  ])("of %s ms is %s: never none, never for ever", (asked, expected) => {
    expect(pauseAskedFor(asked)).toBe(expected);
  });
});

it("delays are drawn below a bound that doubles up to the highest, and begin anew when the thing worked", () => {
  const backoff = new Backoff(new SimClock(), new SimRandom(1), { firstMs: 100, maxMs: 400 });
  const bounds = [100, 200, 400, 400];
  for (const bound of bounds) expect(backoff.nextDelayMs()).toBeLessThan(bound);
  backoff.reset();
  expect(backoff.nextDelayMs()).toBeLessThan(100);
});
