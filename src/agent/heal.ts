import { AntsError } from "../../keys/errors.js";
import { canJoin, handProofs } from "../client/forks.js";
import type { PublishedEvent } from "../client/publication.js";
import { type ForkProof, HEAL_KIND } from "../protocol/fork.js";
import type { Agent } from "./open-agent.js";

/** Forks that one event joins: their names fit a line. */
const MAX_JOINED = 64;

export interface Heal {
  /** The event that joins. */
  readonly event: PublishedEvent;
  readonly forks: readonly HealedProof[];
}

export interface HealedProof extends ForkProof {
  /** The event of the two that is on the chain, where one is. */
  readonly kept?: string;
}

/**
 * Joins forks: the agent, in the epoch that it has just claimed, names both events of each in one `ants.heal` event, so
 * that everyone who reads its chain knows of both and which one counts. The lines go onto this disk, where
 * `ants log side` shows what was left behind, and to the agent's relays. Resolves when the event is committed.
 *
 * `proofs`: at least one. Those of an epoch that this agent has not come to yet wait for a later turn: their lines would
 * lead its chain away. Throws `epoch-order` where no other is left, and what `Publisher.publish` throws.
 */
export async function healForks(agent: Agent, proofs: readonly ForkProof[], signal: AbortSignal): Promise<Heal> {
  const { chain, context, publisher } = agent;
  const { identity, did } = context;
  const joined = proofs.filter((proof) => canJoin(agent.pen.claim.event, proof, identity)).slice(0, MAX_JOINED);
  if (joined.length === 0) throw notJoined(did, agent.pen.epoch, proofs);
  await chain.adopt(joined.flatMap(({ events }) => events));
  const forks = joined.map((proof): HealedProof => {
    const kept = proof.events.find(({ id, event }) => chain.tree.find(id, event.seq)?.onChain === true);
    return kept === undefined ? proof : { ...proof, kept: kept.id };
  });
  const named = forks.map(({ epoch, seq, key, events, kept }) => ({
    epoch,
    seq,
    key,
    ids: events.map(({ id }) => id),
    ...(kept === undefined ? {} : { kept }),
  }));
  const { events } = await publisher.publish([{ kind: HEAL_KIND, body: { forks: named } }], { signal });
  const isPublic = ({ events }: ForkProof) => events.every(({ event }) => event.to === undefined);
  const told = agent.pen.lanes.map(async ({ relay }) => {
    await handProofs(context.relays.get(relay.url), joined.filter(isPublic), context.ports, signal);
  });
  await Promise.all(told);
  return { event: events[0]!, forks };
}

/** A fork of an epoch that was never this agent's to open: who wrote it has the key, and minds no rule. */
function notJoined(did: string, epoch: number, proofs: readonly ForkProof[]): AntsError {
  const epochs = proofs.map((proof) => proof.epoch);
  return new AntsError(
    "epoch-order",
    `the forks of ${did} are of epoch ${Math.min(...epochs)} and later, and this turn is epoch ${epoch}`,
    {
      hint: "an event joins what came before it: somebody with this agent's key wrote in epochs that it never opened: ants rotate",
      details: { did, epoch, forks: epochs },
    },
  );
}
