import { nodeDisk } from "../../../keys/node/disk.js";
import { dormantMark, requireWakeable } from "../../agent/dormant.js";
import { type Gap, gapLines } from "../../agent/gap.js";
import { AgentHome } from "../../agent/home.js";
import { waitTeller } from "../agent-at-work.js";
import type { CommandContext, CommandResult } from "../context.js";
import { surveyGap } from "../gap-survey.js";
import { gapJson } from "../gap-text.js";
import { type UnlockedVault, type UnlockOptions, unlock } from "../unlock.js";
import { openTelling } from "../waiting.js";

export interface ActivateOptions extends UnlockOptions {
  readonly takeover?: true;
  /** Wait until another copy is silent, and a quorum is there. */
  readonly wait?: true;
  /** The owner knows that the archive is from before the theft of the key that signed it. */
  readonly signedByReplacedKey?: true;
  /** Seconds: for each relay that is read, and then for the pen. */
  readonly timeout: number;
}

/**
 * Wakes a restored home: reads once more what the relays have, claims the pen, and only then takes the mark away. From
 * then on this is the agent, and whatever other copy there is finds the pen taken.
 */
export async function activate(context: CommandContext, options: ActivateOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { did } = home.config;
  const lock = await home.lock();
  let unlocked: UnlockedVault;
  let gap: Gap;
  try {
    const mark = await dormantMark(nodeDisk, home);
    if (mark === undefined) {
      await lock.release();
      await out.result({ did, home: home.path, activated: false }, [`${home.path} is awake already`]);
      return undefined;
    }
    unlocked = await unlock(context, did, options);
    const timeoutMs = options.timeout * 1000;
    try {
      gap = await surveyGap(context, { home, mark, vault: unlocked.vault.content, timeoutMs });
      const check = { isVouchedFor: options.signedByReplacedKey === true, onChain: () => !gap.leftTheChain };
      requireWakeable(mark, home.identity, check);
    } catch (error) {
      unlocked.vault.close();
      throw error;
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
  for (const line of gapLines(gap)) out.note(line);
  const agent = await openTelling(
    context,
    { home, lock, vault: unlocked.vault, vaultPath: unlocked.path },
    {
      signal,
      activate: true,
      ...(options.signedByReplacedKey === true ? { signedByReplacedKey: true } : {}),
      timeoutMs: options.timeout * 1000,
      ...(options.takeover === true ? { takeover: true } : {}),
      ...(options.wait === true ? { wait: true, onWait: waitTeller(context) } : {}),
    },
  );
  const { pen } = agent;
  const { epoch } = pen;
  const { seq } = pen.claim.event;
  await agent.close();
  await out.result({ did, home: home.path, activated: true, epoch, seq, gap: gapJson(gap) }, [
    `${did} is awake in ${home.path}: epoch ${epoch}, seq ${seq}`,
  ]);
  return undefined;
}
