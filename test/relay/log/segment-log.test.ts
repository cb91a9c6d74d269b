import { appendFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { entriesOf } from "../../../relay/log/log-slice.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { Prng } from "../../keys/prng.js";
import { events, openLog, packed, readAll, segmentFiles, systemError, watchedFiles, write } from "./log-bench.js";

const signed = events(300);
const lines = signed.map(({ line }) => line);

describe("writing", () => {
  it("gives positions from 1 without holes, and the files hold exactly the lines", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder);
    expect(log.lastPosition).toBe(0);
    const first = packed(signed.slice(0, 10));
    const second = packed(signed.slice(10, 12));
    expect(log.append(first.lines, first.lengths)).toBe(1);
    expect(log.append(second.lines, second.lengths)).toBe(11);
    expect(await log.commit()).toBe(12);
    const [file] = segmentFiles(folder);
    expect(file!.name).toBe("0000000000000001.ndjson");
    expect(file!.bytes.toString("utf8")).toBe(
      lines
        .slice(0, 12)
        .map((line) => `${line}\n`)
        .join(""),
    );
    expect(statSync(file!.path).mode & 0o777).toBe(0o600);
    await log.close();
  });

  it("writes once and syncs once, however much was staged", async () => {
    const { files, calls } = watchedFiles();
    const log = await openLog(temporaryFolder(), { files });
    for (const event of signed) {
      const { lines: one, lengths } = packed([event]);
      log.append(one, lengths);
    }
    await log.commit();
    expect(calls).toEqual(["create", "syncFolder", "write", "datasync"]);
    await write(log, signed.slice(0, 1));
    expect(calls.slice(4)).toEqual(["write", "datasync"]);
    await log.close();
  });

  it("keeps a segment open that got more entries while its last commit was written, and the next one began", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder, { segmentBytes: 4 * lines[0]!.length });
    const stage = (from: number, to: number) => {
      const part = packed(signed.slice(from, to));
      log.append(part.lines, part.lengths);
    };
    stage(0, 1);
    const running = log.commit();
    await Promise.resolve();
    for (let i = 1; i < 12; i++) stage(i, i + 1);
    expect(await running).toBe(1);
    expect(await log.commit()).toBe(12);
    expect((await readAll(log)).length).toBe(12);
    await log.close();
    expect(segmentFiles(folder).length).toBeGreaterThan(2);
    const again = await openLog(folder);
    expect(again.lastPosition).toBe(12);
    await again.close();
  });

  it("shares one commit among all that wait while another is under way", async () => {
    const { files, calls } = watchedFiles();
    const log = await openLog(temporaryFolder(), { files });
    const one = packed(signed.slice(0, 1));
    log.append(one.lines, one.lengths);
    const running = log.commit();
    const waiting: Promise<number>[] = [];
    await Promise.resolve();
    for (let i = 0; i < 5; i++) {
      log.append(one.lines, one.lengths);
      waiting.push(log.commit());
    }
    expect(await running).toBe(1);
    expect(await Promise.all(waiting)).toEqual([6, 6, 6, 6, 6]);
    expect(calls.filter((call) => call === "datasync")).toHaveLength(2);
    await log.close();
  });

  it("shows nothing that is staged or not yet synced", async () => {
    let release = () => {};
    const synced = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { files } = watchedFiles();
    const open = files.open;
    files.open = async (path, how) => {
      const file = await open(path, how);
      return { ...file, datasync: () => synced.then(() => file.datasync()) };
    };
    const log = await openLog(temporaryFolder(), { files });
    const { lines: bytes, lengths } = packed(signed.slice(0, 3));
    log.append(bytes, lengths);
    const commit = log.commit();
    expect(log.stagedPosition).toBe(3);
    expect((await log.read(1, { maxBytes: 1e6, maxEntries: 10 })).count).toBe(0);
    release();
    await commit;
    expect((await log.read(1, { maxBytes: 1e6, maxEntries: 10 })).count).toBe(3);
    await log.close();
  });

  it("begins a new segment when one is full, syncing the folder before it counts", async () => {
    const folder = temporaryFolder();
    const { files, calls } = watchedFiles();
    const log = await openLog(folder, { files, segmentBytes: 8_000 });
    for (let i = 0; i < 300; i += 5) await write(log, signed.slice(i, i + 5));
    const segments = segmentFiles(folder);
    expect(segments.length).toBeGreaterThan(10);
    expect(segments.every(({ bytes }) => bytes.length <= 8_000)).toBe(true);
    expect(calls.filter((call) => call === "syncFolder")).toHaveLength(segments.length);
    expect(await readAll(log)).toEqual(lines);
    await log.close();
    const again = await openLog(folder, { segmentBytes: 8_000 });
    expect(again.lastPosition).toBe(300);
    expect(await readAll(again, 1, 7, 3_000)).toEqual(lines);
    await again.close();
  });

  it("puts a group that crosses into a new segment into both, durably in order", async () => {
    const folder = temporaryFolder();
    const { files, calls } = watchedFiles();
    const log = await openLog(folder, { files, segmentBytes: 4_000 });
    for (let i = 0; i < 20; i++) {
      const { lines: one, lengths } = packed([signed[i]!]);
      log.append(one, lengths);
    }
    await log.commit();
    expect(segmentFiles(folder).length).toBeGreaterThan(1);
    expect(calls.slice(0, 8)).toEqual([...Array(2)].flatMap(() => ["create", "syncFolder", "write", "datasync"]));
    expect(await readAll(log)).toEqual(lines.slice(0, 20));
    await log.close();
  });
});

describe("reading", () => {
  it("keeps to the bounds but gives at least one entry", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder);
    await write(log, signed);
    await log.close();
    for (const reader of [log, await openLog(folder)]) {
      const few = await reader.read(5, { maxBytes: 1e6, maxEntries: 3 });
      expect([few.first, few.count]).toEqual([5, 3]);
      expect([...entriesOf(few)].map(({ line }) => Buffer.from(line).toString())).toEqual(lines.slice(4, 7));
      expect(few.bytes.length).toBe(few.lengths.reduce((sum, length) => sum + length, 0));
      const small = await reader.read(5, { maxBytes: 1, maxEntries: 100 });
      expect(small.count).toBe(1);
      const exact = lines[4]!.length + lines[5]!.length + 2;
      expect((await reader.read(5, { maxBytes: exact, maxEntries: 100 })).count).toBe(2);
      expect((await reader.read(5, { maxBytes: exact - 1, maxEntries: 100 })).count).toBe(1);
      expect((await reader.read(301, { maxBytes: 1e6, maxEntries: 1 })).count).toBe(0);
    }
  });

  it("serves every start position alike from memory, from disk, and blocking", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder, { segmentBytes: 30_000 });
    for (let i = 0; i < 300; i += 20) await write(log, signed.slice(i, i + 20));
    await log.close();
    const cold = await openLog(folder, { segmentBytes: 30_000 });
    const blocking = await openLog(folder, { segmentBytes: 30_000 });
    for (let from = 1; from <= 300; from += 13) {
      expect(await readAll(cold, from, 50)).toEqual(lines.slice(from - 1));
      const slice = blocking.readBlocking(from, { maxBytes: 1e6, maxEntries: 1 });
      expect(Buffer.from(slice.bytes).toString()).toBe(`${lines[from - 1]}\n`);
    }
    await cold.close();
    await blocking.close();
  });

  it("follows the end of the log across what memory has forgotten", async () => {
    const log = await openLog(temporaryFolder(), { tailBytes: 1 });
    const big = events(40, (i) => ({ body: { text: "x".repeat(40_000), i } }));
    for (let i = 0; i < 40; i += 4) await write(log, big.slice(i, i + 4));
    expect(await readAll(log, 1, 3)).toEqual(big.map(({ line }) => line));
    await write(log, signed.slice(0, 30));
    expect(await readAll(log, 38)).toEqual([...big.slice(37), ...signed.slice(0, 30)].map(({ line }) => line));
    await log.close();
  });

  it("says which positions are the oldest when older segments were removed", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder, { segmentBytes: 8_000 });
    for (let i = 0; i < 100; i += 5) await write(log, signed.slice(i, i + 5));
    await log.close();
    const [oldest, next] = segmentFiles(folder);
    rmSync(oldest!.path);
    const left = await openLog(folder, { segmentBytes: 8_000 });
    expect(left.firstPosition).toBe(Number.parseInt(next!.name, 10));
    await expect(left.read(1, { maxBytes: 1, maxEntries: 1 })).rejects.toMatchObject({
      code: "cursor-pruned",
      details: { oldest: left.firstPosition },
    });
    expect(await readAll(left, left.firstPosition)).toEqual(lines.slice(left.firstPosition - 1, 100));
    await left.close();
  });
});

describe("any order of staging, committing, reading and restarting", () => {
  for (const seed of [1, 2, 3, 4]) {
    it(`keeps what was committed and shows nothing else (seed ${seed})`, async () => {
      const prng = new Prng(seed);
      const folder = temporaryFolder();
      const options = { segmentBytes: 2_000 + prng.below(6_000), tailBytes: 1 };
      let log = await openLog(folder, options);
      let staged = 0;
      let acknowledged = 0;
      let running: Promise<unknown>[] = [];
      const commit = () => {
        const position = staged;
        const done = log.commit().then((last) => {
          expect(last).toBeGreaterThanOrEqual(position);
          acknowledged = Math.max(acknowledged, position);
        });
        running.push(done);
      };
      while (acknowledged < signed.length) {
        const choice = prng.below(10);
        if (choice < 5 && staged < signed.length) {
          const part = packed(signed.slice(staged, staged + 1 + prng.below(8)));
          expect(log.append(part.lines, part.lengths)).toBe(staged + 1);
          staged += part.lengths.length;
        } else if (choice < 7) {
          commit();
        } else if (choice < 9) {
          expect(log.lastPosition).toBeGreaterThanOrEqual(acknowledged);
          const from = 1 + prng.below(log.lastPosition + 1);
          const before = log.lastPosition;
          const read = await readAll(log, from, 1 + prng.below(20));
          expect(read.length).toBeGreaterThanOrEqual(before - from + 1);
          expect(read).toEqual(lines.slice(from - 1, from - 1 + read.length));
        } else if (prng.below(3) === 0) {
          commit();
          await Promise.all(running);
          running = [];
          await log.close();
          log = await openLog(folder, options);
          expect([log.lastPosition, log.changed, log.cut]).toEqual([staged, [], undefined]);
        }
      }
      await Promise.all(running);
      expect(await readAll(log)).toEqual(lines);
      await log.close();
    });
  }
});

describe("opening after a crash", () => {
  it("cuts a torn last line at every byte of it, and goes on", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder);
    await write(log, signed.slice(0, 3));
    const path = segmentFiles(folder)[0]!.path;
    const whole = segmentFiles(folder)[0]!.bytes;
    await log.close();
    const kept = whole.length - lines[2]!.length - 1;
    for (let size = kept; size < whole.length; size++) {
      writeFileSync(path, whole.subarray(0, size));
      rmSync(join(folder, "offsets"), { recursive: true });
      const again = await openLog(folder);
      expect([size, again.lastPosition]).toEqual([size, 2]);
      expect(again.cut).toEqual(size === kept ? undefined : { position: 2, bytes: size - kept });
      expect(statSync(path).size).toBe(kept);
      if (size % 100 === 0) {
        await write(again, signed.slice(2, 4));
        expect(await readAll(again)).toEqual(lines.slice(0, 4));
      }
      await again.close();
    }
  });

  it("cuts a last line that is whole but no entry, and zeros that the file system left", async () => {
    for (const garbage of ["{}\n", "\0".repeat(4096), `${lines[3]!.slice(0, 50)}\0\0\0\n`, "\n"]) {
      const folder = temporaryFolder();
      const log = await openLog(folder);
      await write(log, signed.slice(0, 3));
      await log.close();
      rmSync(join(folder, "offsets"), { recursive: true });
      appendFileSync(segmentFiles(folder)[0]!.path, garbage);
      const again = await openLog(folder);
      expect(again.lastPosition).toBe(3);
      expect(again.cut?.bytes).toBe(garbage.length);
      await again.close();
    }
  });

  it("stops at damage with entries after it, naming the position", async () => {
    for (const index of [0, 1, 2]) {
      const folder = temporaryFolder();
      const log = await openLog(folder);
      await write(log, signed.slice(0, 4));
      await log.close();
      rmSync(join(folder, "offsets"), { recursive: true });
      const { path, bytes } = segmentFiles(folder)[0]!;
      const start = lines.slice(0, index).reduce((sum, line) => sum + line.length + 1, 0);
      bytes[start + 20]! ^= 1;
      writeFileSync(path, bytes);
      await expect(openLog(folder)).rejects.toMatchObject({
        code: "log-damaged",
        details: { position: index + 1, offset: start },
      });
    }
  });

  it("looks at no line that a signed head vouches for", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder);
    await write(log, signed.slice(0, 4));
    await log.close();
    rmSync(join(folder, "offsets"), { recursive: true });
    const { path, bytes } = segmentFiles(folder)[0]!;
    bytes[20]! ^= 1;
    writeFileSync(path, bytes);
    const again = await openLog(folder, { provenPosition: 1 });
    expect(again.lastPosition).toBe(4);
    await again.close();
  });

  it("refuses a log that ends before its signed head, and leaves it as it is", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder);
    await write(log, signed.slice(0, 4));
    await log.close();
    const { path, bytes } = segmentFiles(folder)[0]!;
    truncateSync(path, bytes.length - 10);
    await expect(openLog(folder, { provenPosition: 4 })).rejects.toMatchObject({
      code: "log-behind-head",
      details: { lastPosition: 3, headSize: 4 },
    });
    expect(statSync(path).size).toBe(bytes.length - 10);
    rmSync(path);
    await expect(openLog(folder, { provenPosition: 4 })).rejects.toMatchObject({ code: "log-behind-head" });
  });

  it("writes the unproven tail again and syncs it before it counts as on disk", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder);
    await write(log, signed.slice(0, 4));
    await log.close();
    rmSync(join(folder, "offsets"), { recursive: true });
    const { files, calls } = watchedFiles();
    const again = await openLog(folder, { files, provenPosition: 2 });
    expect(calls).toEqual(["write", "datasync"]);
    expect(await readAll(again)).toEqual(lines.slice(0, 4));
    await again.close();
    const failing = watchedFiles((call) => (call === "datasync" ? systemError("EIO") : undefined));
    rmSync(join(folder, "offsets"), { recursive: true });
    await expect(openLog(folder, { files: failing.files })).rejects.toMatchObject({ code: "storage-failed" });
  });

  it("takes up an empty last segment, which a crash between its creation and its first write leaves", async () => {
    const folder = temporaryFolder();
    const log = await openLog(folder, { segmentBytes: 4_000 });
    await write(log, signed.slice(0, 5));
    await log.close();
    writeFileSync(join(folder, "log", "0000000000000006.ndjson"), "");
    const again = await openLog(folder, { segmentBytes: 4_000 });
    expect(again.lastPosition).toBe(5);
    await write(again, signed.slice(5, 8));
    expect(await readAll(again)).toEqual(lines.slice(0, 8));
    await again.close();
  });
});

describe("opening a log that others wrote to", () => {
  async function manySegments(): Promise<string> {
    const folder = temporaryFolder();
    const log = await openLog(folder, { segmentBytes: 8_000 });
    for (let i = 0; i < 60; i += 5) await write(log, signed.slice(i, i + 5));
    await log.close();
    return folder;
  }

  it("stops when a segment is missing in the middle", async () => {
    const folder = await manySegments();
    const second = segmentFiles(folder)[1]!;
    rmSync(second.path);
    await expect(openLog(folder)).rejects.toMatchObject({
      code: "log-damaged",
      details: { position: Number.parseInt(second.name, 10) },
    });
  });

  it("stops when a line is missing from an older segment", async () => {
    const folder = await manySegments();
    const { path, bytes, name } = segmentFiles(folder)[0]!;
    writeFileSync(path, bytes.subarray(bytes.indexOf(0x0a) + 1));
    const count = bytes.toString().split("\n").length - 1;
    await expect(openLog(folder)).rejects.toMatchObject({ code: "log-damaged", details: { position: count } });
    expect(Number.parseInt(name, 10)).toBe(1);
  });

  it("stops when an older segment ends within a line", async () => {
    const folder = await manySegments();
    const { path, bytes } = segmentFiles(folder)[1]!;
    for (const changed of [bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.from("more")])]) {
      writeFileSync(path, changed);
      await expect(openLog(folder)).rejects.toMatchObject({ code: "log-damaged" });
    }
  });

  it("names the positions of files that changed, so that they are compared with the tree", async () => {
    const folder = await manySegments();
    const untouched = await openLog(folder);
    expect(untouched.changed).toEqual([]);
    await untouched.close();
    const { path, bytes } = segmentFiles(folder)[0]!;
    const count = bytes.toString().split("\n").length - 1;
    utimesSync(path, new Date(), new Date(Date.now() - 10_000));
    const log = await openLog(folder);
    expect(log.changed).toEqual([{ first: 1, last: count }]);
    await log.close();
  });

  it("has nothing to compare after it wrote and was killed", async () => {
    const folder = await manySegments();
    const log = await openLog(folder, { segmentBytes: 8_000 });
    await write(log, signed.slice(60, 62));
    const again = await openLog(folder, { segmentBytes: 8_000, provenPosition: 61 });
    expect([again.lastPosition, again.changed]).toEqual([62, []]);
    await again.close();
    await log.close();
  });

  it("finds the entries anew when its offsets are gone or wrong", async () => {
    const folder = await manySegments();
    rmSync(join(folder, "offsets"), { recursive: true });
    const log = await openLog(folder);
    expect(await readAll(log)).toEqual(lines.slice(0, 60));
    await log.close();
    writeFileSync(join(folder, "offsets", "0000000000000001.offsets"), "nonsense");
    const again = await openLog(folder);
    expect(await readAll(again)).toEqual(lines.slice(0, 60));
    await again.close();
  });
});

describe("a disk that fails", () => {
  for (const [call, code] of [
    ["write", "ENOSPC"],
    ["write", "EDQUOT"],
    ["datasync", "EIO"],
    ["create", "ENOSPC"],
    ["syncFolder", "EIO"],
  ] as const) {
    it(`ends writing for good after ${code} at ${call}, and readers go on`, async () => {
      const folder = temporaryFolder();
      let broken = false;
      const { files, calls } = watchedFiles((made) => (broken && made === call ? systemError(code) : undefined));
      const log = await openLog(folder, { files, segmentBytes: 4_000 });
      await write(log, signed.slice(0, 5));
      broken = true;
      const staged = packed(signed.slice(5, 20));
      for (let i = 5; i < 20; i++) {
        const { lines: one, lengths } = packed([signed[i]!]);
        log.append(one, lengths);
      }
      await expect(log.commit()).rejects.toMatchObject({ code: "storage-failed", details: { errno: code } });
      broken = false;
      const before = calls.length;
      expect(() => log.append(staged.lines, staged.lengths)).toThrow(
        expect.objectContaining({ code: "storage-failed" }),
      );
      await expect(log.commit()).rejects.toMatchObject({ code: "storage-failed" });
      expect(calls.slice(before)).toEqual([]);
      expect(log.failure?.code).toBe("storage-failed");
      expect([log.lastPosition, log.stagedPosition]).toEqual([5, 5]);
      expect(await readAll(log)).toEqual(lines.slice(0, 5));
      await log.close();
      const again = await openLog(folder, { segmentBytes: 4_000 });
      expect(await readAll(again)).toEqual(lines.slice(0, 5));
      await write(again, signed.slice(5, 20));
      expect(await readAll(again)).toEqual(lines.slice(0, 20));
      await again.close();
    });
  }

  it("refuses everything that was waiting behind the failed commit", async () => {
    const { files } = watchedFiles((call) => (call === "datasync" ? systemError("EIO") : undefined));
    const log = await openLog(temporaryFolder(), { files });
    const { lines: one, lengths } = packed([signed[0]!]);
    log.append(one, lengths);
    const first = log.commit();
    const results = [first];
    await Promise.resolve();
    log.append(one, lengths);
    results.push(log.commit());
    for (const result of await Promise.allSettled(results)) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "storage-failed" } });
    }
    expect(log.lastPosition).toBe(0);
    await log.close();
  });
});
