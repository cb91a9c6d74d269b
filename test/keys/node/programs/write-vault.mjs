// write-vault.mjs PATH BYTES [create|overwrite] [user]: writes that many bytes as a vault file, as another user if told.
import { writeVaultFile } from "ants-agent/keys/node";
import { report } from "./report.mjs";

const [path, size, mode, user] = process.argv.slice(2);
if (user !== undefined) process.seteuid(Number(user));
const bytes = new Uint8Array(Number(size)).fill(0x61);
await report(() => writeVaultFile(path, bytes, { overwrite: mode === "overwrite", allowEphemeral: true }));
