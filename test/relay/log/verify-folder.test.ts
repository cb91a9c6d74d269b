import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../keys/bytes.js";
import { type FolderReport, verifyFolder } from "../../../relay/verify-folder.js";
import { createPromise } from "../../../src/protocol/promise.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { did, instance, seed, timeMs } from "../../protocol/author.js";
import { chain, disk, files, openLedger, publish, signHead, verifier } from "./folder-bench.js";

const frames = chain(300);
const lines = frames.flat();

const inData = (folder: string, ...names: string[]) => join(folder, "data", ...names);
const segmentPaths = (folder: string) =>
  readdirSync(inData(folder, "log"))
    .sort()
    .map((name) => inData(folder, "log", name));
const verify = (folder: string): Promise<FolderReport> => verifyFolder(inData(folder), { disk, files });

async function served(entries = frames): Promise<string> {
  const folder = temporaryFolder();
  const ledger = await openLedger(folder);
  await publish(ledger, entries);
  await signHead(ledger);
  await ledger.close();
  return folder;
}

/** Positions and codes, in order. */
function found({ problems }: FolderReport): [position: number, code: string][] {
  return problems.map(({ position, code }) => [position, code]);
}

/** Changes the line at a position. */
function edit(folder: string, position: number, change: (line: string) => string): void {
  let left = position - 1;
  for (const path of segmentPaths(folder)) {
    const entries = readFileSync(path, "latin1").split("\n");
    if (left < entries.length - 1) {
      entries[left] = change(entries[left]!);
      writeFileSync(path, entries.join("\n"), "latin1");
      return;
    }
    left -= entries.length - 1;
  }
}

/** One bit of one character is another; which one varies. Never makes a line of two. */
function withFlip(line: string, at: number): string {
  const code = line.charCodeAt(at);
  const flipped = code ^ (1 << (at % 8));
  return `${line.slice(0, at)}${String.fromCharCode(flipped === 0x0a ? code ^ 1 : flipped)}${line.slice(at + 1)}`;
}

describe("verifying a relay's folder (N2)", () => {
  it("finds nothing wrong with one that was closed, and reads all of it", async () => {
    const folder = await served();
    const reached: number[] = [];
    const report = await verifyFolder(inData(folder), {
      disk,
      files,
      onProgress: (position) => reached.push(position),
    });
    expect(report).toMatchObject({
      entries: lines.length,
      firstPosition: 1,
      signed: lines.length,
      running: false,
      index: { checked: lines.length },
      problems: [],
    });
    expect(reached.at(-1)).toBe(lines.length);
  });

  it("changes nothing, not even a torn end", async () => {
    const folder = await served();
    truncateSync(segmentPaths(folder).at(-1)!, 100);
    const sums = () =>
      spawnSync("sh", ["-c", `cd ${inData(folder)} && find . -type f ! -name 'lock*' | sort | xargs sha256sum`]);
    const before = sums().stdout.toString();
    await verify(folder);
    expect(before.length).toBeGreaterThan(300);
    expect(sums().stdout.toString()).toBe(before);
  });

  it("names every line in which one bit is flipped, at whatever byte", { timeout: 600_000 }, async () => {
    const folder = temporaryFolder();
    const ledger = await openLedger(folder, { segmentBytes: 1_000_000 });
    const { stream } = ledger.folder;
    await publish(ledger, chain(2));
    const promise = createPromise({ did, epoch: 2, stream, instance, timeMs, seed });
    expect(await ledger.promise(verifier.verify(utf8(`${promise}\n`)))).toMatchObject({ promised: { epoch: 2 } });
    await ledger.close();
    rmSync(inData(folder, "index"), { recursive: true });
    const [path] = segmentPaths(folder);
    const whole = readFileSync(path!, "latin1").split("\n").slice(0, -1);
    expect(whole.map((line) => JSON.parse(line).type)).toEqual(["identity", "event", "event", "event", "promise"]);
    const longest = Math.max(...whole.map((line) => line.length));
    // One flip in each line at once: each is told of by itself.
    for (let at = 0; at < longest; at++) {
      const flipped = whole.map((line) => (at < line.length ? withFlip(line, at) : line));
      writeFileSync(path!, `${flipped.join("\n")}\n`, "latin1");
      const expected = whole.flatMap((line, i) => (at < line.length ? [i + 1] : []));
      expect([at, (await verify(folder)).problems.map(({ position }) => position)]).toEqual([at, expected]);
    }
  });

  it("sees lines that are valid but not those that the relay signed", async () => {
    const folder = await served();
    const others = chain(300, "other").flat();
    edit(folder, 90, () => others[89]!);
    expect(found(await verify(folder))).toEqual([
      [90, "index-mismatch"],
      [90, "tree-damaged"],
      [lines.length, "log-rewritten"],
    ]);
    edit(folder, 90, () => lines[91]!);
    edit(folder, 92, () => lines[89]!);
    expect((await verify(folder)).problems.map(({ code }) => code)).toContain("log-rewritten");
  });

  it("sees what is missing: a line, a segment, the end, a line's end", async () => {
    const line = await served();
    const [first] = segmentPaths(line);
    writeFileSync(first!, readFileSync(first!, "utf8").split("\n").slice(1).join("\n"));
    expect((await verify(line)).problems.map(({ code }) => code)).toContain("log-damaged");

    const segment = await served();
    rmSync(segmentPaths(segment)[2]!);
    expect(found(await verify(segment))[0]).toEqual([expect.any(Number), "log-damaged"]);

    const end = await served();
    rmSync(segmentPaths(end).at(-1)!);
    expect(found(await verify(end))).toEqual([[lines.length, "log-behind-head"]]);

    const torn = await served();
    const last = segmentPaths(torn).at(-1)!;
    writeFileSync(last, `${readFileSync(last, "utf8")}{"torn`);
    expect(found(await verify(torn))).toEqual([[lines.length + 1, "log-torn"]]);
  });

  it("compares every tile with the log, and passes over those that are not there", async () => {
    const folder = await served();
    const tile = inData(folder, "tree", "tile", "0", "000");
    const bytes = readFileSync(tile);
    bytes[32 * 99 + 5]! ^= 8;
    writeFileSync(tile, bytes);
    expect(found(await verify(folder))).toEqual([[100, "tree-damaged"]]);
    rmSync(inData(folder, "tree"), { recursive: true });
    expect((await verify(folder)).problems).toEqual([]);
  });

  it("sees a head that the relay did not sign", async () => {
    const folder = await served();
    const head = inData(folder, "head");
    writeFileSync(head, readFileSync(head, "utf8").replace(`\n${lines.length}\n`, `\n${lines.length - 1}\n`));
    const report = await verify(folder);
    expect(found(report)).toEqual([[0, "head-damaged"]]);
    expect(report.entries).toBe(lines.length);
  });

  it("says when the index is not there or will be rebuilt, which is no problem", async () => {
    const folder = await served();
    rmSync(inData(folder, "index"), { recursive: true });
    expect(await verify(folder)).toMatchObject({ index: { rebuild: "missing" }, problems: [] });
  });

  it("checks a log whose oldest segments were removed against the tree that is kept", async () => {
    const folder = await served(chain(700));
    const paths = segmentPaths(folder);
    for (const path of paths.slice(0, 3)) rmSync(path);
    const report = await verify(folder);
    expect(report.problems).toEqual([]);
    expect(report.firstPosition).toBeGreaterThan(50);
    expect(report.entries).toBe(702 - report.firstPosition + 1);
    const kept = readFileSync(paths[3]!, "utf8").split("\n");
    kept.splice(2, 2, kept[3]!, kept[2]!);
    writeFileSync(paths[3]!, kept.join("\n"));
    expect((await verify(folder)).problems).toContainEqual(
      expect.objectContaining({ position: report.firstPosition + 2, code: "tree-damaged" }),
    );
  });

  it("looks at what a running relay has signed, and lets it run", async () => {
    const folder = temporaryFolder();
    const ledger = await openLedger(folder);
    await publish(ledger, frames.slice(0, 4));
    await signHead(ledger);
    const signed = ledger.position;
    await publish(ledger, frames.slice(4, 5));
    const report = await verify(folder);
    expect(report).toMatchObject({ running: true, entries: signed, signed, problems: [] });
    await publish(ledger, frames.slice(5));
    await ledger.close();
  });

  it("says so when the folder is none of a relay's, and stops when it is told to", async () => {
    await expect(verify(temporaryFolder())).rejects.toMatchObject({ code: "relay-file-missing" });
    const folder = await served();
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(verifyFolder(inData(folder), { disk, files, signal })).rejects.toThrow("enough");
  });
});
