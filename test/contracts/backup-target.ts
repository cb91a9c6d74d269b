import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { systemClock, systemRandom } from "../../keys/ports.js";
import type { BackupTarget, TargetOptions, Upload } from "../../src/agent/backup/target.js";

export const NAMES = [
  "ants-hot-20261121T100000Z-00000001.tar.age",
  "ants-cold-20261121T110000Z-00000002.tar.age",
  "ants-hot-20261121T120000Z-00000003.tar.age",
] as const;

/** Bytes as an upload, in blocks of at most 64 KiB. */
export function uploadOf(bytes: Uint8Array): Upload {
  return {
    size: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    async *bytes() {
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    },
  };
}

export async function read(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

export function targetOptions(signal = new AbortController().signal): TargetOptions {
  return { clock: systemClock, random: systemRandom, signal };
}

export interface TargetUnderTest {
  /** The same empty place each time it is called within a test, a new one in every test. */
  readonly open: (options: TargetOptions) => BackupTarget;
  /** Puts something there that is no archive. */
  readonly litter: (name: string) => Promise<void>;
}

/** What every kind of target promises. `place` makes an empty one. */
export function backupTargetContract(place: () => Promise<TargetUnderTest>): void {
  test("keeps archives: lists them by time, gives them back byte for byte, removes them", async () => {
    const { open } = await place();
    const target = open(targetOptions());
    // A folder is made when the first one comes, and is called missing until then; other places are empty.
    await target.list().then(
      (empty) => expect(empty).toEqual([]),
      (error: unknown) => expect(error).toMatchObject({ code: "backup-target-missing" }),
    );
    const contents = new Map(NAMES.map((name, i) => [name, randomBytes([3_000_000, 1, 70_000][i]!)]));
    for (const name of [NAMES[2], NAMES[0], NAMES[1]]) await target.put(name, uploadOf(contents.get(name)!));
    const listed = await target.list();
    expect(listed.map(({ name, size }) => [name, size])).toEqual(
      NAMES.map((name) => [name, contents.get(name)!.length]),
    );
    expect(listed[1]).toMatchObject({ tier: "cold", timeMs: Date.parse("2026-11-21T11:00:00Z") });
    for (const name of NAMES) expect((await read(await target.get(name))).equals(contents.get(name)!)).toBe(true);
    await target.remove(NAMES[0]);
    await target.remove(NAMES[0]);
    expect((await target.list()).map(({ name }) => name)).toEqual(NAMES.slice(1));
  });

  test("never overwrites", async () => {
    const { open } = await place();
    const target = open(targetOptions());
    await target.put(NAMES[0], uploadOf(Buffer.from("first")));
    await expect(target.put(NAMES[0], uploadOf(Buffer.from("second")))).rejects.toMatchObject({
      code: "backup-exists",
    });
    expect((await read(await target.get(NAMES[0]))).toString()).toBe("first");
  });

  test("says that an archive is not there", async () => {
    const { open } = await place();
    const target = open(targetOptions());
    await target.put(NAMES[1], uploadOf(Buffer.from("x")));
    await expect(target.get(NAMES[0]).then(read)).rejects.toMatchObject({ code: "backup-missing" });
  });

  test("passes over what is no archive", async () => {
    const { open, litter } = await place();
    const target = open(targetOptions());
    await target.put(NAMES[0], uploadOf(Buffer.from("x")));
    for (const name of ["notes.txt", "ants-hot-20261121T100000Z-00000001.tar", `${NAMES[1]}.old`]) await litter(name);
    expect((await target.list()).map(({ name }) => name)).toEqual([NAMES[0]]);
  });

  test("shows nothing of an upload whose source fails, ends early, or is interrupted", async () => {
    const { open } = await place();
    const bytes = randomBytes(400_000);
    const whole = uploadOf(bytes);
    const failing: Upload = {
      ...whole,
      async *bytes() {
        yield bytes.subarray(0, 200_000);
        throw new RangeError("the source broke");
      },
    };
    const short: Upload = {
      ...whole,
      async *bytes() {
        yield bytes.subarray(0, 200_000);
      },
    };
    const controller = new AbortController();
    const interrupted: Upload = {
      ...whole,
      async *bytes() {
        yield bytes.subarray(0, 200_000);
        controller.abort(new RangeError("stop"));
        yield bytes.subarray(200_000);
      },
    };
    const target = open(targetOptions());
    await expect(target.put(NAMES[0], failing)).rejects.toThrow();
    await expect(target.put(NAMES[0], short)).rejects.toThrow();
    await expect(open(targetOptions(controller.signal)).put(NAMES[0], interrupted)).rejects.toThrow("stop");
    expect(await target.list()).toEqual([]);
    // And none of them stands in the way of the next.
    await target.put(NAMES[0], whole);
    expect((await read(await target.get(NAMES[0]))).equals(bytes)).toBe(true);
  });
}
