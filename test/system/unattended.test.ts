import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { works } from "../keys/node/run.js";
import { foundInSandbox, PASSPHRASE } from "../support/sandbox-agent.js";
import { type Outcome, Sandbox } from "../transcripts/sandbox.js";

const NO_PASS = "pass and gpg are not installed (Debian: pass, gnupg)";
/** From nothing to a committed event, as row I4 has it; the machine may be busy with other tests. */
const ACTIVE_WITHIN_MS = 10_000;
const BUSY_FACTOR = 4;

let sandbox: Sandbox;
let vault: string;

beforeAll(async () => {
  sandbox = new Sandbox("unattended");
  vault = await foundInSandbox(sandbox, [await sandbox.relay("relay")]);
});

afterAll(() => sandbox.close());

/** A process without a terminal and without stdin, with these variables beside the plain ones. */
function start(env: Record<string, string>, command = "ants publish hello --wait --json"): Promise<Outcome> {
  const assignments = Object.keys(env).map((name) => `${name}="$V_${name}"`);
  for (const [name, value] of Object.entries(env)) sandbox.env[`V_${name}`] = value;
  const only = `env ${Object.keys(env)
    .map((name) => `-u V_${name}`)
    .join(" ")} ${assignments.join(" ")}`;
  return sandbox.sh(`exec ${only} ${command}`, { timeoutMs: 90_000 });
}

function secretFile(name: string, text: string): string {
  const path = join(sandbox.root, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** Every file of the person's machine with its size and time: what changes when something is made. */
function files(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.map((name) => `${name} ${statSync(join(folder, name)).mtimeMs}`).sort();
}

describe("an agent starts without a person (I4)", { timeout: 600_000 }, () => {
  test.each<[string, () => Record<string, string>, string]>([
    [
      "a systemd credential",
      () => {
        mkdirSync(join(sandbox.root, "credentials"));
        secretFile("credentials/ants-passphrase", PASSPHRASE);
        return { CREDENTIALS_DIRECTORY: join(sandbox.root, "credentials") };
      },
      "",
    ],
    ["a command", () => ({ ANTS_PASSPHRASE_COMMAND: `cat ${secretFile("for-command", `${PASSPHRASE}\n`)}` }), ""],
    ["a file", () => ({ ANTS_PASSPHRASE_FILE: secretFile("for-file", `${PASSPHRASE}\n`) }), ""],
    ["a variable", () => ({ ANTS_PASSPHRASE: PASSPHRASE }), "ANTS_PASSPHRASE, which other programs"],
  ])("with %s", async (_, setUp, warning) => {
    const startedMs = Date.now();
    const { exit, stdout, stderr } = await start(setUp());
    expect(exit, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ reached: true, committed: true });
    expect(Date.now() - startedMs).toBeLessThan(ACTIVE_WITHIN_MS * BUSY_FACTOR);
    expect(stderr).toContain(warning);
    expect(stdout + stderr).not.toContain(PASSPHRASE);
  });

  test("with nothing set up it says what to set, and waits for nobody", async () => {
    const { exit, stderr } = await start({ LANG: "C.UTF-8" });
    expect(exit).toBe(2);
    expect(stderr).toMatch(/"code":"passphrase-missing".*"hint":"set ANTS_PASSPHRASE_COMMAND/);
  });

  test("with a secret manager: pass, and gpg behind it (I5)", async (context) => {
    if (!works("pass", "--version") || !works("gpg", "--version")) context.skip(NO_PASS);
    // gpg-agent's socket has a path of at most 107 bytes.
    const gnupg = join(sandbox.root, "g");
    mkdirSync(gnupg, { mode: 0o700 });
    const manager = { GNUPGHOME: gnupg, PASSWORD_STORE_DIR: join(sandbox.root, "store") };
    Object.assign(sandbox.env, manager);
    const set = await sandbox.sh(`
      gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-gen-key scout@agents.example default default never
      pass init scout@agents.example && printf '%s\\n' '${PASSPHRASE}' | pass insert --multiline agents/scout`);
    expect(set.exit, set.stderr).toBe(0);
    try {
      const { exit, stdout, stderr } = await start({ ANTS_PASSPHRASE_COMMAND: "pass show agents/scout" });
      expect(exit, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ committed: true });
      const missing = await start({ ANTS_PASSPHRASE_COMMAND: "pass show agents/other" });
      expect(missing.exit).toBe(1);
      expect(missing.stderr).toMatch(/"code":"passphrase-command".*: pass failed with exit code 1/);
      // What the manager said stays with us in memory: it is in none of the agent's files.
      const spellings = ["utf8", "hex", "base64"].map((spelling) =>
        Buffer.from(PASSPHRASE).toString(spelling as BufferEncoding),
      );
      const { HOME } = sandbox.env;
      for (const name of readdirSync(HOME!, { recursive: true, encoding: "utf8" })) {
        if (!statSync(join(HOME!, name)).isFile()) continue;
        const text = readFileSync(join(HOME!, name), "latin1");
        for (const spelling of spellings) expect(text.includes(spelling), name).toBe(false);
      }
    } finally {
      await sandbox.sh("gpgconf --kill all");
    }
  });
});

test("a home without its key says how to recover, and makes nothing (I2)", { timeout: 600_000 }, async () => {
  const env = { ANTS_PASSPHRASE_FILE: secretFile("passphrase", PASSPHRASE) };
  renameSync(vault, `${vault}.elsewhere`);
  const before = files(sandbox.env.HOME!);
  for (const command of ["ants publish hello", "ants vault verify", "ants secret list", "ants publish hello --wait"]) {
    const { exit, stdout, stderr } = await start(env, command);
    expect(exit, command).toBe(10);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/there is no vault at .*\[vault-missing\]\nhint: .*ants recover/);
  }
  const again = await start(env, "ants keygen --relay ws://127.0.0.1:1 --phrase-file ../words");
  expect(again.stderr).toContain("[home-exists]");
  // The lock file of the home is the one thing that a start touches.
  const made = files(sandbox.env.HOME!).filter((file) => !before.includes(file));
  expect(made.filter((file) => !/\.ants(\/lock)? /.test(file))).toEqual([]);
});
