import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { base64url, hex } from "../../keys/bytes.js";
import { openVault, sealVault } from "../../keys/node/vault.js";
import type { VaultContent } from "../../keys/node/vault-content.js";
import { readVaultFile, writeVaultFile } from "../../keys/node/vault-file.js";
import { systemRandom } from "../../keys/ports.js";
import { program, run, works } from "../keys/node/run.js";
import { sampleContent, secretOf } from "../keys/node/sample-content.js";
import { leftovers, temporaryFolder } from "../keys/node/temporary-folder.js";
import { Prng } from "../keys/prng.js";
import { LineProgram, programPath } from "./lines.js";

const KILLS = 40;
/** Of these, how many must have hit a write: the others show nothing. */
const KILLS_IN_FLIGHT = 10;
const SEED = 20_262;
const NO_STRACE = "strace is not installed, or may not trace here";

let folder: string;
let path: string;
let keyPath: string;
let content: VaultContent;
const keyFile = systemRandom.bytes(32);

beforeEach(async () => {
  folder = temporaryFolder();
  path = join(folder, "vault.json");
  keyPath = join(temporaryFolder(), "key");
  writeFileSync(keyPath, keyFile, { mode: 0o600 });
  // Large enough that a write takes a while.
  const bulk = Array.from({ length: 60 }, (_, i) => [`bulk${i}`, secretOf(systemRandom.bytes(16_000))] as const);
  content = {
    ...sampleContent(),
    highWater: { epoch: 1, seq: 0, id: "ab".repeat(32) },
    secrets: Object.fromEntries(bulk),
  };
  await writeVaultFile(path, sealVault(content, { slots: [{ type: "key-file", keyFile }] }), { allowEphemeral: true });
});

async function seqOnDisk(): Promise<number> {
  const vault = openVault(await readVaultFile(path), { keyFile });
  expect(vault.content.signSeed).toEqual(content.signSeed);
  return vault.content.highWater!.seq;
}

/** Names of the files that contain the raw seed in any of its usual spellings. */
function filesWithSeed(): string[] {
  const seed = Buffer.from(content.signSeed);
  // Base64 shows a text at three alignments; the middle of each spelling does not depend on what surrounds it.
  const aligned = [0, 1, 2].map((skip) => seed.toString("base64", skip, skip + 30).replace(/=+$/, ""));
  const spellings = [seed, hex(seed), hex(seed).toUpperCase(), ...aligned, base64url(seed)];
  return readdirSync(folder).filter((name) => {
    const bytes = readFileSync(join(folder, name));
    return spellings.some((spelling) => bytes.includes(spelling));
  });
}

describe("a process that is killed while it writes a vault", () => {
  it(`loses nothing that it had finished, in ${KILLS} kills`, { timeout: 600_000 }, async () => {
    const prng = new Prng(SEED);
    let inFlight = 0;
    let acknowledged = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const writer = new LineProgram("vault-writer.mjs", [path, keyPath, "1000000"]);
      expect(await writer.answer()).toBe("ready");
      const rounds = 1 + prng.below(3);
      for (let round = 0; round < rounds; round++) acknowledged = Number(await writer.answer());
      // Every other time at the moment when a temporary file appears or shortly after, else at any.
      const delayMs = prng.below(kill % 2 === 0 ? 4 : 100);
      const killSoon = () => setTimeout(() => writer.child.kill("SIGKILL"), delayMs);
      const watcher = watch(folder, (_, name) => {
        if (kill % 2 === 0 && name?.endsWith(".tmp")) killSoon();
      });
      if (kill % 2 === 1) killSoon();
      for (let line = await writer.answer(); line !== undefined; line = await writer.answer()) {
        acknowledged = Number(line);
      }
      await writer.exited;
      watcher.close();
      if (leftovers(folder).length > 0) inFlight++;
      const found = await seqOnDisk();
      // What it was about to say may have reached the disk.
      expect([acknowledged, acknowledged + 1], `kill ${kill}`).toContain(found);
      acknowledged = found;
      expect(leftovers(folder).length, "earlier leftovers are swept").toBeLessThanOrEqual(1);
      expect(filesWithSeed()).toEqual([]);
    }
    console.info(`vault kills (seed ${SEED}): ${inFlight} of ${KILLS} hit a write, ${acknowledged} writes`);
    expect(inFlight).toBeGreaterThanOrEqual(KILLS_IN_FLIGHT);
    await writeVaultFile(path, await readVaultFile(path), { overwrite: true });
    expect(leftovers(folder)).toEqual([]);
  });

  it.for([
    ["SIGKILL at the fsync", "fsync:signal=KILL", 4],
    ["SIGKILL at the rename", "rename:signal=KILL", 2],
    ["SIGKILL after the write", "fchmod:signal=KILL", 2],
  ] as const)(
    "leaves the old vault or the new one: %s, each time",
    { timeout: 600_000 },
    async ([, fault, last], context) => {
      context.skip(!works("strace", "true"), NO_STRACE);
      for (let when = 1; when <= last; when++) {
        const before = await seqOnDisk();
        const { lines, signal } = traced(`${fault}:when=${when}`, "2");
        const acknowledged = lines.filter((line) => /^\d+$/.test(line)).map(Number);
        expect(signal, `${fault} ${when} did not happen`).toBe("SIGKILL");
        const found = await seqOnDisk();
        const known = acknowledged.at(-1) ?? before;
        expect([known, known + 1], `${fault} ${when}`).toContain(found);
        expect(filesWithSeed()).toEqual([]);
      }
    },
  );
});

describe("a failing disk", () => {
  it.for([
    ["fsync", "EIO", "disk-failed"],
    ["rename", "EIO", "disk-failed"],
    ["rename", "ENOSPC", "disk-full"],
    ["fchmod", "EPERM", "disk-denied"],
    ["fsync", "EDQUOT", "disk-full"],
  ] as const)("%s that answers %s leaves the old vault and no temporary file", async ([call, errno, code], context) => {
    context.skip(!works("strace", "true"), NO_STRACE);
    const { lines } = traced(`${call}:error=${errno}:when=1`, "1");
    expect(lines).toEqual(["ready", code]);
    expect(await seqOnDisk()).toBe(0);
    expect(leftovers(folder)).toEqual([]);
    const { lines: next } = traced("fsync:error=EIO:when=60000", "1");
    expect(next).toEqual(["ready", "1"]);
  });

  it("without hard links still creates a vault whole, and only where nothing is", (context) => {
    context.skip(!works("strace", "true"), NO_STRACE);
    const create = (file: string) => {
      const inject = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=link,linkat:error=EPERM"];
      const { stdout } = run("strace", [...inject, process.execPath, program("write-vault.mjs"), file, "10", "create"]);
      return JSON.parse(stdout) as object;
    };
    const fresh = join(folder, "fresh.json");
    expect(create(fresh)).toEqual({ ok: true });
    expect(readFileSync(fresh, "utf8")).toBe("a".repeat(10));
    expect(statSync(fresh).mode & 0o777).toBe(0o600);
    writeFileSync(fresh, "kept");
    expect(create(fresh)).toMatchObject({ code: "vault-exists" });
    expect(readFileSync(fresh, "utf8")).toBe("kept");
    expect(leftovers(folder)).toEqual([]);
  });

  it("is asked to keep file and folder, in this order, before the writer goes on", async (context) => {
    context.skip(!works("strace", "true"), NO_STRACE);
    const log = join(folder, "trace");
    traced("fsync:error=EIO:when=60000", "1", ["-y", "-e", "trace=fsync,rename,write", "-o", log]);
    const calls = readFileSync(log, "utf8")
      .split("\n")
      .map((line) => /(fsync|rename|write)\([^"<]*[<"]([^>"]*)[>"]/.exec(line))
      .filter((call) => call !== null)
      .map(([, name, target]) => `${name} ${target!.endsWith(".tmp") ? "temporary" : target}`);
    const order = ["write temporary", "fsync temporary", "rename temporary", `fsync ${realFolder()}`];
    let at = -1;
    for (const call of order) {
      const next = calls.indexOf(call, at + 1);
      expect(next, `${call} after ${calls[at]} in\n${calls.join("\n")}`).toBeGreaterThan(at);
      at = next;
    }
  });
});

describe("a process that ends itself while it writes", () => {
  it("takes its temporary file with it, and leaves the old file", () => {
    const before = readFileSync(path);
    expect(run(process.execPath, [programPath("exit-while-writing.mjs"), path]).status).toBe(130);
    expect(readdirSync(folder)).toEqual(["vault.json"]);
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});

describe("two processes", () => {
  it("that write one vault at once lose none of each other's changes", async () => {
    const writers = [1, 2].map(() => new LineProgram("vault-writer.mjs", [path, keyPath, "15"]));
    for (const writer of writers) await writer.exited;
    expect(await seqOnDisk()).toBe(30);
    expect(leftovers(folder)).toEqual([]);
  });
});

describe("a core dump", () => {
  it("of a process with an open vault holds no key, once it asked for that", (context) => {
    const pattern = readFileSync("/proc/sys/kernel/core_pattern", "utf8").trim();
    context.skip(!/^[^|/%]+$/.test(pattern), `cores go to ${pattern} here, not into the working directory`);
    const dump = (...hidden: string[]) => {
      const args = [process.execPath, programPath("abort-with-vault.mjs"), path, keyPath, ...hidden];
      spawnSync("sh", ["-c", 'ulimit -c unlimited && exec "$@"', "sh", ...args], { cwd: folder, stdio: "ignore" });
      return readdirSync(folder).filter((name) => name.startsWith(pattern));
    };
    const [plain] = dump();
    context.skip(plain === undefined, "this system writes no cores");
    expect(filesWithSeed()).toEqual([plain]);
    spawnSync("rm", [join(folder, plain!)]);
    const [hidden] = dump("hidden");
    expect(hidden === undefined || statSync(join(folder, hidden)).size > 0).toBe(true);
    expect(filesWithSeed()).toEqual([]);
  });
});

/** Runs the writer under strace with a fault. One pool thread, since strace counts calls per thread. */
function traced(fault: string, rounds: string, more: readonly string[] = []) {
  const inject = ["-f", "-qq", "-e", `inject=${fault}`, ...(more.length > 0 ? more : ["-o", "/dev/null"])];
  const writer = [process.execPath, programPath("vault-writer.mjs"), path, keyPath, rounds];
  const { stdout, signal } = spawnSync("strace", [...inject, ...writer], {
    encoding: "utf8",
    env: { ...process.env, UV_THREADPOOL_SIZE: "1" },
  });
  return { lines: stdout.trim().split("\n"), signal };
}

function realFolder(): string {
  return spawnSync("realpath", [folder], { encoding: "utf8" }).stdout.trim();
}
