import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeDisk } from "../../keys/node/disk.js";
import { readLines } from "../../relay/log/line-blocks.js";
import { nodeLogFiles } from "../../relay/log/log-files.js";
import { verifyFolder } from "../../relay/verify-folder.js";
import { parseEntry } from "../../src/protocol/entry.js";
import { canMount, NO_NAMESPACES, runWithMounts, works } from "../keys/node/run.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { Prng } from "../keys/prng.js";
import { LineProgram, programPath } from "./lines.js";

const KILLS = 15;
/** Of these, how many must have had frames under way: the others show nothing. */
const KILLS_IN_FLIGHT = 10;
const SEED = 20_263;
/** The n-th fdatasync that fails or is the last one. */
const NTH = [1, 2, 3, 5, 10, 30];
const NO_STRACE = "strace is not installed, or may not trace here";
const WRITER = "relay-storage-writer.mjs";

/** What the writer said over all its runs. */
class Heard {
  /** Acknowledged entries by position. */
  readonly ids = new Map<number, string>();
  /** Entries of the present run that were published and not acknowledged. */
  inFlight = 0;
  opened = -1;
  failure: string | undefined;
  read: number | undefined;

  hear(line: string): void {
    const [word, first, second] = line.split(" ");
    if (word === "open") {
      this.opened = Number(first);
      this.inFlight = 0;
    }
    if (word === "send") this.inFlight += Number(first);
    if (word === "failed") this.failure = first;
    if (word === "read") this.read = Number(first);
    // The last line of a killed process may be cut.
    if (word !== "ack" || second?.length !== 64) return;
    const position = Number(first);
    expect(this.ids.get(position) ?? second, `position ${position} was given twice`).toBe(second);
    this.ids.set(position, second);
    this.inFlight--;
  }

  /** Everything acknowledged is in the log where it was acknowledged, nothing is in it twice, and the folder is sound. */
  async expectKept(data: string): Promise<void> {
    const report = await verifyFolder(data, { disk: nodeDisk, files: nodeLogFiles });
    // A killed writer may leave the beginning of a line that it told nobody of.
    expect(report.problems.filter(({ code }) => code !== "log-torn")).toEqual([]);
    const ids: string[] = [];
    for await (const { lines } of readLines(nodeLogFiles, join(data, "log"))) {
      for (const line of lines) ids.push(entryId(line));
    }
    const missing = [...this.ids].filter(([position, id]) => ids[position - 1] !== id);
    expect(missing).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  }
}

/** Events, which are nearly all, are not parsed in full again: the verification did that. */
function entryId(line: Uint8Array): string {
  const { id } = JSON.parse(Buffer.from(line).toString("utf8")) as { id?: string };
  return id ?? parseEntry(line).id;
}

/** Runs the writer to its end under strace with a fault. One pool thread, since strace counts calls per thread. */
function traced(heard: Heard, data: string, fault: string, frames: number) {
  const inject = ["-f", "-qq", "-o", "/dev/null", "-e", `inject=fdatasync:${fault}`];
  const { stdout, signal, status } = spawnSync(
    "strace",
    [...inject, process.execPath, programPath(WRITER), data, String(frames)],
    { encoding: "utf8", env: { ...process.env, UV_THREADPOOL_SIZE: "1" }, maxBuffer: 2 ** 26 },
  );
  for (const line of stdout.split("\n")) heard.hear(line);
  return { killed: signal === "SIGKILL" || status === 137, status };
}

describe("the storage of a relay that is killed while it writes", () => {
  it(`keeps what it acknowledged, at its positions, in ${KILLS} kills`, { timeout: 600_000 }, async () => {
    const data = join(temporaryFolder(), "data");
    const prng = new Prng(SEED);
    const heard = new Heard();
    let inFlight = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const writer = new LineProgram(WRITER, [data]);
      heard.hear((await writer.answer()) ?? "");
      expect(heard.opened).toBeGreaterThanOrEqual(Math.max(0, ...heard.ids.keys()));
      const lines = prng.below(500);
      for (let i = 0; i < lines; i++) heard.hear((await writer.answer()) ?? "");
      writer.child.kill("SIGKILL");
      for (let line = await writer.answer(); line !== undefined; line = await writer.answer()) heard.hear(line);
      await writer.exited;
      if (heard.inFlight > 0) inFlight++;
      await heard.expectKept(data);
    }
    console.info(`${KILLS} kills, ${inFlight} with unacknowledged entries under way (seed ${SEED})`);
    expect(inFlight).toBeGreaterThanOrEqual(KILLS_IN_FLIGHT);
    expect(heard.ids.size).toBeGreaterThan(KILLS);
  });

  it("at any fdatasync keeps what it acknowledged", { timeout: 600_000 }, async (context) => {
    context.skip(!works("strace", "-f", "true"), NO_STRACE);
    const data = join(temporaryFolder(), "data");
    const heard = new Heard();
    for (const nth of NTH) {
      expect([nth, traced(heard, data, `signal=SIGKILL:when=${nth}`, 1000).killed]).toEqual([nth, true]);
      await heard.expectKept(data);
    }
    const last = traced(heard, data, "signal=SIGKILL:when=60000", 2);
    expect(last.status).toBe(0);
    await heard.expectKept(data);
  });
});

describe("the storage of a relay whose disk fails", () => {
  it("after any fdatasync that fails takes nothing more, lets readers go on, and keeps what it acknowledged", {
    timeout: 600_000,
  }, async (context) => {
    context.skip(!works("strace", "-f", "true"), NO_STRACE);
    const data = join(temporaryFolder(), "data");
    const heard = new Heard();
    let refused = 0;
    for (const nth of NTH) {
      heard.failure = undefined;
      const before = Math.max(0, ...heard.ids.keys());
      expect([nth, traced(heard, data, `error=EIO:when=${nth}`, 1000).status]).toEqual([nth, 1]);
      // The first one of a start is the log's own tail, which must be on disk before it counts.
      if (heard.failure !== undefined) {
        refused++;
        expect(heard.failure).toBe("storage-failed");
        expect(heard.read).toBeGreaterThanOrEqual(Math.max(before, ...heard.ids.keys()));
      }
      await heard.expectKept(data);
    }
    expect(refused).toBeGreaterThanOrEqual(NTH.length - 1);
    expect(traced(heard, data, "error=EIO:when=60000", 2).status).toBe(0);
    await heard.expectKept(data);
  });

  it("when it is full takes nothing more, and goes on where it was once there is room", {
    timeout: 60_000,
  }, async (context) => {
    context.skip(!canMount, NO_NAMESPACES);
    const folder = temporaryFolder();
    const script = `
      mkdir "$1/disk" && mount -t tmpfs -o size=20m none "$1/disk"
      head -c $((20 * 1048576 - 400 * 1024)) /dev/zero > "$1/disk/other"
      "$2" "$3" "$1/disk/data" 1000 > "$1/full" || true
      cp -a "$1/disk/data" "$1/after-full"
      rm "$1/disk/other"
      "$2" "$3" "$1/disk/data" 4 > "$1/roomy"
      cp -a "$1/disk/data" "$1/after-roomy"`;
    const { status, stderr } = runWithMounts(script, folder, process.execPath, programPath(WRITER));
    expect([status, stderr]).toEqual([0, ""]);
    const heard = new Heard();
    for (const line of readFileSync(join(folder, "full"), "utf8").split("\n")) heard.hear(line);
    expect(heard.failure).toMatch(/^(storage-failed|disk-full)$/);
    expect(heard.ids.size).toBeGreaterThan(50);
    expect(heard.read).toBeGreaterThanOrEqual(heard.ids.size);
    await heard.expectKept(join(folder, "after-full"));
    const { failure } = heard;
    heard.failure = undefined;
    for (const line of readFileSync(join(folder, "roomy"), "utf8").split("\n")) heard.hear(line);
    expect([failure, heard.failure]).toEqual([failure, undefined]);
    await heard.expectKept(join(folder, "after-roomy"));
  });
});
