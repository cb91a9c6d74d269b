import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { phraseOf } from "../../../../keys/phrase.js";
import { scanFile } from "../../../../src/agent/backup/scan/scan-file.js";
import { PLANTED_SECRETS, type PlantedSecret } from "../../../support/planted-secrets.js";

const homes = fileURLToPath(new URL("../../../fixtures/homes/", import.meta.url));

type Place = (secret: PlantedSecret) => readonly [path: string, bytes: Buffer];

const around = (before: string, value: Uint8Array, after: string) =>
  Buffer.concat([Buffer.from(before), value, Buffer.from(after)]);
const asText = (before: string, text: string, after: string) => around(before, Buffer.from(text), after);

/** Where a secret gets to in a home. The last three take any bytes, as the first ones do. */
const PLACES: Readonly<Record<string, Place>> = {
  "a file of its own": ({ value }) => ["notes", value],
  "a day's memory": ({ value }) => [
    "memory/2026-11-01.md",
    around("# Notes of the day\n\nTalked with Anna; she sends it tomorrow.\n\n", value, "\n\nWent on, see src/a.ts.\n"),
  ],
  "a line of MEMORY.md": ({ value }) => ["MEMORY.md", around("- remember: ", value, " (from the call)\n")],
  "a long log": ({ value }) => [
    "work/run.log",
    around("a line that says nothing at all\n".repeat(500), value, "\nand another one of these\n".repeat(500)),
  ],
  hexadecimal: ({ value }) => ["n.md", asText("notes\n", value.toString("hex"), "\n")],
  base64: ({ value }) => ["n.md", asText("notes\n", value.toString("base64"), "\n")],
  base64url: ({ value }) => ["n.md", asText("notes\n", value.toString("base64url"), "\n")],
  "base64 in lines": ({ value }) => [
    "n.md",
    asText("notes\n", value.toString("base64").replace(/.{76}/g, "$&\n"), "\n"),
  ],
  gzip: ({ value }) => ["n.gz", gzipSync(around("notes of today\n\n", value, "\n\nmore\n"))],
  "an object of Git": ({ value }) => [
    ".git/objects/ab/cd",
    deflateSync(around("blob 99\0notes\n\n", value, "\n\nx\n")),
  ],
};
const TEXT_PLACES: Readonly<Record<string, (text: string) => readonly [path: string, text: string]>> = {
  JSON: (text) => ["tasks/1.json", JSON.stringify({ name: "deploy", note: text, n: 3 }, null, 1)],
  "an event's body": (text) => ["log.ndjson", `{"body":{"text":${JSON.stringify(`see ${text}`)}},"n":1}\n`],
  code: (text) => ["src/a.ts", `export function go() {\n  connect(${JSON.stringify(text)}, 3);\n}\n`],
  settings: (text) => [".env", `NODE_ENV=production\nVALUE=${text}\nDEBUG=1\n`],
};

describe("every planted secret is found (B10, B15)", () => {
  test.each(Object.entries(PLACES))("in %s", (_, place) => {
    const missed = PLANTED_SECRETS.filter((secret) => scanFile(...place(secret)).length === 0);
    expect(missed.map(({ name }) => name)).toEqual([]);
  });

  test.each(Object.entries(TEXT_PLACES))("in %s", (_, place) => {
    const missed = PLANTED_SECRETS.filter(({ value, isText }) => {
      const [path, text] = place(value.toString());
      return isText && scanFile(path, Buffer.from(text)).length === 0;
    });
    expect(missed.map(({ name }) => name)).toEqual([]);
  });
});

test.each(["scout", "builder", "secretary"])("the home of the %s gives one false alarm at most", (name) => {
  const alarms = filesBelow(join(homes, name)).flatMap(({ path, bytes }) => scanFile(path, bytes));
  // An empty file's MD5 in prose, called by nothing that says what it is.
  expect(alarms.map(({ path, line, rule }) => `${path}:${line} ${rule}`)).toEqual(
    name === "scout" ? ["memory/2026-11-20.md:8 random-hex"] : [],
  );
});

describe("a finding", () => {
  test("says path, line, rule and no character of the value", () => {
    for (const secret of PLANTED_SECRETS) {
      const [path, bytes] = PLACES["a day's memory"]!(secret);
      const text = secret.value.toString("latin1");
      for (const finding of scanFile(path, bytes)) {
        expect(finding.path).toBe(path);
        expect(finding.line).toBeGreaterThanOrEqual(finding.rule === "raw-bytes" ? 0 : 5);
        const said = [JSON.stringify(finding), inspect(finding, { showHidden: true }), String(finding.excerpt)].join();
        const shown = finding.excerpt.slice(0, finding.excerpt.indexOf("…"));
        // What is the same for everybody may be said: the forms' own beginnings, and names.
        expect(shown).toMatch(
          /^(?:|[A-Za-z]{2,8}[-_.\w]{0,16}|-----[A-Z ]+-----|[a-z]+:\/\/[a-z.]*(?:\/services\/|:)|\w+ : )$/,
        );
        const variable = text.slice(text.indexOf(shown.split(" ")[0]!) + shown.length).split("-----END")[0]!;
        for (let i = 0; i + 8 <= Math.min(variable.length, 400); i += 4)
          expect(said, secret.name).not.toContain(variable.slice(i, i + 8));
      }
    }
  });

  test("of a value that has a secret's name shows the name", () => {
    const [finding] = scanFile("notes.md", Buffer.from('x\nsmtp_password: "corr3ct horse"\n'));
    expect(finding).toMatchObject({ line: 2, rule: "named-secret", excerpt: "smtp_password : … (13 characters)" });
  });

  test("has a fingerprint of value and rule, under a key", () => {
    const at = (text: string) => scanFile("a", Buffer.from(text))[0]!;
    const key = new Uint8Array(32).fill(7);
    const one = at(`password=hunter2000`).fingerprint(key);
    expect(one).toMatch(/^[0-9a-f]{12}$/);
    expect(at(`x\n\nDB_PASSWORD=hunter2000`).fingerprint(key)).toBe(one);
    expect(at(`password=hunter2001`).fingerprint(key)).not.toBe(one);
    expect(at(`password=hunter2000`).fingerprint(new Uint8Array(32))).not.toBe(one);
  });
});

describe("more than the planted ones", () => {
  test("a recovery phrase, in a row, in columns, numbered", () => {
    const words = phraseOf(new Uint8Array(32).map((_, i) => i * 37)).words.split(" ");
    for (const text of [
      words.join(" "),
      words.map((word, i) => `${i + 1}. ${word}`).join("\n"),
      words.map((word, i) => `| ${i + 1} | ${word.toUpperCase()} `).join("|\n"),
    ])
      expect(scanFile("kit.txt", Buffer.from(`keep this:\n${text}\n`)).map(({ rule }) => rule)).toContain(
        "recovery-phrase",
      );
  });

  test.each([
    ["deploy/id_ed25519", "anything"],
    ["keys/site.p12", "\x30\x82"],
    ["a.netrc.md", "machine api.example login scout password sw0rdfish-9"],
    ["c.yaml", "db:\n  password: sw0rdfish-9\n"],
    ["d.md", "Пароль: sw0rdfish-9"],
    ["e.md", "https://files.example/a?X-Amz-Signature=0f3a9c1b77de0f3a9c1b77de"],
    ["f.txt", `\ufeffgithub ghp_${"aB3dE6gH9j".repeat(4)}`],
  ])("%s", (path, text) => {
    expect(scanFile(path, Buffer.from(text))).toHaveLength(1);
  });

  test("UTF-16", () => {
    const text = Buffer.from("\ufeffpassword = sw0rdfish-9\n", "utf16le");
    expect(scanFile("g.txt", text).map(({ rule }) => rule)).toEqual(["named-secret"]);
  });
});

test.each([
  ["a", "aaaaaaaaa"],
  ["names", 'token="'],
  ["statements", `{"did":"did:ants:${"a".repeat(52)}"`],
  ["keys that begin", "-----BEGIN PRIVATE KEY-----"],
  ["addresses", "https://x.example/?a=bbbbbbbb&"],
  ["words of the list", "abandon "],
  ["escapes", "\\n"],
  ["dots", "a."],
])("a file full of %s takes no longer than it is", (_, part) => {
  // Of the processor and not of the clock: other tests run beside this one.
  const measure = (bytes: number) => {
    const start = process.cpuUsage();
    scanFile("x.md", Buffer.from(part.repeat(bytes / part.length)));
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1_000;
  };
  measure(20_000);
  // Twice the bytes: a search that looks at everything again at each place takes four times as long, and here seconds.
  expect(measure(400_000)).toBeLessThan(4_000);
});

function filesBelow(folder: string): { path: string; bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: path.slice(folder.length + 1), bytes: readFileSync(path) }));
}
