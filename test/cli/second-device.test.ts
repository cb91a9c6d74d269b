// I6: a second device joins by a signed enrolment, never with a new identity.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { fromUtf8, utf8, zero } from "../../keys/bytes.js";
import { assertDid } from "../../keys/did.js";
import { generateSeed } from "../../keys/ed25519/index.js";
import { makeJoinAnswer } from "../../keys/node/join-answer.js";
import { parseJoinRequest } from "../../keys/node/join-request.js";
import { openVault, sealVault } from "../../keys/node/vault.js";
import { type Outcome, Sandbox } from "../transcripts/sandbox.js";
import { Pty } from "./pty.js";

// A process and an Argon2id for each step: seconds each where the machine is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let sandbox: Sandbox;
let did: string;
let asks = 0;

beforeAll(async () => {
  sandbox = new Sandbox("second-device");
  const url = await sandbox.relay("relay");
  sandbox.env.ANTS_PASSPHRASE_FILE = join(sandbox.work, "passphrase");
  writeFileSync(sandbox.env.ANTS_PASSPHRASE_FILE, "correct horse battery staple\n", { mode: 0o600 });
  const made = await sandbox.sh(`ants keygen --relay ${url} --phrase-file words --json && ants publish hello --quiet`);
  did = (JSON.parse(made.stdout.split("\n")[0]!) as { did: string }).did;
});

afterAll(() => sandbox.close());

/** A machine of its own that asks to join. */
async function asking(): Promise<{
  home: string;
  request: string;
  code: string;
  run: (line: string) => Promise<Outcome>;
}> {
  const home = join(sandbox.root, `device-${++asks}`);
  const run = (line: string) => sandbox.sh(`HOME=${home} ${line}`);
  const { stdout } = await run(`ants join --did ${did} --request request-${asks} --json`);
  return { home, request: `request-${asks}`, code: (JSON.parse(stdout) as { code: string }).code, run };
}

/** The files of a machine that could hold a key or name an agent. */
function made(home: string): string[] {
  return ["ants", ".local/share/ants/vaults"].flatMap((folder) =>
    existsSync(join(home, folder)) ? readdirSync(join(home, folder)) : [],
  );
}

describe("a device that joins", () => {
  it("is the same agent, with the same keys, and did not make its genesis; the answer is used up", async () => {
    const { home, request, code, run } = await asking();
    expect(made(home)).toEqual([]);
    const shared = await sandbox.sh(`ants vault share --request ${request} --code ${code} --answer answer-${request}`);
    expect(shared.exit).toBe(0);
    const joined = await run(`ants join --answer answer-${request} --json --label second`);
    expect(joined.exit).toBe(0);
    expect(JSON.parse(joined.stdout)).toMatchObject({ did });
    const config = readFileSync(join(home, "ants/.ants/config.toml"), "utf8");
    expect(config).toContain("founded = false");
    expect(config).toContain('label = "second"');
    const keys = await Promise.all([sandbox.sh("ants whoami --json"), run("ants whoami --json")]);
    const [first, second] = keys.map(({ stdout }) => JSON.parse(stdout) as { did: string; keys: string[] });
    expect(second).toMatchObject({ did: first!.did, keys: first!.keys });
    // It writes on the same chain, and the first device's turn is over: one pen.
    const published = await run("ants publish 'from the second' --takeover --json");
    expect(published.exit).toBe(0);
    expect((await run(`ants join --home ${home}/again --answer answer-${request} --json`)).stderr).toContain(
      '"join-no-request"',
    );
    expect((await sandbox.sh(`ants vault share --request ${request} --code ${code} --json`)).stderr).toContain(
      '"join-replayed"',
    );
  });

  it("makes nothing where the answer holds no identity with its key", async () => {
    const { home, request, run } = await asking();
    assertDid(did);
    const key = () => generateSeed();
    const entropy = new Uint8Array(32).fill(5);
    const bytes = sealVault(
      { did, signSeed: key(), agreeSecret: key(), stateKey: key(), earlier: [], secrets: {} },
      { slots: [{ type: "phrase", entropy }] },
    );
    const asked = parseJoinRequest(readFileSync(join(sandbox.work, request), "utf8"));
    const genuine = readFileSync(join(sandbox.env.HOME!, "ants/.ants/identity.ndjson"));
    for (const identity of [new Uint8Array(), utf8("{}\n"), new Uint8Array(genuine)]) {
      // Somebody else's key, once with no identity at all and once with the agent's own, which is public.
      const answer = makeJoinAnswer(asked, openVault(bytes, { phrase: entropy }), { label: "scout", identity });
      writeFileSync(join(sandbox.work, "forged"), fromUtf8(answer));
      const came = await run("ants join --answer forged --json");
      expect(came.exit).toBe(10);
      expect(came.stderr).toContain('"join-no-identity"');
      expect(made(home)).toEqual([]);
    }
    zero(entropy);
  });

  it("is refused when somebody put another key into its request", async () => {
    const honest = await asking();
    const thief = await asking();
    const came = await sandbox.sh(`ants vault share --request ${thief.request} --code ${honest.code} --json`);
    expect(came.exit).toBe(4);
    expect(came.stderr).toContain('"join-code"');
    expect(came.stdout).toBe("");
  });

  it("is let in by a person who types its code on the first device's terminal", async () => {
    const { request, code, run } = await asking();
    const typed = new Pty(
      `cd ${sandbox.work} && ants vault share --request ${request} --answer answer-typed`,
      sandbox.env,
    );
    await typed.waitFor("The code that the new device shows: ");
    typed.type(`${code.toUpperCase()}\r`);
    expect(await typed.end()).toBe(0);
    expect((await run("ants join --answer - --json < answer-typed")).exit).toBe(0);
  });

  it("goes on where it was cut off after its vault was written", async () => {
    const { home, request, code, run } = await asking();
    await sandbox.sh(`ants vault share --request ${request} --code ${code} --answer answer-cut`);
    const pending = `${home}/.local/share/ants/join`;
    await sandbox.sh(`cp -r ${pending} ${home}/kept`);
    expect((await run("ants join --answer answer-cut --json")).exit).toBe(0);
    await sandbox.sh(`rm -r ${home}/ants; cp ${home}/kept/* ${pending}/`);
    expect((await run("ants join --answer answer-cut --json")).exit).toBe(0);
    expect((await run("ants vault verify --json")).exit).toBe(0);
  });
});
