import { createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { zero } from "../../keys/bytes.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { diskError, hasErrno } from "../../keys/node/disk-error.js";
import type { OpenVault } from "../../keys/node/vault.js";
import { type PhraseKeys, phraseKeys } from "../../keys/phrase.js";
import { systemClock, systemRandom } from "../../keys/ports.js";
import { hostKeys } from "../agent/backup/backup-keys.js";
import { readBackupConfig } from "../agent/backup/config.js";
import { listBackups } from "../agent/backup/list-backups.js";
import { type AgeIdentity, readArchive } from "../agent/backup/read-archive.js";
import { type BackupTarget, openTarget } from "../agent/backup/target.js";
import { homeLayout } from "../agent/home.js";
import { s3Credentials } from "./backup-place.js";
import type { CommandContext } from "./context.js";
import { namedDamage } from "./damaged-archives.js";
import { type FoundArchive, type NewestOptions, named, openCopy, openNewest } from "./newest-archive.js";
import { type PhraseSource, readPhrase } from "./phrase-input.js";
import { namedVaultPath, vaultsFolder } from "./places.js";
import { printable } from "./text.js";
import { openTerminal, type Terminal } from "./tty.js";
import { unlockFile } from "./unlock.js";

/** How every file of age begins, as a binary one. */
const AGE_BEGINNING = "age-encryption.org/v1\n";

export interface RestoreKeysOptions extends PhraseSource {
  readonly vault?: string;
}

/** What opens archives on this host. */
export interface RestoreKeys {
  readonly identities: readonly AgeIdentity[];
  readonly vault?: { readonly path: string; readonly opened: OpenVault };
  readonly phrase?: PhraseKeys;
  /** Overwrites what it can of all that. */
  close(): void;
}

/**
 * The recovery words where they are named, else the vault: the one that is named, or the only one of this host. Where
 * there is none, a person is asked for the words. Throws what reading either throws, "vault-missing" where several
 * vaults are there and none is named.
 */
export async function restoreKeys(context: CommandContext, options: RestoreKeysOptions): Promise<RestoreKeys> {
  const isNamed = options.phraseFile !== undefined || (options.shareFile ?? []).length > 0;
  const path = isNamed ? undefined : await vaultOfHost(context, options);
  if (path === undefined) {
    const { entropy } = await readPhrase(context, options, isNamed ? openTerminal : () => told(context)).catch(
      (error: unknown) => {
        throw isAntsError(error, "phrase-missing") ? nothingToOpen(vaultsFolder(context.env), error) : error;
      },
    );
    const phrase = phraseKeys(entropy);
    zero(entropy, phrase.vaultKey);
    const close = () => zero(phrase.backup.secret, phrase.escrow.secret);
    return { identities: [phrase.backup], phrase, close };
  }
  const { vault } = await unlockFile(context, path).catch((error: unknown) => {
    throw isAntsError(error, "vault-missing") ? nothingToOpen(path, error) : error;
  });
  const identities = hostKeys(vault.content);
  const close = () => {
    zero(...identities.map(({ secret }) => secret));
    vault.close();
  };
  return { identities, vault: { path, opened: vault }, close };
}

/** The terminal, with a word on why it is asked for the words. */
function told({ env }: CommandContext): Terminal | undefined {
  const terminal = openTerminal();
  terminal?.say(
    `There is no vault in ${printable(vaultsFolder(env))} (--vault FILE names another): the words open backups, too.`,
  );
  return terminal;
}

/** A new host has neither vault nor words: what to bring, and what each of them opens. */
function nothingToOpen(path: string, { code, message, details }: AntsError): AntsError {
  const why = code === "vault-missing" ? message : `there is no vault in ${path}, and no terminal to type the words on`;
  return new AntsError(code, why, {
    hint:
      "bring one of these: the vault's file from the old host or a copy of it (--vault FILE, with its passphrase), which opens hot backups; " +
      "the 24 recovery words (--phrase-file FILE), or enough shares of them (--share-file FILE, for each), which open every backup",
    details,
  });
}

async function vaultOfHost({ env }: CommandContext, { vault }: RestoreKeysOptions): Promise<string | undefined> {
  const named = namedVaultPath(vault, env);
  if (named !== undefined) return named;
  const folder = vaultsFolder(env);
  const files = (await nodeDisk.list(folder)).filter((name) => name.endsWith(".json"));
  if (files.length <= 1) return files.length === 0 ? undefined : join(folder, files[0]!);
  throw new AntsError("vault-missing", `there are ${files.length} vaults in ${folder}, and none was named`, {
    hint: `name the agent's: --vault ${join(folder, files[0]!)}; or open the archive with the words: --phrase-file FILE`,
    details: { path: folder },
  });
}

export interface FindArchiveOptions {
  /** A path, the name of an archive at a target, or "latest": of the newest that the keys open the one that went furthest. */
  readonly archive: string;
  /** Addresses; those of the present home's plan, where there is one, unless given. */
  readonly target?: readonly string[];
}

/**
 * Opens the archive that is meant. A target that cannot be listed is told and passed over, a copy that cannot be read
 * is too where there is another one. Throws "backup-missing", "backup-no-key", "backup-no-target", "backup-config",
 * what {@link openNewest} throws, and what targets and opening throw. `newestOptions`: for "latest".
 */
export async function findArchive(
  context: CommandContext,
  { archive, target = [] }: FindArchiveOptions,
  keys: RestoreKeys,
  newestOptions: NewestOptions = {},
): Promise<FoundArchive> {
  const path = archive === "latest" ? undefined : await fileOf(archive);
  if (path !== undefined) return openFile(path, keys);
  const targets = await targetsOf(context, target, keys);
  const { archives, failed } = await listBackups({ targets });
  for (const { url, error } of failed) context.out.warn(`${url} could not be listed: ${error.message}`);
  if (archive !== "latest") {
    const named = archives.find(({ name }) => name === archive);
    if (named !== undefined) return openCopy(context, named, targets, keys);
    throw noArchive(`no target has ${archive}`, failed[0]?.error);
  }
  // What only the words open is no use to whoever has the vault.
  const opening = keys.phrase === undefined ? archives.filter(({ tier }) => tier === "hot") : archives;
  const newest = await openNewest(context, opening, targets, keys, {
    ...(keys.vault === undefined ? {} : { did: keys.vault.opened.content.did }),
    ...newestOptions,
  });
  if (newest !== undefined) return newest;
  if (archives.length === 0) throw noArchive("no target has an archive", failed[0]?.error);
  const why =
    opening.length === 0
      ? "all archives here are cold ones: this host's key opens none of them"
      : "none of the archives here opens with these keys";
  throw new AntsError("backup-no-key", why, {
    hint: "the recovery words open every backup: --phrase-file FILE",
  });
}

function noArchive(message: string, cause: AntsError | undefined): AntsError {
  return new AntsError("backup-missing", message, {
    hint: "ants backup list --target ADDRESS shows what there is; a file is named by its path",
    ...(cause === undefined ? {} : { cause }),
  });
}

async function openFile(path: string, { identities }: RestoreKeys): Promise<FoundArchive> {
  const name = basename(path);
  await requireAge(path);
  try {
    return { name, from: path, archive: await named(name, await readArchive(bytesOf(path), identities)) };
  } catch (error) {
    throw namedDamage(error, name, path);
  }
}

/** A file that was named by mistake is no damaged archive. Throws "backup-damaged", disk errors. */
async function requireAge(path: string): Promise<void> {
  const beginning = Buffer.alloc(AGE_BEGINNING.length);
  const handle = await open(path).catch((error: unknown) => {
    throw diskError(error, "read", path);
  });
  try {
    await handle.read(beginning, 0, beginning.length, 0);
  } catch (error) {
    throw diskError(error, "read", path);
  } finally {
    await handle.close();
  }
  if (beginning.toString("latin1") === AGE_BEGINNING) return;
  throw new AntsError("backup-damaged", `${path} is not an age archive: it does not begin as one`, {
    hint: "name the file of an archive, ants-….tar.age",
    details: { path },
  });
}

/** The whole path of a file, where there is one. */
async function fileOf(path: string): Promise<string | undefined> {
  const whole = resolve(path);
  try {
    if (!(await stat(whole)).isFile()) return undefined;
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR") && !path.includes("/")) return undefined;
    if (hasErrno(error, "ENOENT", "ENOTDIR")) {
      throw new AntsError("backup-missing", `there is no file ${whole}`, {
        hint: "check the path; without a slash it is the name of an archive at a target",
      });
    }
    throw diskError(error, "read", whole);
  }
  return whole;
}

async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const block of createReadStream(path)) yield block as Uint8Array;
  } catch (error) {
    throw diskError(error, "read", path);
  }
}

async function targetsOf(
  context: CommandContext,
  named: readonly string[],
  { vault }: RestoreKeys,
): Promise<BackupTarget[]> {
  const { env, signal, home } = context;
  const addresses = named.length > 0 ? named.map(absolute) : await plannedAddresses(home);
  if (addresses.length === 0) {
    throw new AntsError("backup-no-target", "nobody said where the backups are", {
      hint: "name the archive by its path, or a place: --target /media/stick/backups",
    });
  }
  const options = {
    clock: systemClock,
    random: systemRandom,
    signal,
    s3Credentials: () => s3Credentials(env, async () => vault?.opened.content),
  };
  return [...new Set(addresses)].map((address) => openTarget(address, options));
}

/** Of the home that is here already, where there is one: another copy of it is restored beside it. */
async function plannedAddresses(home: string): Promise<string[]> {
  try {
    await readdir(home);
    const { target } = await readBackupConfig(nodeDisk, homeLayout(home).state);
    return target.map(({ url }) => url);
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    if (isAntsError(error)) throw error;
    throw diskError(error, "read", home);
  }
}

function absolute(address: string): string {
  return /^[a-z0-9]+:\/\//.test(address) ? address : resolve(address);
}
