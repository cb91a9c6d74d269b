import { describe, expect, it } from "vitest";
import { EntryOffsets } from "../../../relay/log/entry-offsets.js";

const stamp = { bytes: 60, modifiedMs: 1_790_000_000_000.25 };

function three(): EntryOffsets {
  const offsets = new EntryOffsets();
  for (const length of [10, 20, 30]) offsets.push(length);
  return offsets;
}

describe("the offsets of a segment's entries", () => {
  it("say where entries begin and end, and which one a byte is in", () => {
    const offsets = three();
    expect([offsets.count, offsets.bytes]).toEqual([3, 60]);
    expect([0, 1, 2].map((i) => [offsets.start(i), offsets.end(i)])).toEqual([
      [0, 10],
      [10, 30],
      [30, 60],
    ]);
    expect([...offsets.lengths(1, 2)]).toEqual([20, 30]);
    expect([0, 9, 10, 29, 30, 59, 60].map((byte) => offsets.firstEndingAfter(byte, 0, 3))).toEqual([
      0, 0, 1, 1, 2, 2, 3,
    ]);
    offsets.truncate(1);
    expect([offsets.count, offsets.bytes]).toEqual([1, 10]);
  });

  it("grow beyond what they began with", () => {
    const offsets = new EntryOffsets();
    for (let i = 0; i < 5000; i++) offsets.push(i + 1);
    expect(offsets.end(4999)).toBe((5000 * 5001) / 2);
  });

  it("count whole lines only", () => {
    const offsets = new EntryOffsets();
    expect(offsets.pushLines(Buffer.from("ab\n\nc\nrest"))).toBe(6);
    expect([...offsets.lengths(0, 3)]).toEqual([3, 1, 2]);
  });

  it("are read back from their file only for the segment that they were written for, whole and in order", () => {
    const file = three().encode(stamp);
    expect([...EntryOffsets.decode(file, stamp)!.lengths(0, 3)]).toEqual([10, 20, 30]);
    expect(EntryOffsets.decode(file, { ...stamp, bytes: 61 })).toBeUndefined();
    expect(EntryOffsets.decode(file, { ...stamp, modifiedMs: stamp.modifiedMs + 0.001 })).toBeUndefined();
    for (let size = 0; size < file.length; size++)
      expect(EntryOffsets.decode(file.subarray(0, size), stamp)).toBeUndefined();
    for (const at of [0, 7, 8, 12, 16, 35]) {
      const flipped = file.slice();
      flipped[at]! ^= 1;
      expect([at, EntryOffsets.decode(flipped, stamp)]).toEqual([at, undefined]);
    }
    const unordered = file.slice();
    unordered.copyWithin(24, 28, 32);
    expect(EntryOffsets.decode(unordered, stamp)).toBeUndefined();
  });
});
