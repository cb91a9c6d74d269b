import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTarget } from "../../src/agent/backup/target.js";
import { backupTargetContract, NAMES, targetOptions, uploadOf } from "../contracts/backup-target.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { SshServer } from "../support/ssh-server.js";

let server: SshServer;
const folderOfServer = mkdtempSync(join(tmpdir(), "ants-sshd-"));

beforeAll(async () => {
  server = await SshServer.start(folderOfServer);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folderOfServer, { recursive: true });
});

const addressOf = (folder: string) => `ssh://${server.user}@127.0.0.1:${server.port}${encodeURI(folder)}`;

describe("a folder behind a real sshd as a target", { timeout: 60_000 }, () => {
  backupTargetContract(async () => {
    const folder = join(temporaryFolder(), "it's $(touch here) odd; --");
    return {
      open: (options) => openTarget(addressOf(folder), { ...options, ssh: server.command }),
      litter: async (name) => writeFileSync(join(folder, name), "x"),
    };
  });

  test("leaves nothing of an upload that was refused, and makes no folder above its own", async () => {
    const folder = temporaryFolder();
    const target = openTarget(addressOf(join(folder, "a", "b")), { ...targetOptions(), ssh: server.command });
    await expect(target.put(NAMES[0], uploadOf(Buffer.from("x")))).rejects.toMatchObject({ code: "backup-target" });
    expect(readdirSync(folder)).toEqual([]);
    await expect(target.list()).rejects.toMatchObject({ code: "backup-target-missing" });
  });

  test("says that its key is not taken, that nobody answers, and that the folder is a file", async () => {
    const folder = temporaryFolder();
    const stranger = openTarget(addressOf(folder), { ...targetOptions(), ssh: server.stranger });
    await expect(stranger.list()).rejects.toMatchObject({ code: "backup-target-denied" });
    const nobody = openTarget(`ssh://127.0.0.1:1${folder}`, { ...targetOptions(), ssh: server.command });
    await expect(nobody.list()).rejects.toMatchObject({ code: "backup-target-unreachable" });
    const unknown = openTarget(addressOf(folder), { ...targetOptions(), ssh: ["no-such-ssh"] });
    await expect(unknown.list()).rejects.toMatchObject({ code: "backup-target" });
    writeFileSync(join(folder, "file"), "x");
    const file = openTarget(addressOf(join(folder, "file")), { ...targetOptions(), ssh: server.command });
    await expect(file.list()).rejects.toMatchObject({ code: "backup-target" });
  });

  test("a file-size limit on the other host reads as no room, and what was there stays", async () => {
    const folder = join(temporaryFolder(), "full");
    mkdirSync(folder);
    const limited = join(temporaryFolder(), "limited-ssh");
    // The limit is put around the remote shell's own commands, as a quota of that user would be.
    const words = server.command.map((word) => `'${word}'`).join(" ");
    writeFileSync(
      limited,
      `#!/bin/bash\nargs=("$@"); last=$((\${#args[@]}-1)); args[$last]="trap '' XFSZ; ulimit -f 64; \${args[$last]}"\nexec ${words} "\${args[@]}"\n`,
      { mode: 0o755 },
    );
    const target = openTarget(addressOf(folder), { ...targetOptions(), ssh: [limited] });
    await target.put(NAMES[0], uploadOf(Buffer.alloc(10_000, 1)));
    await expect(target.put(NAMES[1], uploadOf(Buffer.alloc(400_000, 1)))).rejects.toMatchObject({
      code: "backup-target-full",
    });
    expect(readdirSync(folder)).toEqual([NAMES[0]]);
  });
});
