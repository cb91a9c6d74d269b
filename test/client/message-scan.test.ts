import { describe, expect, test } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import type { ChainStore } from "../../src/client/chain-store.js";
import { MessageScan } from "../../src/client/message-scan.js";
import { SimClock } from "../simulation/sim-clock.js";

const random = { bytes: (length: number) => new Uint8Array(length).fill(128) };

/** A scan of a chain of `length` events, of which a read does what `read` says. */
function scanOf(length: number, read: (from: number) => Uint8Array[]) {
  const clock = new SimClock();
  const reads: number[] = [];
  const state = { committedSeq: length - 1, advanced: 0 };
  const chain = {
    read: async (from: number) => {
      reads.push(from);
      // One that never pauses would leave a test no turn to end.
      if (reads.length > 1_000) return new Promise<Uint8Array[]>(() => {});
      return read(from);
    },
    tree: { chainAt: (seq: number) => ({ epoch: 1, seq, id: `id ${seq}` }) },
  } as unknown as Pick<ChainStore, "read" | "tree">;
  const scan = new MessageScan(
    {
      chain,
      ports: { clock, random },
      committedSeq: () => state.committedSeq,
      found: () => undefined,
      advanced: () => {
        state.advanced += 1;
      },
    },
    undefined,
  );
  return { clock, reads, state, scan };
}

const page = (count: number) => Array.from({ length: count }, () => utf8('{"body":{}}'));

describe("the scan of the own chain for messages", () => {
  test.each([
    [
      "cannot be read",
      () => {
        throw new AntsError("chain-damaged", "no");
      },
    ],
    ["gives nothing", () => []],
  ])("a disk that %s is asked again after pauses that grow, and no more often", async (_name, read) => {
    const { clock, reads, scan } = scanOf(10, read);
    const stop = new AbortController();
    const running = scan.run(stop.signal);
    await clock.run(clock.sleep(600_000), 700_000);
    stop.abort();
    await running;
    expect(reads.length).toBeGreaterThan(10);
    expect(reads.length).toBeLessThan(40);
  });

  test("goes on where it was once the disk can be read, and waits for more without reading", async () => {
    let isDamaged = true;
    const { clock, reads, state, scan } = scanOf(10, (from) => {
      if (from === 4 && isDamaged) throw new Error("EIO");
      return page(Math.min(4, state.committedSeq - from + 1));
    });
    const stop = new AbortController();
    const running = scan.run(stop.signal);
    await clock.run(clock.sleep(5_000));
    expect(scan.upTo?.seq).toBe(3);
    isDamaged = false;
    await clock.run(clock.sleep(60_000));
    expect(scan.upTo).toEqual({ epoch: 1, seq: 9, id: "id 9" });
    const before = reads.length;
    scan.wake();
    await clock.run(clock.sleep(60_000));
    expect(reads.length).toBe(before);
    state.committedSeq = 12;
    scan.wake();
    await clock.run(clock.sleep(1));
    expect(scan.upTo?.seq).toBe(12);
    expect(state.advanced).toBe(4);
    stop.abort();
    await running;
  });
});
