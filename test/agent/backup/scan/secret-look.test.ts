import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { AllowList } from "../../../../src/agent/backup/scan/allow-list.js";
import { SecretLook } from "../../../../src/agent/backup/scan/secret-look.js";
import { PLANTED_SECRETS } from "../../../support/planted-secrets.js";

const BLOCK = 256 * 1024;
const OVERLAP = 16 * 1024;
const key = PLANTED_SECRETS.find(({ name }) => name === "github.classic")!.value;
const nothing = () => new SecretLook(new AllowList([]), []);

/** Hands a file over as an archive's reading does: in blocks, each with the end of what came before. */
function hand(look: SecretLook, path: string, bytes: Buffer): void {
  let tail = Buffer.alloc(0);
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const looked = Buffer.concat([tail, bytes.subarray(at, at + BLOCK)]);
    look.look(path, looked);
    tail = looked.subarray(-OVERLAP);
  }
}

/** Dense bytes, the same at each run. */
function noise(length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
    createHash("sha256").update(`noise ${i}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

test("a large file is one file: lines count from its beginning, and what lies across a border is found once", () => {
  const line = "a line that says nothing at all\n";
  const before = line.repeat(Math.floor((BLOCK - 20) / line.length));
  const look = nothing();
  hand(look, "log.txt", Buffer.concat([Buffer.from(before), key, Buffer.from(`\n${line.repeat(40_000)}`), key]));
  const lines = before.split("\n").length;
  expect(look.take().map(({ line, rule }) => `${line} ${rule}`)).toEqual([
    `${lines} github-token`,
    `${lines + 40_001} github-token`,
  ]);
});

test("a large picture is dense from end to end, and no secret; the same bytes without its beginning are one", () => {
  const picture = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), noise(3 * BLOCK)]);
  const look = nothing();
  hand(look, "picture.png", picture);
  expect(look.take()).toEqual([]);
  hand(look, "picture.png", picture.subarray(8));
  expect(look.take().map(({ rule }) => rule)).toContain("raw-bytes");
});

test("a file that the vault's passphrase is taken from is a finding, whatever it holds, each time, unless it is allowed", () => {
  const clean = new Set<string>();
  const words = Buffer.from("summer garden\n");
  const look = () => new SecretLook(new AllowList([]), [], clean, new Set(["private/pass"]));
  const plain = nothing();
  hand(plain, "private/pass", words);
  expect(plain.take()).toEqual([]);
  for (const again of [look(), look()]) {
    hand(again, "elsewhere/pass", words);
    hand(again, "private/pass", words);
    expect(again.take()).toMatchObject([{ path: "private/pass", line: 0, rule: "passphrase-file" }]);
    hand(again, "private/pass", words);
    expect(again.refuse).toThrow(expect.objectContaining({ hint: expect.stringContaining("out of the home") }));
  }
  const vaultKey = new Uint8Array(32).fill(7);
  const first = look();
  hand(first, "private/pass", words);
  const allowed = new AllowList([]).with(first.take()[0]!, vaultKey);
  const last = new SecretLook(allowed, [vaultKey], clean, new Set(["private/pass"]));
  hand(last, "private/pass", words);
  expect(last.take()).toEqual([]);
});

test("all that was found is refused at once, and only once", () => {
  const look = nothing();
  for (const path of ["a.md", "b.md", "c.md"]) hand(look, path, Buffer.concat([Buffer.from("x\n"), key]));
  expect(look.refuse).toThrow(
    expect.objectContaining({
      code: "backup-secret-found",
      message: "this looks like a secret: a.md:2  github-token  ghp_… (36 characters), and 2 more; nothing was stored",
      details: { count: 3, findings: expect.arrayContaining([expect.objectContaining({ path: "c.md", line: 2 })]) },
    }),
  );
  expect(look.refuse).not.toThrow();
});

test("what was clean is remembered by its content, and what was not is found again", () => {
  const clean = new Set<string>();
  const first = new SecretLook(new AllowList([]), [], clean);
  hand(first, "a.md", Buffer.from("nothing\n"));
  hand(first, "b.md", key);
  expect(clean.size).toBe(1);
  const second = new SecretLook(new AllowList([]), [], clean);
  hand(second, "a.md", Buffer.concat([Buffer.from("nothing\n"), key]));
  hand(second, "b.md", key);
  expect(second.take().map(({ path }) => path)).toEqual(["a.md", "b.md"]);
});
