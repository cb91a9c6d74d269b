// Opens a vault with a key file, uses every secret of it, and closes it: a step for each line on stdin.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { openVault, readVaultFile } from "ants-agent/keys/node";

const [path, keyPath] = process.argv.slice(2);
const keyFile = readFileSync(keyPath);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const vault = openVault(await readVaultFile(path), { keyFile: new Uint8Array(keyFile) });
let bytes = 0;
for (const { credentials } of Object.values(vault.content.secrets))
  for (const { versions } of credentials) for (const { value } of versions) bytes += value.length;
vault.refresh(await readVaultFile(path));
console.log(`open ${bytes}`);
await lines.next();
vault.close();
console.log("closed");
await lines.next();
