import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DrillReport } from "../../src/cli/drill/report.js";
import { OwnerPlace } from "../support/owner-place.js";

/** The drill's look at the agent that lives here: its newest real backup, read back as on the day when it is needed (B12). */
test("ants drill restores the newest real backup, never wakes it, and leaves nothing of it", async () => {
  await using place = await OwnerPlace.found("newest");
  const { work } = place.sandbox;
  const store = join(work, "store");
  mkdirSync(store);
  writeFileSync(join(work, "ants/.ants/backup.toml"), `[[target]]\nurl = "${store}"\n`);
  await place.done("ants publish before --json && ants backup create --json");
  await place.done("ants publish after --json");
  const before = await place.chain();
  const drill = "ants drill --only clone --isolation processes --report report --json";
  const { checks, passed } = await place.done<DrillReport>(drill);
  expect(passed).toBe(true);
  expect(checks[0]).toMatchObject({ ok: true });
  expect(checks[0]!.found).toMatch(/^ants-hot-.*: 2 events behind the relays; it never woke$/);
  expect(await place.chain()).toEqual(before);
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith("ants-drill-backup-"))).toEqual([]);
  expect(readFileSync(join(work, "report/report.html"), "utf8")).toContain(checks[0]!.what);

  const [archive] = readdirSync(store).map((name) => join(store, name));
  const bytes = readFileSync(archive!);
  bytes[bytes.length - 100]! ^= 1;
  writeFileSync(archive!, bytes);
  const { exit, stdout } = await place.sh(drill);
  expect(exit).toBe(1);
  const report = JSON.parse(stdout) as DrillReport;
  expect(report.passed).toBe(false);
  expect(report.checks[0]).toMatchObject({ ok: false, found: expect.stringContaining("backup-damaged") });
});
