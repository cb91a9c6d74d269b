// A command that is given secrets: says which of its variables hold what (as hashes), and waits to be told to end.
import { createHash } from "node:crypto";

const variables = Object.entries(process.env)
  .filter(([name]) => name.startsWith("PLANTED_"))
  .map(([name, value]) => [name, createHash("sha256").update(value).digest("hex")]);
const withheld = Object.keys(process.env).filter((name) => name.startsWith("ANTS_PASSPHRASE"));
process.stdout.write(`${JSON.stringify({ pid: process.pid, variables: Object.fromEntries(variables), withheld })}\n`);
process.stdin.resume().on("end", () => process.exit(5));
