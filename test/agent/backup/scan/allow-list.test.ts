import { describe, expect, test } from "vitest";
import { AllowList, fingerprintKey } from "../../../../src/agent/backup/scan/allow-list.js";
import { scanFile } from "../../../../src/agent/backup/scan/scan-file.js";

const key = fingerprintKey(new Uint8Array(32).fill(1));
const other = fingerprintKey(new Uint8Array(32).fill(2));
const found = (path: string, text: string) => scanFile(path, Buffer.from(text))[0]!;
const finding = found("memory/2026-11-20.md", "etag d41d8cd98f00b204e9800998ecf8427e\nx: password=hunter2000\n");

describe("the allow-list", () => {
  const list = AllowList.parse(new AllowList([]).with(finding, key).format());

  test("names one value in one place, by the key of any era", () => {
    expect(list.allows(finding, [key])).toBe(true);
    expect(list.allows(finding, [other, key])).toBe(true);
    expect(list.allows(finding, [other])).toBe(false);
    expect(list.allows(finding, [])).toBe(false);
    expect(list.allows(found("memory/2026-11-20.md", "password=hunter2001"), [key])).toBe(false);
    expect(list.allows(found("memory/2026-11-21.md", "password=hunter2000"), [key])).toBe(false);
  });

  test("takes patterns: * within a name, ** across folders", () => {
    const line = list.allowances[0]!;
    const under = (glob: string) => new AllowList([{ ...line, glob }]).allows(finding, [key]);
    expect(["memory/*.md", "**", "memory/**", "**/2026-11-20.md"].filter((glob) => !under(glob))).toEqual([]);
    expect(["*", "*.md", "memory/2026.11.20.md", "memory"].filter(under)).toEqual([]);
  });

  test("passes over comments and empty lines", () => {
    const text = `# why\n\n${list.format()}\r\n`;
    expect(AllowList.parse(text).allowances).toEqual(list.allowances);
  });

  test.each(["memory/x.md", "a : b", "a : rule : 12", "a : Rule : 0123456789ab", " : rule : 0123456789ab"])(
    "refuses the line %j as a whole, with its number",
    (line) => {
      expect(() => AllowList.parse(`# first\n${line}\n`)).toThrow(
        expect.objectContaining({ code: "backup-allow-line", details: { line: 2 } }),
      );
    },
  );
});
