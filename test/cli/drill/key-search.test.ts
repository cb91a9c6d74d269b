import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { keysIn, searchDisks } from "../../../src/cli/drill/key-search.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { Prng } from "../../keys/prng.js";

const random = new Prng(7);
const keys = { "sign seed": random.bytes(32), "state key": random.bytes(32) };
const key = Buffer.from(keys["sign seed"]);
const noise = Buffer.from(random.bytes(500));

describe("the drill's search for keys in clear", () => {
  it.each<[string, Buffer]>([
    ["as they are", key],
    ["in hexadecimal", Buffer.from(key.toString("hex"))],
    ["in upper-case hexadecimal", Buffer.from(key.toString("hex").toUpperCase())],
    ["in base64", Buffer.from(key.toString("base64"))],
    ["in base64url", Buffer.from(key.toString("base64url"))],
    ["within base64, one byte off", Buffer.from(Buffer.concat([Buffer.from("x"), key, noise]).toString("base64"))],
    ["within base64, two bytes off", Buffer.from(Buffer.concat([Buffer.from("xy"), key, noise]).toString("base64url"))],
    ["in gzip", gzipSync(Buffer.concat([noise, key]))],
  ])("finds them %s", (_, planted) => {
    expect(keysIn(Buffer.concat([noise, planted, noise]), keys)).toEqual(["sign seed"]);
  });

  it("finds nothing in what holds no key", () => {
    expect(keysIn(Buffer.concat([noise, key.subarray(0, 31), noise]), keys)).toEqual([]);
  });

  it("looks into every file below a folder, and says where", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "a/b"), { recursive: true });
    writeFileSync(join(folder, "a/b/log"), noise);
    writeFileSync(join(folder, "a/b/dump"), Buffer.concat([noise, key]));
    const { files, bytes, found } = await searchDisks([folder, join(folder, "missing")], keys);
    expect([files, bytes]).toEqual([2, 1032]);
    expect(found).toEqual([{ key: "sign seed", where: join(folder, "a/b/dump") }]);
  });
});
