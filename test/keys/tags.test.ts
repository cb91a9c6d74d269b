import { expect, test } from "vitest";
import { fromUtf8 } from "../../keys/bytes.js";
import { LABEL, TAG, TAG_BYTES } from "../../keys/tags.js";

test("no tag or label is the beginning of another, so no statement can be read under two", () => {
  const all = [...Object.values(TAG), ...Object.values(LABEL)];
  for (const [i, a] of all.entries()) {
    for (const [j, b] of all.entries()) {
      if (i !== j) expect(a.startsWith(b), `${a} begins with ${b}`).toBe(false);
    }
  }
});

test("every tag names the project, its use and its version, and ends its line", () => {
  for (const tag of Object.values(TAG)) expect(tag).toMatch(/^ants\/[a-z]+\/1\n$/);
});

test("the bytes of a tag are its text", () => {
  expect(Object.keys(TAG_BYTES)).toEqual(Object.keys(TAG));
  for (const [name, bytes] of Object.entries(TAG_BYTES)) expect(fromUtf8(bytes)).toBe(TAG[name as keyof typeof TAG]);
});
