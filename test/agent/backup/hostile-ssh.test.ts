import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../../keys/ports.js";
import { openTarget } from "../../../src/agent/backup/target.js";
import { NAMES, read, targetOptions, uploadOf } from "../../contracts/backup-target.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";

/** Minutes pass in milliseconds. */
const hasty: Clock = {
  ...systemClock,
  monotonicMs: () => performance.now() * 4_000,
  sleep: (ms, signal) => systemClock.sleep(ms / 4_000, signal),
};

/** Another host that does this, whatever it is told; `$last` is what it was told. */
function host(does: string, { clock = systemClock, signal = new AbortController().signal } = {}) {
  const folder = temporaryFolder();
  const script = `#!/bin/bash\nprintf '%s\\n' "$@" > '${join(folder, "arguments")}'\nlast="\${@: -1}"\n${does}\n`;
  writeFileSync(join(folder, "ssh"), script, { mode: 0o755 });
  const target = openTarget("ssh://host/store", { ...targetOptions(signal), clock, ssh: [join(folder, "ssh")] });
  return { target, args: () => readFileSync(join(folder, "arguments"), "utf8").split("\n") };
}

const upload = uploadOf(Buffer.alloc(300_000, 1));
const unreachable = { code: "backup-target-unreachable" };

describe("a host behind ssh", { timeout: 60_000 }, () => {
  test("that says more than any listing has is not listened to until memory is full", async () => {
    const { target } = host(`exec yes "7 ${NAMES[0]}"`);
    await expect(target.list()).rejects.toMatchObject({ code: "backup-target" });
  });

  // What it starts keeps the pipes open, too, as a process of its own.
  test.each(["exec sleep 30", "sleep 30"])("that hangs is given up, whatever it was asked (%s)", async (hang) => {
    const { target } = host(hang, { clock: hasty });
    await expect(target.list()).rejects.toMatchObject(unreachable);
    await expect(target.put(NAMES[0], upload)).rejects.toMatchObject(unreachable);
    await expect(target.remove(NAMES[0])).rejects.toMatchObject(unreachable);
    await expect(target.get(NAMES[0]).then(read)).rejects.toMatchObject(unreachable);
  });

  test("that gives an archive byte by byte is given up", async () => {
    const { target } = host("while printf x; do sleep 0.02; done", { clock: hasty });
    await expect(target.get(NAMES[0]).then(read)).rejects.toMatchObject(unreachable);
  });

  test("that hangs is left at once when nobody waits any more", async () => {
    const controller = new AbortController();
    const { target } = host("echo ants-begin; echo begun; sleep 30", { signal: controller.signal });
    const blocks = (await target.get(NAMES[0]))[Symbol.asyncIterator]();
    await blocks.next();
    const next = blocks.next();
    controller.abort(new RangeError("stop"));
    await expect(next).rejects.toThrow("stop");
  });

  test.each(["true", "echo welcome", 'echo "you may not: $last"'])(
    "that runs something else and says that all is well has stored, listed and removed nothing (%s)",
    async (does) => {
      const { target } = host(`${does}; cat > /dev/null`);
      const refused = { code: "backup-target", message: expect.stringContaining("forced command") };
      await expect(target.put(NAMES[0], upload)).rejects.toMatchObject(refused);
      await expect(target.list()).rejects.toMatchObject(refused);
      await expect(target.remove(NAMES[0])).rejects.toMatchObject(refused);
      await expect(target.sweep()).rejects.toMatchObject(refused);
      await expect(target.get(NAMES[0]).then(read)).rejects.toMatchObject(refused);
    },
  );

  test("whose shell greets whoever comes gives the archive without the greeting, however it comes in pieces", async () => {
    const { target } = host(
      "echo Welcome back; printf 'ants-'; sleep 0.1; printf 'begin\\nage'; sleep 0.1; printf ' of it'",
    );
    expect(Buffer.from(await target.get(NAMES[0]).then(read)).toString()).toBe("age of it");
    const { target: endless } = host("exec yes welcome");
    await expect(endless.get(NAMES[0]).then(read)).rejects.toMatchObject({ code: "backup-target" });
  });

  test("lists each archive once, and nothing that is none by its name", async () => {
    const lines = [`7 ${NAMES[0]}`, `7 ${NAMES[0]}`, `7 ../${NAMES[1]}`, `7 ${NAMES[1]} x`, `-1 ${NAMES[1]}`];
    const odd = [`${"9".repeat(400)} ${NAMES[1]}`, `7 \\033[2J${NAMES[1]}`, `7 ${NAMES[1]}\\r`, "ants-done"];
    const { target } = host(`printf '${[...lines, ...odd].join("\\n")}\\n'`);
    expect(await target.list()).toMatchObject([{ name: NAMES[0], size: 7 }]);
  });

  test("is lent nothing of this one: no agent, no display, no port", async () => {
    const { target, args } = host("echo ants-done");
    await target.list();
    expect(args()).toEqual(
      expect.arrayContaining(["BatchMode=yes", "ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes"]),
    );
  });
});
