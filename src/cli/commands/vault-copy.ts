import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { zero } from "../../../keys/bytes.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { type OpenVault, openVault } from "../../../keys/node/vault.js";
import type { HighWater } from "../../../keys/node/vault-content.js";
import {
  formatVaultCopy,
  MAX_VAULT_COPY_BYTES,
  parseVaultCopy,
  type VaultCopy,
} from "../../../keys/node/vault-copy.js";
import { updateVaultFile, writeVaultFile } from "../../../keys/node/vault-file.js";
import { createFile } from "../../../keys/node/whole-file.js";
import { AgentHome } from "../../agent/home.js";
import { systemPorts } from "../../client/ports.js";
import type { CommandContext, CommandResult } from "../context.js";
import { identityAt } from "../identity-at.js";
import { describeSource, readPassphrase } from "../passphrase.js";
import { passphraseSlot } from "../passphrase-slot.js";
import { phraseOfFile } from "../phrase-input.js";
import { allowsEphemeral, isInside, vaultPath } from "../places.js";
import { type UnlockOptions, unlock } from "../unlock.js";
import { usageError } from "../usage.js";

export interface VaultExportOptions extends UnlockOptions {
  readonly out: string;
  readonly newPassphraseFile?: string;
  readonly unchanged?: true;
}

/** Writes a signed, encrypted copy of the vault, which opens with a passphrase of its own or with the words. */
export async function vaultExport(context: CommandContext, options: VaultExportOptions): Promise<CommandResult> {
  const { out, signal } = context;
  if (options.unchanged === true && options.newPassphraseFile !== undefined)
    throw usageError("--unchanged and --new-passphrase-file exclude each other", "vault export");
  const to = resolve(options.out);
  if (await isInside(to, context.home)) throw inHome(to, context.home);
  if ((await nodeDisk.read(to)) !== undefined) throw taken(to);
  const home = await AgentHome.open(nodeDisk, context.home);
  const { vault, by } = await unlock(context, home.config.did, options);
  try {
    out.note(`opened with ${by}`);
    const bytes =
      options.unchanged === true ? vault.reseal() : await withPassphrase(context, vault, to, options.newPassphraseFile);
    signal.throwIfAborted();
    const copy = formatVaultCopy(bytes, vault.content, systemPorts.clock.nowMs());
    await createFile(to, copy, 0o600).catch((error: unknown) => {
      throw isAntsError(error, "disk-exists") ? taken(to) : error;
    });
    const { highWater } = vault.content;
    await out.result(
      { did: vault.did, copy: to, opensWith: vault.slotTypes, ...(highWater === undefined ? {} : { highWater }) },
      [`${to} is a copy of the vault of ${vault.did}`, `  opens with: ${vault.slotTypes.join(", ")}`],
    );
  } finally {
    vault.close();
  }
  return undefined;
}

/** The vault's bytes with a passphrase of their own; the vault itself keeps its own. */
async function withPassphrase(
  { out, env, signal }: CommandContext,
  vault: OpenVault,
  subject: string,
  file: string | undefined,
): Promise<Uint8Array> {
  const { passphrase, source } = await readPassphrase({
    purpose: "change",
    subject,
    env,
    signal,
    warn: (text) => out.warn(text),
    ...(file === undefined ? {} : { file }),
  });
  try {
    out.note(`the copy opens with the passphrase from ${describeSource(source)}`);
    return vault.withSlot(passphraseSlot(passphrase, env));
  } finally {
    zero(passphrase);
  }
}

export interface VaultImportOptions {
  readonly vault?: string;
  readonly phraseFile?: string;
  readonly passphraseFile?: string;
  readonly replace?: true;
  readonly allowEphemeral?: true;
}

/** Puts a copy in the place of this host's vault: of the same agent only, and never over a newer one. */
export async function vaultImport(
  context: CommandContext,
  file: string,
  options: VaultImportOptions,
): Promise<CommandResult> {
  const { out, env } = context;
  const copy = parseVaultCopy(await readCopy(resolve(file)));
  const home = await homeIfAny(context.home);
  if (home !== undefined && home.config.did !== copy.did) {
    throw new AntsError("vault-other-agent", `${file} is of ${copy.did}, and this home is of ${home.config.did}`, {
      hint: "name that agent's home with --home",
      details: { did: copy.did, expected: home.config.did },
    });
  }
  const path = vaultPath(options.vault, copy.did, env);
  if (await isInside(path, context.home)) throw inHome(path, context.home);
  if (home !== undefined) await assertLive(context, home, copy);
  const present = (await nodeDisk.read(path)) !== undefined;
  if (present && options.replace !== true) {
    throw new AntsError("vault-exists", `there is a vault at ${path}`, {
      hint: "--replace puts an older vault of the same agent aside, and the copy in its place",
      details: { path },
    });
  }
  const opened = await openCopy(context, copy, file, options);
  opened.vault.close();
  if (present) await replace(context, copy, path);
  else
    await writeVaultFile(path, copy.vault, { allowEphemeral: options.allowEphemeral === true || allowsEphemeral(env) });
  out.warn("two hosts with one vault are one agent: only one of them holds the pen at a time, the other is fenced");
  if (home === undefined)
    out.note(`there is no home in ${context.home}: ants recover, or a copy of the home, makes one`);
  await out.result({ did: copy.did, vault: path, key: copy.key, replaced: present }, [
    `${path} is the vault of ${copy.did}`,
    `  opens with ${opened.by}`,
  ]);
  return undefined;
}

async function readCopy(path: string): Promise<Uint8Array> {
  const handle = await open(path).catch((cause: Error) => {
    throw new AntsError("vault-missing", `cannot read the copy ${path}: ${cause.message}`, {
      cause,
      details: { path },
    });
  });
  try {
    const { size } = await handle.stat();
    // Far more is no copy, and is not read to find that out.
    return size > MAX_VAULT_COPY_BYTES ? new Uint8Array() : new Uint8Array(await handle.readFile());
  } finally {
    await handle.close();
  }
}

async function homeIfAny(path: string): Promise<AgentHome | undefined> {
  try {
    return await AgentHome.open(nodeDisk, path);
  } catch (error) {
    if (isAntsError(error, "home-missing")) return undefined;
    throw error;
  }
}

/** By what this home knows; a key that it does not know may be newer than it, and then its relays are asked. */
async function assertLive({ signal, out }: CommandContext, { identity }: AgentHome, copy: VaultCopy): Promise<void> {
  let standing = identity.standingOf(copy.key);
  if (standing === undefined) {
    const relays = (identity.newest?.op.relays ?? []).map(({ url }) => url);
    out.note("this home does not know the key in the copy: asking the agent's relays");
    standing = (await identityAt(relays, copy.did, signal)).standingOf(copy.key);
  }
  if (standing?.live === true) return;
  throw new AntsError("key-not-live", `the key in the copy, ${copy.key}, may not sign for ${copy.did}`, {
    hint: "it is of before a rotation: make a new copy where the agent runs (ants vault export), or ants recover",
    details: { did: copy.did, key: copy.key },
  });
}

async function openCopy(
  { env, signal, out }: CommandContext,
  copy: VaultCopy,
  file: string,
  { phraseFile, passphraseFile }: VaultImportOptions,
): Promise<{ readonly vault: OpenVault; readonly by: string }> {
  keepMemoryOutOfCoreDumps();
  if (phraseFile !== undefined) {
    const { entropy } = await phraseOfFile(phraseFile);
    try {
      return { vault: checked(openVault(copy.vault, { phrase: entropy }), copy), by: "the recovery words" };
    } finally {
      zero(entropy);
    }
  }
  const { passphrase, source } = await readPassphrase({
    purpose: "unlock",
    subject: file,
    env: passphraseFile === undefined ? env : { ANTS_PASSPHRASE_FILE: passphraseFile },
    signal,
    warn: (text) => out.warn(text),
  });
  try {
    return { vault: checked(openVault(copy.vault, { passphrase }), copy), by: describeSource(source) };
  } finally {
    zero(passphrase);
  }
}

/** What is inside must be what the outside says. */
function checked(vault: OpenVault, copy: VaultCopy): OpenVault {
  const again = parseVaultCopy(formatVaultCopy(copy.vault, vault.content, copy.timeMs));
  if (again.did === copy.did && again.key === copy.key && compare(again.highWater, copy.highWater) === 0) return vault;
  vault.close();
  throw new AntsError("vault-copy-damaged", "the copy says something else on its outside than the vault within", {
    hint: "make another copy: ants vault export",
  });
}

/** Keeps the old file beside the new one: it may hold secrets that the copy lacks. */
async function replace(context: CommandContext, copy: VaultCopy, path: string): Promise<void> {
  const { vault } = await unlock(context, copy.did, { vault: path });
  try {
    const aside = `${path}.before-import-${systemPorts.clock.nowMs()}`;
    await updateVaultFile(path, async (present) => {
      vault.refresh(present);
      const { highWater, next } = vault.content;
      if (next !== undefined || compare(highWater, copy.highWater) > 0) {
        throw new AntsError("vault-newer", `the vault at ${path} knows more than the copy: it is kept`, {
          hint: "make a new copy where the agent runs: ants vault export --out FILE",
          details: { path, ...(highWater === undefined ? {} : { highWater }) },
        });
      }
      await createFile(aside, present, 0o600);
      return copy.vault;
    });
    context.out.note(`the vault that was there is in ${aside}`);
  } finally {
    vault.close();
  }
}

/** Above 0 where `a` is further. A vault without a mark is before every event. */
function compare(a: HighWater | undefined, b: HighWater | undefined): number {
  return (a?.epoch ?? 0) - (b?.epoch ?? 0) || (a?.seq ?? -1) - (b?.seq ?? -1);
}

function inHome(path: string, home: string): AntsError {
  return new AntsError("vault-in-home", `refused to keep the key in ${path}: that is within the home ${home}`, {
    hint: "homes are copied and read: name a place outside",
    details: { path, home },
  });
}

function taken(path: string): AntsError {
  return new AntsError("disk-exists", `cannot write the copy to ${path}: there is something already`, {
    hint: "name a new file",
    details: { path },
  });
}
