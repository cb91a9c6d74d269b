import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ERRORS, EXIT } from "../../src/protocol/errors.js";

const tests = fileURLToPath(new URL("..", import.meta.url));
const texts = readdirSync(tests, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.(ts|txt)$/.test(name) && !name.endsWith("coverage.test.ts"))
  .map((name) => ({ name, text: readFileSync(join(tests, name), "utf8") }));
const transcripts = texts.filter(({ name }) => /^transcripts\/.*\.txt$/.test(name));

/** Codes that no test brings about, each with the reason. */
const WITHOUT_TEST: Readonly<Record<string, string>> = {
  "audit-failed": "the demonstration finds that the package itself is broken",
  "auth-required": "kept for relays that serve nothing to strangers; ours refuses nobody for this",
  "bad-range": "a guard behind the bounds that the relay's HTTP reader checks first, as bad-request",
  "chain-order": "two writers of one epoch within one process: the pen makes that impossible",
  "demo-child": "the demonstration finds that the package itself is broken",
  "demo-failed": "the demonstration finds that the package itself is broken",
  "identity-conflicted": "takes two rival rotates: the resolver's tests make them, no command does yet",
  "no-state-key": "every vault that this version writes has one",
  "not-hosted": "kept for relays with a list of agents; ours takes everybody",
  "vault-kdf-memory": "takes a machine without 256 MiB",
};

describe("among what tests show", () => {
  test("is every exit code, in a transcript", () => {
    const shown = new Set(
      transcripts.flatMap(({ text }) => [...text.matchAll(/^\? (\d+)$/gm)].map(([, code]) => Number(code))),
    );
    const missing = Object.entries(EXIT).filter(([, code]) => code !== EXIT.ok && !shown.has(code));
    expect(missing).toEqual([]);
  });

  test("is every error code: in a transcript, or by its name in another test", () => {
    const all = texts.map(({ text }) => text).join("\n");
    const isShown = (code: string) => all.includes(`"${code}"`) || all.includes(`[${code}]`);
    const missing = Object.keys(ERRORS).filter((code) => !isShown(code) && !(code in WITHOUT_TEST));
    expect(missing).toEqual([]);
  });

  test("is every code that a transcript shows also one of the table", () => {
    for (const { name, text } of transcripts) {
      for (const [, code] of text.matchAll(/^! \{"code":"([^"]*)"/gm))
        expect(Object.keys(ERRORS), name).toContain(code);
    }
  });
});
