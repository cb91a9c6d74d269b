import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DrillReport } from "../../src/cli/drill/report.js";
import { expectPassed, held } from "../support/drill-run.js";
import { SshServer } from "../support/ssh-server.js";
import { Sandbox } from "../transcripts/sandbox.js";

const TIMEOUT_MS = 240_000;
const MAIN = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

/** Both hosts are behind one real sshd on loopback, each in a folder of its own. */
describe("ants drill on given hosts, over ssh", () => {
  const folder = mkdtempSync(join(tmpdir(), "ants-drill-sshd-"));
  const there = join(folder, "there");
  let server: SshServer;
  let sandbox: Sandbox;
  let flags: string;
  beforeAll(async () => {
    mkdirSync(there);
    server = await SshServer.start(folder);
    sandbox = new Sandbox("drill-hosts");
    const [, , config] = server.command;
    const host = `${server.user}@127.0.0.1:${server.port}`;
    flags = `--host-a ${host} --host-b ${host} --listen 127.0.0.1 --ssh-config ${config} --no-backup --json`;
  });
  afterAll(async () => {
    await sandbox.close();
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    "plays what needs no network of its own, says what it did not, and leaves nothing there",
    async () => {
      const ants = `--remote-ants 'env TMPDIR=${there} ${process.execPath} ${MAIN}'`;
      const only = ["crash", "handover", "phrase", "partition"].map((name) => `--only ${name}`).join(" ");
      const { stdout, stderr } = await sandbox.sh(`ants drill ${flags} ${ants} ${only}`, { timeoutMs: TIMEOUT_MS });
      expect(stdout, stderr).not.toBe("");
      const report = JSON.parse(stdout) as DrillReport;
      for (const name of ["crash", "handover", "phrase"]) {
        expectPassed(report, name);
        expect(held(report, name)).toContain("the receiver has every number exactly once, in order");
        expect(held(report, name)).toContain("no key lies on any disk in clear");
      }
      expect(report).toMatchObject({ isolation: "hosts", passed: true, notPlayed: [{ name: "partition" }] });
      expect(readdirSync(there)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    "says why it cannot work on a host, before anything is made there",
    async () => {
      const refused = await sandbox.sh(`ants drill ${flags} --remote-ants no-such-command`);
      expect([refused.exit, refused.stdout]).toEqual([1, ""]);
      const said = JSON.parse(refused.stderr.trim().split("\n").at(-1)!) as { code: string; message: string };
      expect(said.code).toBe("drill-network");
      expect(said.message).toContain("no-such-command");
      const { exit } = await sandbox.sh(`ants drill ${flags} --host-a "-oProxyCommand=x"`);
      expect(exit).toBe(2);
    },
    TIMEOUT_MS,
  );
});
