import { AntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import type { OpenVault } from "../../keys/node/vault.js";
import type { AgentHome } from "../agent/home.js";
import { notedInstances } from "../agent/instances.js";
import { ownEvents } from "../agent/own-events.js";
import { ChainStore } from "../client/chain-store.js";
import { systemPorts } from "../client/ports.js";
import { RelayPool } from "../client/relay-pool.js";
import { type ChainHead, CLAIM_KIND, type Event } from "../protocol/event.js";
import { HANDOVER_KIND, handoverOf } from "../protocol/handover.js";
import type { CommandContext } from "./context.js";
import { surveyAgent } from "./owner-survey.js";

/** How this host comes to the pen. */
export type Way =
  /** By the event that ends the chain. */
  | { readonly kind: "handover"; readonly id: string }
  /** An attempt that was cut off has claimed already. */
  | { readonly kind: "claimed" }
  /** The old host is said to be gone. */
  | { readonly kind: "takeover" };

export interface WayOptions {
  /** Asleep; its lock is held. */
  readonly home: AgentHome;
  /** It was not there before. */
  readonly isNew: boolean;
  /** Where the chain in the bundle ends. */
  readonly packed: ChainHead | undefined;
  /** Of the request: the one that a hand-over names. */
  readonly instance: string;
  readonly vault: OpenVault;
  /** Also without a hand-over. */
  readonly takeover: boolean;
  /** For each relay. */
  readonly timeoutMs: number;
}

/**
 * Reads what the relays have, and finds the hand-over to this request at the end of the chain. Throws
 * "move-no-handover", "handover-used", "move-stale" where the agent went on after this bundle was made.
 */
export async function findWay(
  context: CommandContext,
  { home, isNew, packed, instance, vault, takeover, timeoutMs }: WayOptions,
): Promise<Way> {
  const { did } = home.config;
  await using pool = new RelayPool(systemPorts);
  const chain = await ChainStore.open({ disk: nodeDisk, folder: home.layout.chain, did, keys: home.identity });
  try {
    const seed = () => vault.content.signSeed;
    await surveyAgent(context, { home, chain, pool, relays: [], timeoutMs, seed });
    const last = chain.head?.seq ?? -1;
    let newest: Event | undefined;
    for await (const event of ownEvents(chain, [HANDOVER_KIND], 0, last))
      if (handoverOf(event)?.instance === instance) newest = event;
    const end = newest ?? packed ?? { seq: -1 };
    const after: Event[] = [];
    for await (const event of ownEvents(chain, [CLAIM_KIND], end.seq + 1, last)) after.push(event);
    const ours = await notedInstances(nodeDisk, home.layout.instances);
    const isOurs =
      after.length === last - end.seq &&
      after.every(({ body }) => body?.instance === instance || ours.has(String(body?.instance)));
    if (newest === undefined) {
      if (!takeover) throw noHandover(did, instance);
      // Another chain since, or a longer one: the agent stayed there, and this is an old copy of it.
      if (packed !== undefined && chain.tree.chainAt(packed.seq)?.id !== packed.id) throw stale(did);
      if (!isOurs) throw stale(did);
      return { kind: "takeover" };
    }
    if (newest.seq !== (packed?.seq ?? -1) + 1) throw stale(did);
    if (newest.seq === last) return { kind: "handover", id: newest.id };
    if (!isNew && isOurs) return { kind: "claimed" };
    throw new AntsError("handover-used", `the chain of ${did} went on after the hand-over to this host`, {
      hint: "a hand-over works once: ask anew with ants migrate in --start, and move from where the agent is now",
      details: { did, handover: newest.id },
    });
  } finally {
    await chain.close();
  }
}

function stale(did: string): AntsError {
  return new AntsError("move-stale", `${did} went on after this bundle was made: it is an old copy`, {
    hint: "bring the newest bundle, or ask anew with ants migrate in --start; where the old host is gone: ants backup restore, or ants recover with the words",
    details: { did },
  });
}

function noHandover(did: string, instance: string): AntsError {
  return new AntsError("move-no-handover", `no relay that answers has a hand-over of ${did} to this host`, {
    hint: "run ants migrate out there again; if that host is gone for good: ants migrate in --bundle FILE --takeover",
    details: { did, instance },
  });
}
