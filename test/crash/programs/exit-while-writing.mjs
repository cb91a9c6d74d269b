// exit-while-writing.mjs PATH: ends itself, as a second Ctrl-C makes a command do, while it writes a file.
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { nodeDisk } from "ants-agent/keys/node";

const path = process.argv[2];
const writing = nodeDisk.replace(path, new Uint8Array(64 * 1024 * 1024));
const look = () => {
  if (readdirSync(dirname(path)).some((name) => name.endsWith(".tmp"))) process.exit(130);
  setImmediate(look);
};
look();
await writing;
