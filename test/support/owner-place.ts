import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { expect } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { type OpenVault, openVault } from "../../keys/node/vault.js";
import type { VaultContent } from "../../keys/node/vault-content.js";
import { type Outcome, Sandbox } from "../transcripts/sandbox.js";

const PASSPHRASE = "correct horse battery staple";

/** An agent's owner at a machine: a home, a vault, the words in a file, and relays in this process. */
export class OwnerPlace implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly relays: TestRelay[];
  did = "";

  private constructor(sandbox: Sandbox, relays: TestRelay[]) {
    this.sandbox = sandbox;
    this.relays = relays;
  }

  /** Makes an agent on `count` relays: home `ants`, vault `vault.json`, words in `words`. */
  static async found(name: string, count = 3): Promise<OwnerPlace> {
    const relays = await Promise.all(Array.from({ length: count }, () => startTestRelay()));
    const place = new OwnerPlace(new Sandbox(name), relays);
    const { work, env } = place.sandbox;
    writeFileSync(join(work, "passphrase"), `${PASSPHRASE}\n`, { mode: 0o600 });
    Object.assign(env, {
      ANTS_HOME: join(work, "ants"),
      ANTS_VAULT: join(work, "vault.json"),
      ANTS_PASSPHRASE_FILE: join(work, "passphrase"),
    });
    const named = relays.map(({ url }) => `--relay ${url}`).join(" ");
    place.did = (await place.done(`ants keygen ${named} --phrase-file words --json`)).did;
    return place;
  }

  /** Runs a script. */
  sh(script: string): Promise<Outcome> {
    return this.sandbox.sh(script, { timeoutMs: 60_000 });
  }

  /** Runs a script that must succeed, and reads the JSON that its last command prints. */
  async done<T = { did: string }>(script: string): Promise<T> {
    const { exit, stdout, stderr } = await this.sh(script);
    expect(exit, stdout + stderr).toBe(0);
    const lines = stdout.trim().split("\n");
    return JSON.parse(lines.at(-1) || "null") as T;
  }

  /** Runs a script that must fail, and gives the code of its error. */
  async fails(script: string): Promise<string> {
    const { exit, stdout, stderr } = await this.sh(script);
    expect(exit, stdout + stderr).not.toBe(0);
    return (JSON.parse(stderr.trim().split("\n").at(-1)!) as { code: string }).code;
  }

  /** What is in a vault now. */
  vault(file = "vault.json"): VaultContent {
    return structuredClone(this.open(file).content);
  }

  /** A vault as it is now, opened. */
  open(file = "vault.json"): OpenVault {
    return openVault(readFileSync(join(this.sandbox.work, file)), { passphrase: utf8(PASSPHRASE) });
  }

  /** Puts other bytes in the place of the vault. */
  write(bytes: Uint8Array): void {
    writeFileSync(join(this.sandbox.work, "vault.json"), bytes, { mode: 0o600 });
  }

  /** A file that a script wrote. */
  read(file: string): string {
    return readFileSync(join(this.sandbox.work, file), "utf8");
  }

  /** A copy of home and vault, as a thief or an older backup has it; gives the variables that lead there. */
  copy(name: string): string {
    const { work } = this.sandbox;
    cpSync(join(work, "ants"), join(work, name, "ants"), { recursive: true });
    cpSync(join(work, "vault.json"), join(work, name, "vault.json"));
    return `ANTS_HOME=${join(work, name, "ants")} ANTS_VAULT=${join(work, name, "vault.json")}`;
  }

  /** Ids of the chain in a home, seq by seq. */
  async chain(variables = ""): Promise<string[]> {
    const { stdout } = await this.sh(`${variables} ants log cat --json`);
    return stdout.split("\n").flatMap((line) => (line === "" ? [] : [(JSON.parse(line) as { id: string }).id]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox.close();
    for (const relay of this.relays) await relay[Symbol.asyncDispose]();
  }
}

/** What a relay says of an agent: the chain's head, the newest operation, the highest promise. */
export async function headAt(relay: TestRelay, did: string) {
  const response = await fetch(`${relay.httpUrl}/agents/${did}/head`);
  return (await response.json()) as {
    promised: number;
    head?: { epoch: number; seq: number; id: string };
    identity: string;
  };
}
