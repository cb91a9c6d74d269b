import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { isAntsError } from "../../../keys/errors.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { lockHolder } from "../../../keys/node/lock.js";
import { placeOf } from "../../../keys/node/place.js";
import type { HighWater, VaultContent } from "../../../keys/node/vault-content.js";
import { readVaultFile } from "../../../keys/node/vault-file.js";
import { BACKUP_TIERS, type BackupTier } from "../../agent/backup/archive-name.js";
import { recipientsOf } from "../../agent/backup/backup-keys.js";
import { dormantMark } from "../../agent/dormant.js";
import { DraftQueue } from "../../agent/draft-queue.js";
import type { AgentHome } from "../../agent/home.js";
import { untoldSideEvents } from "../../agent/left-behind.js";
import { homeMoved, readDeparture } from "../../agent/moved.js";
import type { ChainHead } from "../../protocol/event.js";
import { readChain, tornText } from "../chain-reading.js";
import type { CommandContext } from "../context.js";
import { allowsEphemeral, vaultPath } from "../places.js";
import { opensUnattended, unlock } from "../unlock.js";
import { advice, broken, brokenBy, type Finding, ok } from "./finding.js";
import { checkSecrets } from "./secret-checks.js";

/**
 * The home's place, whether an instance is at work in it, and what in it is at rest or was set aside. `hasArrived`: the
 * agent that left it has been at work where it went.
 */
export async function checkHome(
  { env }: CommandContext,
  home: AgentHome,
  { hasArrived }: { readonly hasArrived?: boolean } = {},
): Promise<Finding[]> {
  const findings = [await checkPlace("home", home.path, home.layout.state, env)];
  try {
    const holder = await lockHolder(home.layout.lock);
    if (holder !== undefined) findings.push(ok("instance", holder.message));
  } catch (error) {
    findings.push(brokenBy("instance", error));
  }
  findings.push(...(await checkDeparture(home, hasArrived)), ...(await checkQueue(home)));
  const mark = await dormantMark(nodeDisk, home);
  if (mark !== undefined) {
    const found = `this home sleeps: it was restored ${mark.archive === "" ? "from a backup" : `from ${mark.archive}`}`;
    findings.push(advice("copy", found, "ants activate wakes it, once no other copy of the agent is at work"));
  }
  return findings;
}

/** Queued events that turned out to be none when they were to be published: nobody will publish them. */
async function checkQueue({ layout }: AgentHome): Promise<Finding[]> {
  try {
    const damaged = await new DraftQueue(nodeDisk, layout.drafts).damaged();
    if (damaged.length === 0) return [];
    const which = damaged.length === 1 ? "a queued event" : `${damaged.length} queued events`;
    const them = damaged.length === 1 ? "it" : "them";
    return [
      advice(
        "queue",
        `${which} could not be read, and will not be published: ${damaged.join(", ")}`,
        `look what is left of ${them}, publish anew what still holds, and remove ${them}`,
      ),
    ];
  } catch (error) {
    return [brokenBy("queue", error)];
  }
}

/** Whether the agent of this home has left it. */
async function checkDeparture(home: AgentHome, hasArrived: boolean | undefined): Promise<Finding[]> {
  try {
    const departure = await readDeparture(nodeDisk, home);
    if (departure === undefined) return [];
    const { message, hint } = homeMoved(home, departure, hasArrived);
    return [advice("copy", message, hint ?? "work with it where it lives now")];
  } catch (error) {
    return [brokenBy("copy", error)];
  }
}

export function checkIdentity({ identity }: AgentHome): Finding {
  const { status } = identity.resolution;
  switch (status) {
    case "verified":
      return ok("identity", `${identity.did}, verified from its genesis`);
    case "deactivated":
      return broken("identity", `${identity.did} was deactivated by its owner`, "make a new identity: ants keygen");
    case "contested":
      return broken("identity", `${identity.did} has two rival updates`, "only its owner's recovery words settle this");
    case "conflicted":
      return broken(
        "identity",
        `${identity.did} has two rival rotations`,
        "only its owner's recovery words settle this",
      );
    case "not-found":
      return broken("identity", "the home holds no genesis", "restore .ants/identity.ndjson from a copy");
  }
}

/** What is to be done where the identity log retired the vault's key; everything else follows from it. */
export const REPLACED_KEY_FIX =
  "the key was replaced since: bring the vault from where that was done (ants vault export there, ants vault import here); if it was not you: ants rotate with the words";

export interface VaultCheck {
  readonly findings: readonly Finding[];
  /** What the vault remembers, where it could be opened without a person. */
  readonly highWater?: HighWater;
  /** To whom backups are encrypted, where it could be opened without a person; empty where it does not know. */
  readonly recipients?: ReadonlyMap<BackupTier, readonly string[]>;
  /** The vault could be opened without a person, and its key was live once and is not any more. */
  readonly isReplaced?: true;
}

/** The vault's file, and, where it opens without a person, that it opens and holds the agent's key. */
export async function checkVault(context: CommandContext, home: AgentHome, vaultOption?: string): Promise<VaultCheck> {
  const { did } = home.config;
  const path = vaultPath(vaultOption, did, context.env);
  try {
    await readVaultFile(path);
  } catch (error) {
    return { findings: [brokenBy("vault", error)] };
  }
  const findings = [await checkPlace("vault", path, path, context.env)];
  if (!opensUnattended(context.env)) {
    const fix = "set ANTS_PASSPHRASE_COMMAND or ANTS_PASSPHRASE_FILE, see docs/vault.md";
    findings.push(advice("unlocking", "the vault opens with a person at a terminal only", fix));
    return { findings };
  }
  try {
    const { vault, by } = await unlock(context, did, { vault: path });
    try {
      const { signSeed, highWater } = vault.content;
      const key = encodeMultikey(publicKeyFromSeed(signSeed));
      const standing = home.identity.standingOf(key);
      const isReplaced = standing?.live === false && !home.identity.deactivated;
      findings.push(
        standing?.live === true
          ? ok("unlocking", `the vault opens with ${by}, and its key is live`)
          : broken(
              "unlocking",
              `the vault's key ${key} may not sign for ${did}`,
              isReplaced ? REPLACED_KEY_FIX : "find the vault that belongs to this home",
            ),
      );
      findings.push(...(await checkSecrets(home, vault)));
      const recipients = recipientsIn(vault.content);
      return {
        findings,
        recipients,
        ...(highWater === undefined ? {} : { highWater }),
        ...(isReplaced ? { isReplaced } : {}),
      };
    } finally {
      vault.close();
    }
  } catch (error) {
    return { findings: [...findings, brokenBy("unlocking", error)] };
  }
}

function recipientsIn(content: VaultContent): Map<BackupTier, readonly string[]> {
  try {
    return new Map(BACKUP_TIERS.map((tier) => [tier, recipientsOf(tier, content)]));
  } catch (error) {
    if (isAntsError(error, "backup-no-recipient")) return new Map();
    throw error;
  }
}

export interface ChainCheck {
  readonly finding: Finding;
  readonly head?: ChainHead;
}

/**
 * Every line of the chain, and whether the home is as new as the vault remembers. `atRest`: what is to be done first
 * where nothing is published from this home.
 */
export async function checkChain(
  home: AgentHome,
  highWater: HighWater | undefined,
  atRest?: string,
): Promise<ChainCheck> {
  try {
    const { chain, tornBytes } = await readChain(home, "all");
    const { head } = chain;
    if (tornBytes > 0) {
      return {
        finding: advice("chain", tornText(tornBytes), atRest ?? "the next ants publish mends it from the relays"),
        ...(head === undefined ? {} : { head }),
      };
    }
    if (highWater !== undefined && highWater.seq > (head?.seq ?? -1)) {
      const missing = highWater.seq - (head?.seq ?? -1);
      const found = `the chain is older than what the vault remembers: ${missing} events are missing`;
      return {
        finding: advice("chain", found, atRest ?? "the next ants publish fetches them from the relays"),
        ...(head === undefined ? {} : { head }),
      };
    }
    if (head === undefined) return { finding: ok("chain", "empty: nothing was published yet") };
    const found = `${head.seq + 1} events, every signature, hash and link verified`;
    const untold = await untoldSideEvents(nodeDisk, home.layout.leftBehindTold, chain);
    if (untold.length > 0) {
      const beside = `${found}; ${untold.length} more that are not published, as another instance went on without them`;
      return { finding: advice("chain", beside, "ants log side shows them: publish anew what still holds"), head };
    }
    return { finding: ok("chain", found), head };
  } catch (error) {
    return { finding: brokenBy("chain", error) };
  }
}

/** `inside` is what is looked at for `path`: its folder is judged. */
async function checkPlace(
  check: "home" | "vault",
  path: string,
  inside: string,
  env: CommandContext["env"],
): Promise<Finding> {
  const { verdict, fileSystem, mountPoint } = await placeOf(inside);
  if (verdict === "durable") return ok(check, `${path} (${fileSystem})`);
  const why = {
    memory: `${mountPoint ?? path} lives in memory and is gone after a restart`,
    "container-layer": "it is in a container's own layer and is gone with the container",
    "temporary-folder": "it is in a folder that the system empties",
  }[verdict];
  const fix =
    check === "vault"
      ? "move the file, and name it with --vault or ANTS_VAULT"
      : "move the folder, and name it with ANTS_HOME";
  // Whoever allows it knows that the agent may be lost; it stays worth saying.
  return allowsEphemeral(env) ? advice(check, `${path}: ${why}`, fix) : broken(check, `${path}: ${why}`, fix);
}
