// abort-with-vault.mjs PATH KEYFILE [hidden]: opens a vault and dies with a core dump while it is open.
import { readFileSync } from "node:fs";
import { keepMemoryOutOfCoreDumps, openVault, readVaultFile } from "ants-agent/keys/node";

const [path, keyFile, hidden] = process.argv.slice(2);
if (hidden !== undefined && !keepMemoryOutOfCoreDumps()) process.exit(3);
const vault = openVault(await readVaultFile(path), { keyFile: readFileSync(keyFile) });
if (vault.content.signSeed.length === 32) process.abort();
