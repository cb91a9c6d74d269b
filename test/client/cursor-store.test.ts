import { expect, it } from "vitest";
import { CursorStore } from "../../src/client/cursor-store.js";
import type { FollowState } from "../../src/client/follow-state.js";
import { SimDisk } from "../simulation/sim-disk.js";

const state = (position: number): FollowState => {
  const stream = "0123456789abcdef";
  return { v: 1, relays: { "ws://a": { stream, cursor: `${stream}.${position}.00000000`, key: "z" } }, delivered: {} };
};

/** A disk on which several writes can be under way, and each ends when the test says so. */
class SlowDisk extends SimDisk {
  readonly writes: (() => void)[] = [];

  override async replace(path: string, bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.writes.push(resolve));
    await super.replace(path, bytes);
  }
}

it("never has two writes under way, so that an older state never replaces a newer one", async () => {
  const disk = new SlowDisk();
  const store = await CursorStore.open(disk, "cursors.json");
  const saves = [store.save("f", state(1))];
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  await turn();
  saves.push(store.save("f", state(2)));
  disk.writes[0]!();
  // As soon as the first is done, and before the second began, comes a third.
  await saves[0];
  saves.push(store.save("f", state(3)));
  await turn();
  expect(disk.writes).toHaveLength(2);
  disk.writes[1]!();
  await Promise.all(saves);
  const again = await CursorStore.open(disk, "cursors.json");
  expect(again.get("f")).toEqual(state(3));
});

it("goes on after a write that failed", async () => {
  const disk = new SimDisk();
  const store = await CursorStore.open(disk, "cursors.json");
  disk.failing = "disk-full";
  await expect(store.save("f", state(1))).rejects.toMatchObject({ code: "disk-full" });
  disk.failing = undefined;
  await store.save("f", state(2));
  expect((await CursorStore.open(disk, "cursors.json")).get("f")).toEqual(state(2));
});
