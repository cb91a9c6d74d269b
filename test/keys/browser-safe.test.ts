import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("the keys door bundles for browsers: nothing of Node, no native code, nothing from a higher floor", async () => {
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ["keys/index.ts"],
    alias: { "#platform": `${root}keys/platform/web.ts` },
    bundle: true,
    platform: "browser",
    format: "esm",
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  const inputs = Object.keys(metafile.inputs);
  const own = inputs.filter((path) => !path.startsWith("node_modules/"));
  expect(own.filter((path) => !path.startsWith("keys/"))).toEqual([]);
  expect(own.filter((path) => /keys\/node\/|platform\/node|node-crypto|sodium/.test(path))).toEqual([]);
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports.map(({ path }) => path));
  expect(imports.filter((path) => path.startsWith("node:"))).toEqual([]);
  expect(outputFiles[0]!.text).not.toMatch(/\bBuffer\b|\bprocess\./);
});
