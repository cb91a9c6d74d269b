import { expect, test } from "vitest";
import { systemClock } from "../../../keys/ports.js";
import type { DataFolder } from "../../../relay/data-folder.js";
import { Reading } from "../../../relay/reading.js";
import { LogReader } from "../../../relay/server/log-reader.js";

test("a head covers the position that was asked for, also where a signing of less was under way", async () => {
  let position = 5;
  const signings: (() => void)[] = [];
  const folder = {
    stream: "0123456789abcdef",
    index: {
      get appliedPosition() {
        return position;
      },
    },
    tree: { rootAt: () => new Uint8Array(32) },
    signHead: (size: number) =>
      new Promise<string>((resolve) => signings.push(() => resolve(`relay.example\n${size}\nroot\n`))),
  } as unknown as DataFolder;
  // All of it happens while the first note still counts as new.
  const reading = new Reading(folder, { ...systemClock, monotonicMs: () => 0 });
  const reader = new LogReader(folder, reading);
  const sizeOf = async (head: Promise<{ readonly checkpoint: string }>) => (await head).checkpoint.split("\n")[1];
  const first = sizeOf(reader.treeHead());
  signings.shift()!();
  expect(await first).toBe("5");
  position = 7;
  const second = sizeOf(reader.treeHead(7));
  await expect.poll(() => signings.length).toBe(1);
  position = 9;
  const third = sizeOf(reader.treeHead(9));
  signings.shift()!();
  expect(await second).toBe("7");
  await expect.poll(() => signings.length).toBe(1);
  signings.shift()!();
  expect(await third).toBe("9");
});
