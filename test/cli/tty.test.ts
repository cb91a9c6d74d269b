import { describe, expect, it } from "vitest";
import { fromUtf8, utf8 } from "../../keys/bytes.js";
import { openTerminal, SecretLine } from "../../src/cli/tty.js";

/** What a line holds after these keys, or how it ended. */
function typed(keys: string): string {
  const line = new SecretLine();
  for (const byte of utf8(keys)) {
    const outcome = line.feed(byte);
    if (outcome !== "more") return `${fromUtf8(line.bytes())} ${outcome}`;
  }
  return `${fromUtf8(line.bytes())} more`;
}

describe("the editor of a secret line", () => {
  it.each([
    ["abc\r", "abc done"],
    ["abc\n", "abc done"],
    ["abc", "abc more"],
    ["abx\u007fc\r", "abc done"],
    ["abx\bc\r", "abc done"],
    ["\u007f\u007fabc\r", "abc done"],
    ["aé\u007fb\r", "ab done"],
    ["a😀\u007fb\r", "ab done"],
    ["wrong\u0015right\r", "right done"],
    ["a\u0003", "a interrupted"],
    ["a\u0004", "a interrupted"],
    ["a\u001b[Ab\r", "ab done"],
    ["a\u001b[1;5Cb\r", "ab done"],
    ["a\u001bOPb\r", "ab done"],
    ["a\u001bxb\r", "ab done"],
    ["a\u0001\tb c\r", "ab c done"],
    ["ключ 鍵\r", "ключ 鍵 done"],
  ])("makes of %j: %j", (keys, expected) => {
    expect(typed(keys)).toBe(expected);
  });

  it("takes no more than a line may hold, and forgets what is cleared", () => {
    const line = new SecretLine();
    for (let i = 0; i < 10_000; i++) line.feed(0x61);
    expect(line.bytes()).toHaveLength(8_192);
    line.clear();
    expect(line.bytes()).toHaveLength(0);
  });
});

describe("a terminal", () => {
  it("is none where there is no device, or another kind of file", () => {
    expect(openTerminal("/dev/absent")).toBeUndefined();
    expect(openTerminal("/dev/null")).toBeUndefined();
  });
});
