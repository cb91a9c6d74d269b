import type { AntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { requireAwake } from "../agent/dormant.js";
import { AgentHome } from "../agent/home.js";
import { requireNotMoved } from "../agent/moved.js";
import type { Agent } from "../agent/open-agent.js";
import type { CommandContext } from "./context.js";
import { type UnlockedVault, type UnlockOptions, unlock } from "./unlock.js";
import { openTelling } from "./waiting.js";

export interface AtWorkOptions extends UnlockOptions {
  readonly takeover?: true;
  /** Wait until the holder of the pen is silent, and a quorum is there. */
  readonly wait?: true;
  /** Also where the agent moves away, to finish that or to take it back. */
  readonly leaving?: true;
  /** Does not wait for relays that all refuse to be connected to. */
  readonly unlessAllRefuse?: boolean;
  /** Runs with the home's lock held and the vault open, before the pen is asked for. */
  readonly before?: (home: AgentHome, unlocked: UnlockedVault) => Promise<void>;
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
  work: (agent: Agent, unlocked: UnlockedVault) => Promise<T>,
): Promise<T> {
  const { signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  if (options.leaving !== true) await requireNotMoved(nodeDisk, home);
  await requireAwake(nodeDisk, home);
  const lock = await home.lock();
  let unlocked: UnlockedVault;
  try {
    unlocked = await unlock(context, home.config.did, options);
    try {
      await options.before?.(home, unlocked);
    } catch (error) {
      unlocked.vault.close();
      throw error;
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
  const agent = await openTelling(
    context,
    { home, lock, vault: unlocked.vault, vaultPath: unlocked.path },
    {
      signal,
      timeoutMs: options.timeoutMs,
      ...(options.leaving === true ? { leaving: true } : {}),
      ...(options.takeover === true ? { takeover: true } : {}),
      ...(options.unlessAllRefuse === true ? { unlessAllRefuse: true } : {}),
      ...(options.wait === true ? { wait: true, onWait: waitTeller(context) } : {}),
    },
  );
  try {
    const { mended } = agent.chain;
    if (mended > 0)
      context.out.warn(
        `a part of the chain's file was missing (${mended} ${mended === 1 ? "event" : "events"} had lost their place): ` +
          "it was fetched from the relays; somebody changed the file, or the disk did",
      );
    const { queuePublished } = agent;
    if (queuePublished > 0)
      context.out.note(`${queuePublished} queued ${queuePublished === 1 ? "event is" : "events are"} published`);
    for (const path of agent.queueDamaged)
      context.out.warn(`${path} was a queued event and cannot be read: it is not published; look at it and remove it`);
    await tellLeftBehind(context, agent);
    return await work(agent, unlocked);
  } finally {
    await agent.close();
  }
}

/** More ids than this are no help in a line. */
const MAX_IDS_SHOWN = 4;

/** Says once which events of earlier runs did not make it: whoever published them was told to wait for this. */
async function tellLeftBehind({ out }: CommandContext, agent: Agent): Promise<void> {
  const { leftBehind } = agent;
  if (leftBehind.length === 0) return;
  const ids = leftBehind.slice(0, MAX_IDS_SHOWN).map(({ id }) => id);
  const what =
    leftBehind.length === 1
      ? "1 event of an earlier run is not on the chain, and is not published"
      : `${leftBehind.length} events of earlier runs are not on the chain, and are not published`;
  out.warn(
    `${what}: another instance went on without ${leftBehind.length === 1 ? "it" : "them"} ` +
      `(${ids.join(", ")}${ids.length < leftBehind.length ? ", …" : ""}); ants log side shows what was said`,
  );
  await agent.leftBehindTold();
}

/** Says what is waited for, each reason once. */
export function waitTeller({ out }: CommandContext): (why: AntsError) => void {
  const told = new Set<string>();
  return ({ code, message }) => {
    if (told.has(code)) return;
    told.add(code);
    out.note(`waiting: ${message}`);
  };
}
