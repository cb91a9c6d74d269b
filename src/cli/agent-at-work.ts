import { nodeDisk } from "../../keys/node/disk.js";
import { AgentHome } from "../agent/home.js";
import type { Agent } from "../agent/open-agent.js";
import { openUnlocked } from "../agent/open-home.js";
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
 * "home-missing", "locked", what {@link unlock} and `acquirePen` throw, and what `work` throws.
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
  const agent = await openUnlocked(
    { home, lock, vault: unlocked.vault, vaultPath: unlocked.path },
    { signal, timeoutMs: options.timeoutMs, ...(options.takeover === true ? { takeover: true } : {}) },
  );
  try {
    return await work(agent);
  } finally {
    await agent.close();
  }
}
