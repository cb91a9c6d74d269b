import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockFile, lockHolder } from "../../../keys/node/lock.js";
import { systemClock } from "../../../keys/ports.js";
import { temporaryFolder } from "./temporary-folder.js";

let path: string;
const searchPath = process.env.PATH;

beforeEach(() => {
  path = join(temporaryFolder(), "lock");
});

afterEach(() => {
  process.env.PATH = searchPath;
});

/** Puts a program called flock first on the search path. */
function shadowFlock(script: string): void {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "flock"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, "flock"), 0o755);
  process.env.PATH = `${folder}:${searchPath}`;
}

describe("a lock", () => {
  it("is held by one, who is named to the next", async () => {
    const lock = await lockFile(path, { label: "ants up" });
    const refused = lockFile(path);
    await expect(refused).rejects.toMatchObject({
      code: "locked",
      details: { path, pid: process.pid, label: "ants up", since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) },
    });
    await expect(refused).rejects.toThrow(`ants up, process ${process.pid}, since`);
    await lock.release();
    await lock.release();
    await (await lockFile(path)).release();
  });

  it("tells who holds it to whoever only looks, and nothing is made or written for that", async () => {
    expect(await lockHolder(path)).toBeUndefined();
    expect(existsSync(path)).toBe(false);
    const lock = await lockFile(path, { label: "ants up" });
    const text = readFileSync(path, "utf8");
    expect(await lockHolder(path)).toMatchObject({ code: "locked", details: { path, pid: process.pid } });
    expect(readFileSync(path, "utf8")).toBe(text);
    await lock.release();
    expect(await Promise.all([lockHolder(path), lockHolder(path)])).toEqual([undefined, undefined]);
    expect(readFileSync(path, "utf8")).toBe("");
  });

  it("waits for whoever only looks", async () => {
    await (await lockFile(path)).release();
    // What a look holds for a moment.
    const look = openSync(path, "r");
    spawnSync("flock", ["-n", "-s", "3"], { stdio: ["ignore", "ignore", "ignore", look] });
    const clock = { ...systemClock, monotonicMs: () => 0, sleep: async () => closeSync(look) };
    await (await lockFile(path, { clock })).release();
  });

  it("is the kernel's, as /proc tells", async () => {
    const lock = await lockFile(path);
    const { ino } = statSync(path);
    expect(readFileSync("/proc/locks", "utf8")).toMatch(new RegExp(`FLOCK +ADVISORY +WRITE .*:${ino} `));
    await lock.release();
    expect(readFileSync("/proc/locks", "utf8")).not.toMatch(new RegExp(`FLOCK.*:${ino} `));
  });

  it("is waited for as long as wanted", async () => {
    const lock = await lockFile(path);
    const sleeps: number[] = [];
    const clock = {
      ...systemClock,
      async sleep(durationMs: number) {
        sleeps.push(durationMs);
        if (sleeps.length === 3) await lock.release();
      },
    };
    await (await lockFile(path, { waitMs: 60_000, clock })).release();
    expect(sleeps).toHaveLength(3);
  });

  it("gives up waiting when told so, or when the time is over", async () => {
    const lock = await lockFile(path);
    const reason = new Error("enough");
    await expect(lockFile(path, { waitMs: 60_000, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    let nowMs = 0;
    const clock = {
      ...systemClock,
      monotonicMs: () => nowMs,
      async sleep(durationMs: number) {
        nowMs += durationMs;
      },
    };
    await expect(lockFile(path, { waitMs: 100, clock })).rejects.toMatchObject({ code: "locked" });
    expect(nowMs).toBeGreaterThanOrEqual(100);
    await lock.release();
  });

  it("leaves its file, mode 0600, and takes over one with any text", async () => {
    await (await lockFile(path)).release();
    expect(existsSync(path)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    writeFileSync(path, '{"pid":1,"since":"long ago","label":"a process that was killed"}\n'.repeat(100));
    const lock = await lockFile(path, { label: "short" });
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pid: process.pid, label: "short" });
    await lock.release();
  });

  it.each(["", "{", "null", '{"pid":"x","since":5}', "\u0000".repeat(5000)])(
    "is refused without a name when its file says nothing that makes sense: %j",
    async (text) => {
      const lock = await lockFile(path);
      writeFileSync(path, text);
      const error = await lockFile(path).catch((refused: unknown) => refused);
      expect(error).toMatchObject({ code: "locked", details: { path } });
      expect(String(error)).toContain("another process");
      await lock.release();
    },
  );

  it("is on the file that has the name, also when the name is given away in between", async () => {
    const once = `${path}.once`;
    shadowFlock(`if [ ! -e "${once}" ]; then : > "${once}"; rm "${path}"; : > "${path}"; fi; exec /usr/bin/flock "$@"`);
    const lock = await lockFile(path);
    expect(existsSync(once)).toBe(true);
    await expect(lockFile(path)).rejects.toMatchObject({ code: "locked" });
    await lock.release();
  });

  it("is refused when its file keeps being replaced", async () => {
    shadowFlock(`rm -f "${path}"; : > "${path}"; exec /usr/bin/flock "$@"`);
    await expect(lockFile(path)).rejects.toMatchObject({ code: "lock-unavailable" });
  });

  it("is refused, not imitated, where flock does not work", async () => {
    shadowFlock("echo 'flock: 3: No locks available' >&2; exit 1");
    await expect(lockFile(path)).rejects.toMatchObject({
      code: "lock-unavailable",
      message: expect.stringContaining("No locks available"),
    });
    shadowFlock("kill -9 $$");
    await expect(lockFile(path)).rejects.toMatchObject({ code: "lock-unavailable" });
  });

  it("is found where the search path does not lead", async () => {
    process.env.PATH = temporaryFolder();
    await (await lockFile(path)).release();
  });

  it("is not taken through a symbolic link, nor in a folder that is not there", async () => {
    symlinkSync(`${path}-target`, path);
    await expect(lockFile(path)).rejects.toMatchObject({ code: "disk-failed" });
    rmSync(path);
    await expect(lockFile(join(path, "no/lock"))).rejects.toMatchObject({ code: "disk-failed" });
  });
});
