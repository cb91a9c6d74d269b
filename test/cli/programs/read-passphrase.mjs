// read-passphrase.mjs PURPOSE [FILE]: reads a passphrase as commands do and prints {source, sha256} or {code, hint}.
// With SHOW_TERMINAL it then shows the terminal's settings, while it still runs.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readPassphrase } from "../../../dist/src/cli/passphrase.js";

const [purpose, file] = process.argv.slice(2);
try {
  const { source, passphrase } = await readPassphrase({
    purpose,
    subject: "did:ants:test",
    env: process.env,
    warn: (text) => process.stderr.write(`warning: ${text}\n`),
    ...(file === undefined ? {} : { file }),
  });
  // Its hash: the tests look for the passphrase itself in everything that is printed.
  console.log(JSON.stringify({ source, sha256: createHash("sha256").update(passphrase).digest("hex") }));
} catch ({ code, hint, message }) {
  console.log(JSON.stringify({ code, hint, message }));
}
if (process.env.SHOW_TERMINAL) spawnSync("sh", ["-c", "stty -a < /dev/tty"], { stdio: "inherit" });
