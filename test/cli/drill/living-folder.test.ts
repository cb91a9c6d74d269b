import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { copyLiving } from "../../../src/cli/drill/living-folder.js";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "ants-living-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

it("copies a folder while files in it come and go", async () => {
  const from = join(root, "from");
  await mkdir(join(from, "deep/er"), { recursive: true });
  await writeFile(join(from, "deep/er/stays"), "as it is", { mode: 0o600 });
  let stopped = false;
  const owner = (async () => {
    for (let round = 0; !stopped; round += 1) {
      const temporary = join(from, `deep/.${round}.tmp`);
      await writeFile(temporary, String(round));
      await rename(temporary, join(from, "deep/replaced"));
    }
  })();
  try {
    for (let round = 0; round < 300; round += 1) {
      const to = join(root, `to-${round}`);
      await copyLiving(from, to);
      expect(await readFile(join(to, "deep/er/stays"), "utf8")).toBe("as it is");
    }
  } finally {
    stopped = true;
    await owner;
  }
});

it("has nothing to copy where there is no folder", async () => {
  await copyLiving(join(root, "nowhere"), join(root, "empty"));
  expect(await readdir(join(root, "empty"))).toEqual([]);
});
