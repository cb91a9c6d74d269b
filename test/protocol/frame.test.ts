import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, fromUtf8, utf8 } from "../../keys/bytes.js";
import { isAntsError } from "../../keys/errors.js";
import { encodeFrame, splitFrame } from "../../src/protocol/frame.js";
import { codeOf } from "../keys/code-of.js";

const limits = { maxFrameBytes: 1000, maxFrameEntries: 4, maxLineBytes: 100 };
const line = fc
  .uint8Array({ minLength: 1, maxLength: 100 })
  .map((bytes) => bytes.map((byte) => (byte === 10 ? 11 : byte)));
const envelope = fc
  .dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)));

describe("a frame", () => {
  test("gives back the envelope and the very bytes of every line", () => {
    fc.assert(
      fc.property(envelope, fc.array(line, { maxLength: 4 }), fc.boolean(), fc.boolean(), (said, lines, own, last) => {
        const terminated = lines.map((bytes) => (own ? concat(bytes, utf8("\n")) : bytes));
        let bytes = encodeFrame(said, terminated);
        if (!last && lines.length > 0) bytes = bytes.subarray(0, -1);
        const frame = splitFrame(bytes);
        expect(frame.envelope).toEqual(said);
        expect(frame.entries.map((entry) => [...entry])).toEqual(lines.map((entry) => [...entry]));
        expect(encodeFrame(said, frame.body.length === 0 ? [] : [frame.body])).toEqual(encodeFrame(said, lines));
      }),
    );
  });

  test("is split without a copy", () => {
    const bytes = encodeFrame({ t: "publish" }, ["one", "two"]);
    const { entries, body } = splitFrame(bytes);
    expect(entries.every((entry) => entry.buffer === bytes.buffer)).toBe(true);
    expect(body.buffer).toBe(bytes.buffer);
    expect(fromUtf8(body)).toBe("one\ntwo\n");
  });

  test("of an envelope alone has no entries, with its newline or without", () => {
    for (const text of ['{"t":"x"}', '{"t":"x"}\n']) {
      expect(splitFrame(utf8(text))).toMatchObject({ envelope: { t: "x" }, entries: [] });
    }
  });

  test.each([
    ["nothing", "", "bad-frame"],
    ["no JSON", "{\n", "bad-frame"],
    ["no object", "[]\n", "bad-frame"],
    ["null", "null\n", "bad-frame"],
    ["an empty line", '{"t":"x"}\none\n\ntwo\n', "bad-frame"],
    ["an empty last line", '{"t":"x"}\none\n\n', "bad-frame"],
    ["a fifth entry", '{"t":"x"}\n1\n2\n3\n4\n5\n', "too-large"],
    ["a line that is too long", `{"t":"x"}\n${"1".repeat(101)}\n`, "too-large"],
    ["too many bytes", `{"t":"${"x".repeat(1000)}"}\n`, "too-large"],
  ])("with %s is refused", (_what, text, code) => {
    expect(codeOf(() => splitFrame(utf8(text), limits))).toBe(code);
  });

  test("whose envelope is no UTF-8 is refused", () => {
    expect(codeOf(() => splitFrame(Uint8Array.of(0x7b, 0xff, 0x7d, 0x0a)))).toBe("bad-frame");
  });

  test("that is too large is told which limit it broke", () => {
    try {
      splitFrame(utf8(`{"t":"x"}\n${"1".repeat(101)}\n`), limits);
      expect.unreachable();
    } catch (error) {
      expect(isAntsError(error, "too-large") && error.details).toEqual({ limit: "maxLineBytes", value: 100 });
    }
  });

  test("of garbage is split or refused, and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(["nothing thrown", "bad-frame", "too-large"]).toContain(codeOf(() => splitFrame(bytes, limits)));
      }),
      { numRuns: 500 },
    );
  });
});
