import { expect, test } from "vitest";
import { fromHex, fromUtf8 } from "../../keys/bytes.js";
import { canonicalBytes, canonicalize, parseCanonical } from "../../keys/canonical.js";
import { codeOf } from "../keys/code-of.js";
import { describeVectors } from "./shared-vectors.js";

describeVectors("RFC 8785 (cyberphone/json-canonicalization)", "jcs", (origin) => {
  const names = origin.list("input").map((file) => file.replace(".json", ""));

  test("all six pairs are there", () => {
    expect(names).toEqual(["arrays", "french", "structures", "unicode", "values", "weird"]);
  });

  test.each(names)("%s is written byte for byte", (name) => {
    const input: unknown = JSON.parse(origin.text(`input/${name}.json`));
    const output = origin.bytes(`output/${name}.json`);
    expect(canonicalize(input)).toBe(fromUtf8(output));
    expect(canonicalBytes(input)).toEqual(output);
    expect(canonicalBytes(input)).toEqual(fromHex(origin.text(`outhex/${name}.txt`).replaceAll(/\s/g, "")));
  });

  // Two of the six hold what lines may not: the strict reader takes the outputs of the others, and no input at all,
  // since those are spread over several lines.
  test.each([
    ["arrays", "json-null"],
    ["french", "nothing thrown"],
    ["structures", "nothing thrown"],
    ["unicode", "nothing thrown"],
    ["values", "json-null"],
    ["weird", "nothing thrown"],
  ])("the strict reader's answer to %s: %s", (name, code) => {
    const output = origin.bytes(`output/${name}.json`);
    expect(codeOf(() => parseCanonical(output))).toBe(code);
    if (code === "nothing thrown") expect(canonicalBytes(parseCanonical(output))).toEqual(output);
    expect(codeOf(() => parseCanonical(origin.bytes(`input/${name}.json`)))).toBe("json-whitespace");
  });
});
