import { readFileSync } from "node:fs";
import { nodeDisk } from "../../keys/node/disk.js";
import { updateVaultFile } from "../../keys/node/vault-file.js";
import { AgentHome } from "../agent/home.js";
import { type Agent, openAgent } from "../agent/open-agent.js";
import { systemPorts } from "../client/ports.js";
import type { CommandContext } from "./context.js";
import { type UnlockedVault, type UnlockOptions, unlock } from "./unlock.js";

export interface AtWorkOptions extends UnlockOptions {
  readonly takeover?: true;
  /** How long to try for the pen. */
  readonly timeoutMs: number;
}

/**
 * Runs `work` with the agent of this home holding the pen: locks the home (before any passphrase is asked for), opens
 * the vault, claims; and at the end gives everything back, with the last committed event noted in the vault. Throws
 * "home-missing", "locked", what {@link unlock} and `openAgent` throw, and what `work` throws.
 */
export async function agentAtWork<T>(
  context: CommandContext,
  options: AtWorkOptions,
  work: (agent: Agent) => Promise<T>,
): Promise<T> {
  const { signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const lock = await home.lock();
  let unlocked: UnlockedVault;
  try {
    unlocked = await unlock(context, home.config.did, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
  const { vault, path } = unlocked;
  try {
    const boot = bootId();
    const agent = await openAgent({
      disk: nodeDisk,
      ports: systemPorts,
      home,
      lock,
      secrets: vault.content,
      signal,
      timeoutMs: options.timeoutMs,
      ...(options.takeover === true ? { takeover: true } : {}),
      ...(boot === undefined ? {} : { bootId: boot }),
    });
    try {
      return await work(agent);
    } finally {
      const { highWater } = agent;
      await agent.close();
      if (highWater !== undefined) await noteHighWater(path, unlocked, highWater);
    }
  } finally {
    vault.close();
  }
}

/** A copy of the home that is older than what the vault remembers is known to be old. */
async function noteHighWater(
  path: string,
  { vault }: UnlockedVault,
  highWater: NonNullable<Agent["highWater"]>,
): Promise<void> {
  await updateVaultFile(
    path,
    (present) => {
      vault.refresh(present);
      return vault.reseal({ ...vault.content, highWater });
    },
    { label: "ants publish" },
  );
}

/** What tells this boot of this machine from all others, where the system says it. */
function bootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return undefined;
  }
}
