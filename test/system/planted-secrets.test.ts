import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  copyFileSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openVault, readVaultFile, sealVault, writeVaultFile } from "ants-agent/keys/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { PLANTED_SECRETS, plantedBelow, plantedIn, spellingsOf } from "../support/planted-secrets.js";
import { foundInSandbox, PASSPHRASE } from "../support/sandbox-agent.js";
import { type Outcome, Sandbox } from "../transcripts/sandbox.js";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
const READER = fileURLToPath(new URL("./programs/read-environment.mjs", import.meta.url));
const variableOf = (name: string) => `PLANTED_${name.toUpperCase().replace(/[.-]/g, "_")}`;
const texts = PLANTED_SECRETS.filter(({ isText }) => isText);

let sandbox: Sandbox;
/** The values as files, outside of everything that is searched. */
let values: string;
let vaultPath: string;
/** All that commands said. */
let said = "";

async function sh(script: string): Promise<Outcome> {
  const outcome = await sandbox.sh(script, { timeoutMs: 200_000 });
  said += outcome.stdout + outcome.stderr;
  return outcome;
}

beforeAll(async () => {
  sandbox = new Sandbox("planted");
  values = mkdtempSync(join(tmpdir(), "ants-values-"));
  for (const { name, value } of PLANTED_SECRETS) writeFileSync(join(values, name), value, { mode: 0o600 });
  vaultPath = await foundInSandbox(sandbox, [await sandbox.relay("relay")]);
  writeFileSync(join(sandbox.root, "passphrase"), PASSPHRASE, { mode: 0o600 });
  Object.assign(sandbox.env, {
    ANTS_VAULT: vaultPath,
    ANTS_PASSPHRASE_FILE: join(sandbox.root, "passphrase"),
    VALUES: values,
  });
  // The vault alone, so that forty commands need no relay; the next one records them all.
  const names = PLANTED_SECRETS.map(({ name }) => name).join(" ");
  const set = await sh(
    `printf '%s\\n' ${names} | xargs -P 3 -I % sh -c 'ants secret set % --exact --offline --quiet < $VALUES/%'`,
  );
  expect(set.exit, set.stderr).toBe(0);
}, 240_000);

afterAll(async () => {
  await sandbox.close();
  rmSync(values, { recursive: true });
});

/** What the processes of this machine show of themselves to others: the planted secrets in it, by process. */
function plantedInProcesses(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) =>
      ["cmdline", "environ"].flatMap((file) => {
        try {
          return plantedIn(readFileSync(`/proc/${pid}/${file}`)).map((name) => `${name} in ${file} of ${pid}`);
        } catch {
          return []; // It has ended, or is another user's.
        }
      }),
    );
}

describe("forty planted secrets (B10)", { timeout: 600_000 }, () => {
  test("come back byte for byte, and are where they belong", async () => {
    const vault = openVault(await readVaultFile(vaultPath), { passphrase: PASSPHRASE });
    expect(Object.keys(vault.content.secrets)).toHaveLength(40);
    for (const { name, value } of PLANTED_SECRETS)
      expect(Buffer.from(vault.content.secrets[name]!.credentials[0]!.versions[0]!.value).equals(value), name).toBe(
        true,
      );
    vault.close();
    const { exit, stdout } = await sandbox.sh("ants secret get binary.long --quiet | sha256sum");
    expect([exit, stdout]).toEqual([
      0,
      `${createHash("sha256")
        .update(readFileSync(join(values, "binary.long")))
        .digest("hex")}  -\n`,
    ]);
    // The search itself finds what is there.
    expect(plantedBelow(values).found).toHaveLength(40);
  });

  test("are in the environment of the command, and of no other process, and in no argument (I5)", async () => {
    const flags = texts.map(({ name }) => `--secret ${name}=${variableOf(name)}`).join(" ");
    const child: ChildProcess = spawn(
      "bash",
      ["-c", `exec ants secret exec ${flags} -- "${process.execPath}" "${READER}"`],
      {
        cwd: sandbox.work,
        env: sandbox.env,
        stdio: ["pipe", "pipe", "pipe"],
        detached: true,
      },
    );
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const told = JSON.parse((await lines.next()).value!) as {
      pid: number;
      variables: Record<string, string>;
      withheld: string[];
    };
    expect(told.withheld).toEqual([]);
    expect(told.variables).toEqual(
      Object.fromEntries(
        texts.map(({ name, value }) => [variableOf(name), createHash("sha256").update(value).digest("hex")]),
      ),
    );
    const hits = plantedInProcesses();
    expect(hits.filter((hit) => !hit.endsWith(`environ of ${told.pid}`))).toEqual([]);
    expect(hits).toHaveLength(texts.length);
    child.stdin!.end();
    expect(await once(child, "exit")).toEqual([5, null]);
  });

  test("are in no output, error, log, chain, relay or file, whatever commands do and however they fail", async () => {
    copyFileSync(vaultPath, `${vaultPath}.old`);
    const failing = await sh(`
      for name in ${PLANTED_SECRETS.slice(0, 3)
        .map(({ name }) => name)
        .join(" ")}; do ants secret set $name --offline < $VALUES/$name; done
      ants secret rotate aws.secret-key < $VALUES/aws.access-key && ants publish hello --private && ants secret list --json
      ants secret get aws.secret-key --vault $ANTS_VAULT.old
      ants secret exec --secret aws.secret-key --vault $ANTS_VAULT.old -- true
      ants secret exec --secret binary.zeros -- true
      ants secret exec --secret github.classic -- ./no-such-command $VALUES
      ants secret exec --secret github.classic=BAD-NAME -- true
      ants secret exec --secret github.classic --fallback-exit 9 -- sh -c 'exit 9'
      ants secret exec --secret github.classic --fallback-exit 9 -- true
      ants secret exec --secret stripe.live -- sh -c 'kill -SEGV $$'
      cat $VALUES/binary.long $VALUES/binary.long | ants secret set much.too.long
      ants secret set openai.key --label backup --expires yesterday < $VALUES/openai.key
      ants secret set "$(head -c 30 /dev/null)" < $VALUES/openai.key
      ants secret rotate npm.token --label none < $VALUES/npm.token; ants --json secret rotate npm.token --label none < $VALUES/npm.token
      echo wrong > ../wrong; chmod 600 ../wrong; ANTS_PASSPHRASE_FILE=../wrong ants secret get npm.token
      ants secret rm npm.token --yes; ants secret rm pypi.token
      ants doctor --json; ants log cat --open --json; ants secret list; true`);
    expect(failing.exit).toBe(0);
    for (const code of [
      ...[
        "secret-exists",
        "secret-stale",
        "secret-not-text",
        "exec-failed",
        "credentials-exhausted",
        "secret-too-long",
      ],
      ...["secret-unknown", "vault-wrong-passphrase", "usage"],
    ])
      expect(said, code).toContain(code);
    expect(plantedIn(Buffer.from(said))).toEqual([]);
    expect(said).not.toContain(PASSPHRASE);
    const { found, files } = plantedBelow(sandbox.root);
    expect(found).toEqual([]);
    expect(files).toBeGreaterThan(15);
    // All that was put in without a relay is recorded by now.
    const records = failing.stdout.split("\n").filter((line) => line.includes('"kind":"ants.secret"')).length;
    expect(records).toBe(40 + 1 + 1);
  });
});

test("a closed vault leaves no secret in the memory of its process, where the platform lets us", async (context) => {
  const folder = temporaryFolder();
  const keyFile = createHash("sha256").update("key").digest();
  const secrets = Object.fromEntries(
    PLANTED_SECRETS.map(({ name, value }) => [
      name,
      {
        credentials: [
          { label: "main", versions: [{ number: 1, id: "0".repeat(16), madeMs: 0, value: new Uint8Array(value) }] },
        ],
      },
    ]),
  );
  const key = () => createHash("sha256").update("k").digest();
  const content = {
    did: `did:ants:${"a".repeat(52)}`,
    signSeed: key(),
    agreeSecret: key(),
    stateKey: key(),
    earlier: [],
    secrets,
  } as const;
  writeFileSync(join(folder, "key"), keyFile, { mode: 0o600 });
  await writeVaultFile(join(folder, "vault.json"), sealVault(content, { slots: [{ type: "key-file", keyFile }] }), {
    allowEphemeral: true,
  });
  const program = join(PACKAGE, "test/system/programs/open-and-close-vault.mjs");
  const child = spawn(process.execPath, [program, join(folder, "vault.json"), join(folder, "key")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toMatch(/^open \d+/);
    const open = plantedInMemory(child.pid!);
    if (open === undefined) {
      context.skip("this system does not let a process read another's memory");
      return;
    }
    expect(open).toHaveLength(40);
    child.stdin!.write("close\n");
    expect((await lines.next()).value).toBe("closed");
    expect(plantedInMemory(child.pid!)).toEqual([]);
  } finally {
    child.stdin!.end();
    child.kill();
  }
});

/** The secrets whose bytes are in the writable memory of a process; undefined where it cannot be read. */
function plantedInMemory(pid: number): string[] | undefined {
  const probes = PLANTED_SECRETS.map((secret) => ({ name: secret.name, probe: spellingsOf(secret)[0]! }));
  const found = new Set<string>();
  let memory: number;
  try {
    memory = openSync(`/proc/${pid}/mem`, "r");
  } catch {
    return undefined;
  }
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    if (from === undefined) continue;
    const start = Number.parseInt(from, 16);
    const size = Number.parseInt(to!, 16) - start;
    const bytes = Buffer.alloc(Math.min(size, 256 * 2 ** 20));
    try {
      readSync(memory, bytes, 0, bytes.length, start);
    } catch {
      continue; // Reserved, and not there.
    }
    for (const { name, probe } of probes) if (bytes.includes(probe)) found.add(name);
  }
  return [...found];
}
