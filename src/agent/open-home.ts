import type { Did } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { type OpenVault, openVault } from "../../keys/node/vault.js";
import { readVaultFile, updateVaultFile } from "../../keys/node/vault-file.js";
import type { VaultUnlock } from "../../keys/node/vault-slot.js";
import type { DiskLock } from "../../keys/ports.js";
import { IdentityLog } from "../client/identity-log.js";
import { systemPorts } from "../client/ports.js";
import { bootAndPlace } from "./boot-id.js";
import { dormantMark, requireAwake, requireWakeable, wakeUp } from "./dormant.js";
import { AgentHome } from "./home.js";
import { requireNotMoved } from "./moved.js";
import { type Agent, type OpeningOptions, openAgent } from "./open-agent.js";
import { SecretVault } from "./secret-vault.js";

/** How a home is opened, besides how its pen is acquired. */
export interface OpeningHomeOptions extends OpeningOptions {
  /** Wakes a restored home that sleeps: it does so by the claim that opens it. Other homes don't mind. */
  readonly activate?: boolean;
  /**
   * The owner's word that the archive of a home which is woken is from before the theft of the key that signed it. Not
   * needed where it was said when the archive was restored.
   */
  readonly signedByReplacedKey?: boolean;
}

export interface OpenHomeOptions extends OpeningHomeOptions {
  /** The agent's folder. */
  readonly home: string;
  /** Its vault file: `ants whoami` says where that is. */
  readonly vault: string;
  readonly unlock: VaultUnlock;
}

/**
 * Brings the agent of this folder to work: locks the home, opens the vault, reads the chain, claims the pen on a quorum
 * of the agent's relays. Close it at the end: that gives everything back and notes the last committed event in the
 * vault, so that an older copy of the home is known to be old.
 *
 * Throws "usage" (an argument is missing or of the wrong type), "home-missing", "home-damaged", "home-moved", "home-dormant" (it
 * was restored from a backup, and `activate` was not said), "locked" (another
 * process works in this home), what reading and opening the vault throws ("vault-missing", "vault-wrong-passphrase" …),
 * "vault-other-agent", "rotation-unfinished", "backup-signer-replaced" (the archive was signed by a key that
 * a rotate replaced, and `signedByReplacedKey` was not said), and what `acquirePen` throws (`held`, `no-quorum` …). Nothing stays locked or open then.
 */
export async function openHome({ home: path, vault, unlock, ...acquire }: OpenHomeOptions): Promise<Agent> {
  checkArguments({ home: path, vault, unlock, ...acquire });
  const home = await AgentHome.open(nodeDisk, path);
  await requireNotMoved(nodeDisk, home);
  if (acquire.activate !== true) await requireAwake(nodeDisk, home);
  const lock = await home.lock();
  let opened: OpenVault;
  try {
    opened = openVault(await readVaultFile(vault), unlock);
    assertVaultOf(home.config.did, opened, vault);
  } catch (error) {
    await lock.release();
    throw error;
  }
  return openUnlocked({ home, lock, vault: opened, vaultPath: vault }, acquire);
}

/** What TypeScript would say, for programs that are written without it. Throws "usage". */
function checkArguments({ home, vault, unlock, timeoutMs }: OpenHomeOptions): void {
  const wrong = (option: string, expected: string, came: unknown): AntsError =>
    new AntsError(
      "usage",
      `openHome: ${option}: expected ${expected}, got ${came === "" ? "an empty text" : typeof came}`,
      {
        hint: "docs/library.md shows how an agent is opened; ants whoami --json says where home and vault are",
      },
    );
  if (typeof home !== "string" || home === "") throw wrong("home", "the agent's folder", home);
  if (typeof vault !== "string" || vault === "") throw wrong("vault", "the path of its vault file", vault);
  const ways = ["passphrase", "phrase", "keyFile"];
  if (
    typeof unlock !== "object" ||
    unlock === null ||
    !ways.some((way) => (unlock as Record<string, unknown>)[way] !== undefined)
  )
    throw wrong("unlock", `an object with one of ${ways.join(", ")}`, unlock);
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0))
    throw wrong("timeoutMs", "milliseconds", timeoutMs);
}

/** A home whose lock and vault this process has; {@link openUnlocked} takes both over, also when it fails. */
export interface UnlockedHome {
  readonly home: AgentHome;
  readonly lock: DiskLock;
  readonly vault: OpenVault;
  readonly vaultPath: string;
}

/**
 * The second half of {@link openHome}, for programs that ask for the passphrase once they have the lock. `leaving`: also
 * where the agent moves away, to finish that or to take it back. `rotated`: hash of the rotate that the owner made in this
 * very home just now; a sleeping home's archive was rightly signed by the key that it replaced.
 */
export async function openUnlocked(
  { home, lock, vault, vaultPath }: UnlockedHome,
  {
    leaving,
    rotated,
    signedByReplacedKey,
    ...acquire
  }: OpeningHomeOptions & {
    readonly leaving?: boolean;
    readonly rotated?: string;
  },
): Promise<Agent> {
  const waking: Waking = {
    isVouchedFor: signedByReplacedKey === true,
    ...(rotated === undefined ? {} : { rotated }),
  };
  try {
    if (leaving !== true) await requireNotMoved(nodeDisk, home);
    if (acquire.activate !== true) await requireAwake(nodeDisk, home);
    else await requireWakeableHome(home, waking);
  } catch (error) {
    vault.close();
    await lock.release();
    throw error;
  }
  if (vault.content.next !== undefined) {
    vault.close();
    await lock.release();
    throw new AntsError("rotation-unfinished", `a rotation of ${home.config.did} is under way in this vault`, {
      hint: "ants rotate finishes it: no recovery words are needed for that",
      details: { did: home.config.did, path: vaultPath },
    });
  }
  try {
    // The lock file is never removed, and no copy of the home has the same one.
    const boot = await bootAndPlace(nodeDisk, home.layout.lock);
    const agent = await openAgent({
      ...acquire,
      disk: nodeDisk,
      ports: systemPorts,
      home,
      lock,
      secrets: vault.content,
      vault: new SecretVault(vault, vaultPath),
      ...(boot === undefined ? {} : { bootId: boot }),
      closed: async (highWater) => {
        try {
          if (highWater !== undefined) await noteHighWater(vaultPath, vault, highWater);
        } finally {
          vault.close();
        }
      },
    });
    if (acquire.activate === true) await awake(home, agent, waking);
    return agent;
  } catch (error) {
    vault.close();
    throw error;
  }
}

/** The claim is acknowledged. A crash before this leaves a home that sleeps, and that the next claim wakes. */
async function awake(home: AgentHome, agent: Agent, waking: Waking): Promise<void> {
  try {
    // Whoever claims reads the identity log and the chain anew.
    await requireWakeableHome(home, waking, agent);
    await wakeUp(nodeDisk, home);
  } catch (error) {
    await agent.close();
    throw error;
  }
}

interface Waking {
  readonly isVouchedFor: boolean;
  readonly rotated?: string;
}

/** Throws "backup-signer-replaced" where the home sleeps and its archive is signed by a key that was replaced since. */
async function requireWakeableHome(home: AgentHome, { isVouchedFor, rotated }: Waking, agent?: Agent): Promise<void> {
  const mark = await dormantMark(nodeDisk, home);
  if (mark === undefined) return;
  const { did } = home.config;
  const operations = home.identity.operations();
  const before = rotated === undefined ? operations : operations.filter(({ hash }) => hash !== rotated);
  requireWakeable(mark, IdentityLog.learnt(did, before), {
    isVouchedFor,
    // The rotate's own anchor is the owner's choice of what counts: what it drops is no reason to sleep on.
    onChain: ({ id, seq }) => agent === undefined || rotated !== undefined || agent.chain.tree.onChain(id, seq),
  });
}

/** Closes the vault and throws "vault-other-agent" when it isn't this agent's. */
export function assertVaultOf(did: Did, vault: OpenVault, path: string): void {
  if (vault.did === did) return;
  const other = vault.did;
  vault.close();
  throw new AntsError("vault-other-agent", `${path} is the vault of ${other}, and this home is of ${did}`, {
    hint: "name this agent's vault with --vault, or its home with --home",
    details: { path, did: other, expected: did },
  });
}

async function noteHighWater(
  path: string,
  vault: OpenVault,
  highWater: NonNullable<Agent["highWater"]>,
): Promise<void> {
  await updateVaultFile(
    path,
    (present) => {
      vault.refresh(present);
      return vault.reseal({ ...vault.content, highWater });
    },
    { label: "the agent, noting its last committed event" },
  );
}
