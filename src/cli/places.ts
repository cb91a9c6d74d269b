import { homedir } from "node:os";
import { join, resolve } from "node:path";
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
export function defaultVaultPath(did: Did, env: Environment): string {
  const data = set(env.XDG_DATA_HOME) ?? join(homedir(), ".local", "share");
  return join(data, "ants", "vaults", `${did.slice("did:ants:".length)}.json`);
}

/** An empty variable is one that somebody cleared, not one that names the current folder. */
function set(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}
