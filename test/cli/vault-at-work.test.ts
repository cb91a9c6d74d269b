import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { base64url, hex, utf8 } from "../../keys/bytes.js";
import { openVault } from "../../keys/node/vault.js";
import { type Outcome, Sandbox } from "../transcripts/sandbox.js";

const FIRST = "correct horse battery staple";
const SECOND = "another passphrase than before";

let sandbox: Sandbox;
/** All that commands said. */
let said = "";

async function sh(script: string): Promise<Outcome> {
  const outcome = await sandbox.sh(script, { timeoutMs: 90_000 });
  said += outcome.stdout + outcome.stderr;
  return outcome;
}

function opened(passphrase: string) {
  return openVault(readFileSync(join(sandbox.work, "vault.json")), { passphrase: utf8(passphrase) });
}

beforeAll(async () => {
  sandbox = new Sandbox("vault-at-work");
  for (const [name, text] of Object.entries({ first: FIRST, second: SECOND }))
    writeFileSync(join(sandbox.work, name), `${text}\n`, { mode: 0o600 });
  Object.assign(sandbox.env, { ANTS_VAULT: join(sandbox.work, "vault.json"), ANTS_PASSPHRASE_FILE: "first" });
  const relay = await sandbox.relay("relay");
  const { exit, stderr } = await sh(`ants keygen --relay ${relay} --phrase-file words`);
  expect(exit, stderr).toBe(0);
});

afterAll(() => sandbox.close());

describe("a vault in daily use (I3)", { timeout: 600_000 }, () => {
  test("loses nothing when a passphrase is changed while an agent publishes", async () => {
    // The agent holds the vault open from its start to its end; the passphrase changes in between.
    const { exit, stdout, stderr } = await sh(`
      mkfifo in out
      ants publish - --lines --json < in > out & agent=$!
      exec 3> in; echo one >&3; read -r line < out
      ants vault passwd --new-passphrase-file second || exit
      exec 3>&-; wait $agent`);
    expect(exit, stdout + stderr).toBe(0);
    const vault = opened(SECOND);
    expect(vault.content.highWater).toMatchObject({ epoch: 1, seq: 1 });
    vault.close();
    expect(() => opened(FIRST)).toThrow(/does not open/);
    expect((await sh("ants vault passwd --phrase-file words --new-passphrase-file first")).exit).toBe(0);
    const again = opened(FIRST);
    expect(again.content.highWater).toMatchObject({ epoch: 1, seq: 1 });
    again.close();
  });

  test("shows its secrets in no file, no output and no relay", async () => {
    const outcome = await sh(`
      ants publish hello --private && ants log cat --json && ants log verify && (ants doctor --json || test $? = 1) && ants whoami --json
      ants follow --until-caught-up --json --as-agent --state place && ants vault verify --json
      ANTS_PASSPHRASE_FILE=second ants vault verify --json; ants --json relay verify ../relay; true`);
    expect(outcome.exit).toBe(0);
    const vault = opened(FIRST);
    const { signSeed, agreeSecret, stateKey } = vault.content;
    const spellings = Object.entries({ signSeed, agreeSecret, stateKey }).flatMap(([name, secret]) => {
      // A copy: the vault overwrites its own when it is closed.
      const bytes = Buffer.from(secret);
      // Base64 shows a text at three alignments; the middle of each does not depend on what surrounds it.
      const aligned = [0, 1, 2].map((skip) => bytes.subarray(skip, skip + 30).toString("base64"));
      return [bytes, hex(secret), hex(secret).toUpperCase(), base64url(secret), ...aligned].map(
        (spelling) => [name, Buffer.from(spelling)] as const,
      );
    });
    vault.close();
    expect(spellings.every(([, spelling]) => spelling.some((byte) => byte !== 0))).toBe(true);
    const files = readdirSync(sandbox.root, { recursive: true, encoding: "utf8" }).filter((name) =>
      statSync(join(sandbox.root, name)).isFile(),
    );
    expect(files.length).toBeGreaterThan(15);
    const texts = new Map([...files.map((name) => [name, readFileSync(join(sandbox.root, name))] as const)]);
    texts.set("(output)", Buffer.from(said));
    for (const [file, text] of texts) {
      for (const [name, spelling] of spellings) expect(text.includes(spelling), `${name} in ${file}`).toBe(false);
    }
    for (const secret of [FIRST, SECOND, ...readFileSync(join(sandbox.work, "words"), "utf8").match(/(\w+ ){5}/g)!])
      expect(said.includes(secret.trim())).toBe(false);
  });
});
