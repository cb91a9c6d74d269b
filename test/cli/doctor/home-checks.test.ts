import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nodeDisk } from "../../../keys/node/disk.js";
import { AgentHome } from "../../../src/agent/home.js";
import type { CommandContext } from "../../../src/cli/context.js";
import { checkHome } from "../../../src/cli/doctor/home-checks.js";

const fixture = fileURLToPath(new URL("../../fixtures/homes/scout", import.meta.url));

let root: string;
let home: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "ants-home-checks-"));
  home = join(root, "scout");
  cpSync(fixture, home, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

async function queueFindings() {
  const context = { env: { ANTS_ALLOW_EPHEMERAL: "1" } } as unknown as CommandContext;
  const findings = await checkHome(context, await AgentHome.open(nodeDisk, home));
  return findings.filter(({ check }) => check === "queue");
}

test("queued events that a start set aside are told, each by its path, with what to do", async () => {
  expect(await queueFindings()).toEqual([]);
  const drafts = join(home, ".ants/outbox/drafts");
  mkdirSync(drafts, { recursive: true });
  writeFileSync(join(drafts, "0000000001.json"), "waits");
  expect(await queueFindings()).toEqual([]);
  writeFileSync(join(drafts, "0000000002.json.damaged"), "{");
  const found = `a queued event could not be read, and will not be published: ${join(drafts, "0000000002.json.damaged")}`;
  expect(await queueFindings()).toMatchObject([{ level: "advice", found, fix: expect.stringContaining("remove it") }]);
  writeFileSync(join(drafts, "0000000003.json.damaged"), "{");
  expect(await queueFindings()).toMatchObject([
    {
      found: expect.stringMatching(/^2 queued events .*0000000002.*, .*0000000003/),
      fix: expect.stringContaining("them"),
    },
  ]);
});
