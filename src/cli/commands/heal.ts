import { nodeDisk } from "../../../keys/node/disk.js";
import { type Heal, healForks } from "../../agent/heal.js";
import { AgentHome } from "../../agent/home.js";
import { agentAtWork } from "../agent-at-work.js";
import type { CommandContext, CommandResult } from "../context.js";
import { readAll, tellFailed } from "./forks.js";

export interface HealCommandOptions {
  /** Seconds. */
  readonly timeout: number;
  readonly takeover?: true;
  readonly wait?: true;
  readonly vault?: string;
}

/** Joins the forks of this agent: a claim in a new epoch, and one event that names both sides of each. */
export async function heal(context: CommandContext, options: HealCommandOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const { identity } = await AgentHome.open(nodeDisk, context.home);
  const timeoutMs = options.timeout * 1000;
  const survey = await readAll(context, identity, [], timeoutMs);
  const open = survey.forks.filter(({ isHealed }) => !isHealed).map(({ proof }) => proof);
  const { did } = identity;
  if (open.length === 0) {
    await out.result({ did, forks: [] }, [`no fork of ${did} waits to be joined`]);
    return tellFailed(context, survey);
  }
  await agentAtWork(context, { ...options, timeoutMs }, async (agent) => {
    const healed = await healForks(agent, open, signal);
    const left = agent.chain.tree.sideEvents;
    await out.result(healJson(did, healed), [
      `${healed.event.id} (seq ${healed.event.seq}, epoch ${healed.event.epoch}) joins ${healed.forks.length === 1 ? "1 fork" : `${healed.forks.length} forks`}:`,
      ...healed.forks.map(
        ({ epoch, seq, kept }) =>
          `  epoch ${epoch}, seq ${seq}: ${kept === undefined ? "neither event is on the chain" : `the chain goes on from ${kept}`}`,
      ),
    ]);
    if (left > 0) out.note(`what is not on the chain: ants log side (${left} events); publish anew what still holds`);
    out.warn("if the other writer was not you, somebody has this agent's key: ants rotate");
  });
  return tellFailed(context, survey);
}

function healJson(did: string, { event: { id, epoch, seq }, forks }: Heal) {
  return {
    did,
    id,
    epoch,
    seq,
    forks: forks.map(({ epoch, seq, key, events, kept }) => ({
      epoch,
      seq,
      key,
      ids: events.map(({ id }) => id),
      ...(kept === undefined ? {} : { kept }),
    })),
  };
}
