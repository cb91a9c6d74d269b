import { isAntsError } from "../../keys/errors.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { parseEntry } from "../protocol/entry.js";
import type { ChainHead } from "../protocol/event.js";
import { DEFAULT_LIMITS } from "../protocol/limits.js";
import { readRelayFrame } from "../protocol/messages.js";
import { httpUrlOf } from "../protocol/relay-url.js";
import { RelayConnection } from "./connection.js";
import { connectionLost } from "./connection-errors.js";
import { LinkedAbort, withDeadline } from "./deadline.js";
import type { ClientPorts } from "./ports.js";

/** An event of the author's chain, as the author has it. */
export interface OwnEvent {
  readonly seq: number;
  readonly id: string;
}

export interface RelayAuditOptions {
  readonly did: string;
  readonly relay: RelayAddress;
  /** The author's own chain from some seq on, in order and without holes. */
  readonly events: readonly OwnEvent[];
  /** The last event that this relay acknowledged to its author, where one is known. */
  readonly acknowledged?: ChainHead;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** What a relay that acknowledged events does not serve, and by which way of reading. */
export interface Withheld {
  /** `head`: it names an earlier end of the chain. `chain`: its page of the chain lacks them. `follow`: followers don't get them. */
  readonly from: "head" | "chain" | "follow";
  readonly events: readonly OwnEvent[];
}

/** What an unauthenticated reader finds at a relay. */
export interface RelayAudit {
  /** The end of the chain that it names. */
  readonly head?: ChainHead;
  /** Hash of the newest identity operation that it names. */
  readonly identity?: string;
  /** Events up to this seq had to be there: acknowledged, or named as the relay's own head. -1: none. */
  readonly owedSeq: number;
  readonly withheld: readonly Withheld[];
  /** Its signed tree head at that time: with it, whoever has the acknowledgement can hold the relay to account. */
  readonly checkpoint: string;
}

const MAX_ANSWER_BYTES = 2 * DEFAULT_LIMITS.maxFrameBytes;

/**
 * Reads an author's chain back from a relay as anybody would, who did not authenticate: the head that it names, its page
 * of the chain, and what it gives a follower; and compares that with the author's own chain. A relay that acknowledges one
 * agent's events and does not serve them is found by this, however well it treats all others.
 *
 * Throws `relay-unreachable`, `connection-lost`, `request-timeout`, what the relay refused with, or the signal's reason.
 */
export async function auditRelay(options: RelayAuditOptions, ports: ClientPorts): Promise<RelayAudit> {
  const { did, relay, events, acknowledged, timeoutMs, signal } = options;
  const late = () => connectionLost(relay.url, { code: 1006, reason: "no answer in time" });
  return withDeadline(ports.clock, timeoutMs, signal, late, async (signal) => {
    // A connection of its own: nobody is authenticated on it.
    const connection = new RelayConnection(relay.url, ports);
    const over = new LinkedAbort(signal);
    try {
      await connection.opened(over.signal);
      const { status } = connection;
      const checkpoint = status.state === "open" ? status.head.checkpoint : "";
      const named = await namedBy(relay.url, did, ports, over.signal);
      const owedSeq = Math.max(acknowledged?.seq ?? -1, named.head?.seq ?? -1);
      const owed = events.filter(({ seq }) => seq <= owedSeq);
      const withheld: Withheld[] = [];
      if (acknowledged !== undefined && (named.head?.seq ?? -1) < acknowledged.seq) {
        withheld.push({ from: "head", events: owed.filter(({ seq }) => seq > (named.head?.seq ?? -1)) });
      }
      const [first] = owed;
      if (first !== undefined) {
        const [inChain, inFollow] = await Promise.all([
          idsOfChain(relay.url, did, first.seq, ports, over.signal),
          idsOfFollow(connection, did, over.signal),
        ]);
        const lacking = (ids: ReadonlySet<string>) => owed.filter(({ id }) => !ids.has(id));
        for (const [from, ids] of [
          ["chain", inChain],
          ["follow", inFollow],
        ] as const) {
          const missing = lacking(ids);
          if (missing.length > 0) withheld.push({ from, events: missing });
        }
      }
      return { ...named, owedSeq, withheld, checkpoint };
    } finally {
      over.abort();
      await connection.close();
    }
  });
}

interface Named {
  readonly head?: ChainHead;
  readonly identity?: string;
}

async function namedBy(url: string, did: string, ports: ClientPorts, signal: AbortSignal): Promise<Named> {
  const { status, body } = await ports.get(`${httpUrlOf(url)}/agents/${did}/head`, { maxBytes: 65_536, signal });
  if (status !== 200) return {};
  const { head, identity } = JSON.parse(new TextDecoder().decode(body)) as Named;
  return { ...(head === undefined ? {} : { head }), ...(identity === undefined ? {} : { identity }) };
}

/** Ids that the relay's page of the chain shows, or says that they are there for others. */
async function idsOfChain(
  url: string,
  did: string,
  fromSeq: number,
  ports: ClientPorts,
  signal: AbortSignal,
): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let from = fromSeq; ; ) {
    const address = `${httpUrlOf(url)}/agents/${did}/entries?from=${from}`;
    const { status, body } = await ports.get(address, { maxBytes: MAX_ANSWER_BYTES, signal });
    if (status !== 200) return ids;
    const { message, entries } = readRelayFrame(body, { ...DEFAULT_LIMITS, maxFrameBytes: MAX_ANSWER_BYTES });
    if (message.t !== "entries") return ids;
    const before = from;
    for (const line of entries) {
      const seq = noteEvent(line, ids);
      if (seq !== undefined) from = Math.max(from, seq + 1);
    }
    for (const { id, seq } of message.withheld ?? []) {
      ids.add(id);
      from = Math.max(from, seq + 1);
    }
    if (from === before) return ids;
  }
}

/** Ids that a follower of the author is given, or told of. */
async function idsOfFollow(connection: RelayConnection, did: string, signal: AbortSignal): Promise<Set<string>> {
  const ids = new Set<string>();
  const filter = { dids: [did], types: ["event"] as const };
  for await (const { message, entries } of connection.follow({ after: "start", live: false, filter, signal })) {
    for (const line of entries) noteEvent(line, ids);
    if (message.t === "entries") for (const { id } of message.withheld ?? []) ids.add(id);
  }
  return ids;
}

/** A line that is no entry serves nobody: it counts as not served. */
function noteEvent(line: Uint8Array, ids: Set<string>): number | undefined {
  try {
    const entry = parseEntry(line.slice());
    if (entry.type !== "event") return undefined;
    ids.add(entry.id);
    return entry.event.seq;
  } catch (error) {
    if (isAntsError(error)) return undefined;
    throw error;
  }
}
