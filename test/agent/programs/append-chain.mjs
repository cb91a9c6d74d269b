// append-chain.mjs FOLDER: appends two lines to the files of a chain, one after the other, and says "stored" after each.

import { writeSync } from "node:fs";
import { createNodeDisk } from "../../../dist/keys/node/disk.js";
import { ChainFiles } from "../../../dist/src/client/chain-files.js";

const files = await ChainFiles.open(createNodeDisk(), process.argv[2]);
for (const line of ["one", "two"]) {
  await files.append([new TextEncoder().encode(line)]);
  writeSync(1, "stored\n");
}
