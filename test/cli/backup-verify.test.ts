import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { nodeDisk } from "../../keys/node/disk.js";
import { archiveName } from "../../src/agent/backup/archive-name.js";
import { Catalogue } from "../../src/agent/backup/catalogue.js";
import { backupVerify } from "../../src/cli/commands/backup.js";
import type { CommandContext } from "../../src/cli/context.js";
import { EXIT } from "../../src/protocol/errors.js";
import { backupHome, packed } from "../support/backup-home.js";

const fixture = fileURLToPath(new URL("../fixtures/homes/scout", import.meta.url));
const HOUR = 3_600_000;

test("a target that hides the newest archive is not verified by the one before it", async () => {
  const root = mkdtempSync(join(tmpdir(), "ants-backup-verify-"));
  const [home, target] = [join(root, "scout"), join(root, "backups")];
  cpSync(fixture, home, { recursive: true });
  mkdirSync(target);
  const archive = await packed(await backupHome());
  const catalogue = new Catalogue(nodeDisk, join(home, ".ants"));
  const sha256 = createHash("sha256").update(archive).digest("hex");
  const [before, newest] = [2 * HOUR, HOUR].map((ageMs, i) => archiveName("hot", Date.now() - ageMs, `0000000${i}`));
  for (const name of [before!, newest!]) {
    writeFileSync(join(target, name), archive);
    await catalogue.note({ note: "stored", name, target, size: archive.length, sha256, recipients: [] });
  }
  const said: string[] = [];
  const out = {
    warn: (text: string) => said.push(text),
    note: () => {},
    progress: () => ({ at: () => {}, end: () => {} }),
    result: async (value: object) => said.push(JSON.stringify(value)),
  };
  const context = { home, env: {}, signal: new AbortController().signal, out } as unknown as CommandContext;
  const verify = () => backupVerify(context, { names: [], bytes: true, target: [target] });
  expect(await verify()).toBeUndefined();
  expect(said).toHaveLength(1);
  rmSync(join(target, newest!));
  expect(await verify()).toBe(EXIT.partlyDone);
  expect(said[1]).toContain(`${newest} was stored at ${target} and is not in its list`);
  rmSync(root, { recursive: true });
});
