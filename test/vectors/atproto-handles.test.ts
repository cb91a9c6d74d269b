import { expect, test } from "vitest";
import { parseName } from "../../src/client/handle-name.js";
import { codeOf } from "../keys/code-of.js";
import { describeVectors } from "./shared-vectors.js";

/** A line that is a comment or empty is no vector. */
const vectorsIn = (text: string) => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

/**
 * Theirs is a domain and nothing else. Where a line they refuse is a name here, this is why; every domain that they
 * take is one here.
 */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  "jo@hn.test": "an account at a host, by WebFinger",
};

describeVectors("handles of AT Protocol's interop tests", "atproto/interop-test-files/syntax", ({ text }) => {
  test("every valid domain is a handle, in lower case", () => {
    const valid = vectorsIn(text("handle_syntax_valid.txt"));
    expect(valid.length).toBeGreaterThan(60);
    const names = valid.map((line) => parseName(line));
    expect(names.map(({ kind }) => kind)).toEqual(valid.map(() => "handle"));
    expect(names.map((name) => name.text)).toEqual(valid.map((line) => line.toLowerCase()));
  });

  test("every invalid one is refused, except for what is another kind of name here", () => {
    const invalid = vectorsIn(text("handle_syntax_invalid.txt"));
    expect(invalid.length).toBeGreaterThan(40);
    const taken = invalid.filter((line) => codeOf(() => parseName(line)) !== "name-syntax");
    expect(taken).toEqual(Object.keys(OTHER_NAMES));
  });
});
