import { expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { ChainFiles } from "../../src/client/chain-files.js";
import { SimDisk } from "../simulation/sim-disk.js";

const identity = (line: Uint8Array) => line;

it("serves a line of a file that is being appended to", async () => {
  const disk = new SimDisk();
  const before = await ChainFiles.open(disk, "chain");
  await before.append([utf8("one"), utf8("two")]);
  // A new process has no line in memory, and goes on in the last file.
  const files = await ChainFiles.open(disk, "chain");
  for await (const _ of files.scan(identity));
  let finish = () => {};
  disk.beforeAppend = () =>
    new Promise((resolve) => {
      finish = resolve;
    });
  const appending = files.append([utf8("three")]);
  expect(await files.line(1)).toEqual(utf8("two"));
  finish();
  await appending;
  expect(await files.line(0)).toEqual(utf8("one"));
  expect(await files.line(2)).toEqual(utf8("three"));
});

it("says that a file became shorter while it was in use", async () => {
  const disk = new SimDisk();
  await (await ChainFiles.open(disk, "chain")).append([utf8("one"), utf8("two")]);
  const files = await ChainFiles.open(disk, "chain");
  for await (const _ of files.scan(identity));
  await disk.truncate("chain/000000000000.ndjson", 5);
  await expect(files.line(1)).rejects.toMatchObject({ code: "chain-damaged", details: { line: 2 } });
  expect(await files.line(0)).toEqual(utf8("one"));
});
