import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Output } from "../../src/cli/output.js";
import { atMost, tellWaiting } from "../../src/cli/waiting.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** An output into strings. */
function outputInto(options: { readonly json?: boolean; readonly quiet?: boolean } = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const out = new Output({
    json: options.json === true,
    quiet: options.quiet === true,
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
  });
  return { out, told: () => [String(stdout.read() ?? ""), String(stderr.read() ?? "")] };
}

test("a wait of two seconds is told on stderr, once, with what is missing by then", () => {
  const { out, told } = outputInto();
  let missing = "ws://a, ws://b";
  using _waiting = tellWaiting({ out }, () => `${missing}, ${atMost(30_000)}`);
  vi.advanceTimersByTime(1_900);
  expect(told()).toEqual(["", ""]);
  missing = "ws://b";
  vi.advanceTimersByTime(200);
  expect(told()).toEqual(["", "waiting for ws://b, 30 s at most\n"]);
  vi.advanceTimersByTime(60_000);
  expect(told()).toEqual(["", ""]);
});

test("a wait that is over before is not told", () => {
  const { out, told } = outputInto();
  tellWaiting({ out }, () => "a relay")[Symbol.dispose]();
  vi.advanceTimersByTime(60_000);
  expect(told()).toEqual(["", ""]);
});

test("neither a program that reads JSON nor whoever wants no notes is told", () => {
  for (const options of [{ json: true }, { quiet: true }]) {
    const { out, told } = outputInto(options);
    using _waiting = tellWaiting({ out }, () => "a relay");
    vi.advanceTimersByTime(60_000);
    expect(told(), JSON.stringify(options)).toEqual(["", ""]);
  }
});
