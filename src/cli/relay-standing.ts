import { isAntsError } from "../../keys/errors.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { systemClock } from "../../keys/ports.js";
import type { AgentHome } from "../agent/home.js";
import { Outbox } from "../client/outbox.js";
import { systemPorts } from "../client/ports.js";
import { auditRelay, type OwnEvent, type RelayAudit } from "../client/relay-audit.js";
import { parseEvent } from "../protocol/event.js";
import { readChain } from "./chain-reading.js";
import { askRelay } from "./relay-info.js";

/** What was found of one relay of the identity. */
export type RelayStanding = RelayAddress &
  (
    | {
        /** `beyond`: what it has goes on in a later turn than the home's, which parts from the home's somewhere. */
        readonly state: "serves" | "behind" | "beyond";
        readonly behind: number;
        readonly audit: RelayAudit;
        readonly identityBehind: boolean;
        /** It names an operation that this home does not have. */
        readonly identityAhead: boolean;
      }
    /** It acknowledged events and does not serve them to readers. */
    | {
        readonly state: "withholds";
        readonly behind: number;
        readonly audit: RelayAudit;
        readonly identityBehind: boolean;
        /** It names an operation that this home does not have. */
        readonly identityAhead: boolean;
      }
    | { readonly state: "other-stream"; readonly now: string }
    | { readonly state: "unreachable"; readonly why: string }
  );

export interface StandingOptions {
  readonly signal: AbortSignal;
  /** For each relay. */
  readonly timeoutMs: number;
  /** Compare the whole chain; the last 2,048 events unless set. */
  readonly deep?: boolean;
}

const RECENT_EVENTS = 2_048;

/** Reads the agent's chain back from each of its relays as a stranger would, and compares it with the home's. */
export async function standings(home: AgentHome, options: StandingOptions): Promise<RelayStanding[]> {
  const { newest } = home.identity;
  if (newest === undefined) return [];
  const { chain } = await readChain(home);
  const outbox = await Outbox.open(nodeDisk, home.layout.outbox, systemClock);
  await outbox.close();
  const last = chain.head?.seq ?? -1;
  const events: OwnEvent[] = [];
  for (let seq = options.deep === true ? 0 : Math.max(0, last + 1 - RECENT_EVENTS); seq <= last; seq++) {
    const { id, event } = parseEvent(await chain.line(chain.tree.chainAt(seq)!));
    events.push({ epoch: event.epoch, seq, id, isAddressed: event.to !== undefined });
  }
  await chain.close();
  const keys = new Set(home.identity.operations().flatMap(({ op }) => op.keys.sign));
  const { signal, timeoutMs } = options;
  return Promise.all(
    newest.op.relays.map(async (relay): Promise<RelayStanding> => {
      try {
        const { stream } = await askRelay(relay.url, { signal, timeoutMs });
        if (stream !== relay.stream) return { ...relay, state: "other-stream", now: stream };
        const acknowledged = outbox.mark(relay.stream)?.acknowledged;
        const own = acknowledged === undefined ? undefined : chain.tree.find(acknowledged.id, acknowledged.seq);
        const audit = await auditRelay(
          {
            did: home.config.did,
            relay,
            events,
            isAuthorKey: (key) => keys.has(key),
            ...(own?.onChain === true ? { acknowledged: acknowledged! } : {}),
            timeoutMs,
            signal,
          },
          systemPorts,
        );
        const isBeyond = audit.goneOnAt !== undefined;
        const behind = isBeyond ? 0 : Math.max(0, last - Math.max(audit.head?.seq ?? -1, audit.owedSeq));
        const differs = audit.identity !== undefined && audit.identity !== newest.hash;
        // What this home knows and is not its newest is an older one; what it does not know, it has missed.
        const identityBehind = differs && home.identity.has(audit.identity!);
        const identityAhead = differs && !identityBehind;
        const state = audit.withheld.length > 0 ? "withholds" : isBeyond ? "beyond" : behind > 0 ? "behind" : "serves";
        return { ...relay, state, behind, audit, identityBehind, identityAhead };
      } catch (error) {
        signal.throwIfAborted();
        if (!isAntsError(error)) throw error;
        return { ...relay, state: "unreachable", why: error.message.replace(`${relay.url}: `, "") };
      }
    }),
  );
}

/** One sentence on events that a relay acknowledged and keeps from readers. */
export function withheldText({ audit }: { readonly audit: RelayAudit }): string {
  const ids = new Map(audit.withheld.flatMap(({ events }) => events.map(({ seq, id }) => [seq, id] as const)));
  const seqs = [...ids.keys()].sort((a, b) => a - b);
  const ways = [...new Set(audit.withheld.map(({ from }) => WAYS[from]))].join(", ");
  const first = `seq ${seqs[0]} (${ids.get(seqs[0]!)})`;
  const which = seqs.length === 1 ? `event ${first}` : `${seqs.length} events, the first of them ${first}`;
  return `acknowledged ${which}, and does not serve ${seqs.length === 1 ? "it" : "them"}: missing from ${ways}`;
}

const WAYS = { head: "the head that it names", chain: "its page of the chain", follow: "what followers get" } as const;
