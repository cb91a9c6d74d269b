import { realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import type { Did } from "../../keys/did.js";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The agent home: --home, else ANTS_HOME, else ~/ants. It is a visible folder on purpose: people and agents read and
 * write the files in it.
 */
export function homePath(option: string | undefined, env: Environment): string {
  return resolve(option ?? set(env.ANTS_HOME) ?? join(homedir(), "ants"));
}

/**
 * Where an agent's vault lies unless told otherwise: $XDG_DATA_HOME/ants/vaults/<the DID's own part>.json. Outside the
 * home, so that a copy or a backup of the home never carries the key; derived from the DID, so that the home stores
 * no path of this host and works wherever it is copied.
 */
function defaultVaultPath(did: Did, env: Environment): string {
  return join(vaultsFolder(env), `${did.slice("did:ants:".length)}.json`);
}

/** Where an agent's vault is: --vault, else ANTS_VAULT, else its usual place. Absolute. */
export function vaultPath(option: string | undefined, did: Did, env: Environment): string {
  return namedVaultPath(option, env) ?? defaultVaultPath(did, env);
}

/** The place that --vault or ANTS_VAULT names, if one does. */
export function namedVaultPath(option: string | undefined, env: Environment): string | undefined {
  const named = option ?? set(env.ANTS_VAULT);
  return named === undefined ? undefined : resolve(named);
}

/** Whether ANTS_ALLOW_EPHEMERAL says that an agent may live where nothing lasts. */
export function allowsEphemeral(env: Environment): boolean {
  return isSwitchedOn(env.ANTS_ALLOW_EPHEMERAL);
}

/** Whether ANTS_ALLOW_PRIVATE says that names may lead into this machine's own network. */
export function allowsPrivate(env: Environment): boolean {
  return isSwitchedOn(env.ANTS_ALLOW_PRIVATE);
}

function isSwitchedOn(value = ""): boolean {
  return !["", "0", "no", "false"].includes(value.toLowerCase());
}

/** Where vaults lie unless told otherwise. */
export function vaultsFolder(env: Environment): string {
  return resolve(set(env.XDG_DATA_HOME) ?? join(homedir(), ".local", "share"), "ants", "vaults");
}

/** Where requests to join lie while they wait for their answer, and what was answered. Outside every home. */
export function joinFolder(env: Environment): string {
  return join(dirname(vaultsFolder(env)), "join");
}

/** Where requests to move here lie while they wait for their bundle. Outside every home. */
export function moveFolder(env: Environment): string {
  return join(dirname(vaultsFolder(env)), "move");
}

/** Where what was verified of other agents is kept where there is no home: $XDG_STATE_HOME/ants/known. */
export function knownFolder(env: Environment): string {
  return resolve(set(env.XDG_STATE_HOME) ?? join(homedir(), ".local", "state"), "ants", "known");
}

/** Where what was found out lately is kept: $XDG_CACHE_HOME/ants. It may be removed at any time. */
export function cacheFolder(env: Environment): string {
  return resolve(set(env.XDG_CACHE_HOME) ?? join(homedir(), ".cache"), "ants");
}

/** Whether `path` is `folder` or lies in it, by their real names; neither need exist. */
export async function isInside(path: string, folder: string): Promise<boolean> {
  const [inner, outer] = await Promise.all([realName(resolve(path)), realName(resolve(folder))]);
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}

/** The path of a file within `folder`, with "/", by their real names; undefined for one outside. */
export async function pathWithin(path: string, folder: string): Promise<string | undefined> {
  if (!(await isInside(path, folder))) return undefined;
  const [inner, outer] = await Promise.all([realName(resolve(path)), realName(resolve(folder))]);
  return relative(outer, inner).split(sep).join("/");
}

/** The path without symbolic links, as far as it exists. */
async function realName(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(await realName(folder), basename(path));
  }
}

/** An empty variable is one that somebody cleared, not one that names the current folder. */
function set(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}
