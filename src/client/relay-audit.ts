import { AntsError, isAntsError } from "../../keys/errors.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { RootCache, verifyEventSignature } from "../protocol/batch.js";
import { parseEntry } from "../protocol/entry.js";
import type { ChainHead, ParsedEvent } from "../protocol/event.js";
import { DEFAULT_LIMITS } from "../protocol/limits.js";
import { readRelayFrame } from "../protocol/messages.js";
import { httpUrlOf } from "../protocol/relay-url.js";
import { RelayConnection } from "./connection.js";
import { connectionLost } from "./connection-errors.js";
import { LinkedAbort, withDeadline } from "./deadline.js";
import { headNamedBy } from "./later-turn.js";
import type { ClientPorts } from "./ports.js";

/** An event of the author's chain, as the author has it. */
export interface OwnEvent {
  readonly epoch: number;
  readonly seq: number;
  readonly id: string;
  /** It is for its recipients only: to others a relay just says that it is there. */
  readonly isAddressed: boolean;
}

export interface RelayAuditOptions {
  readonly did: string;
  readonly relay: RelayAddress;
  /** The author's own chain from some seq on, in order and without holes. */
  readonly events: readonly OwnEvent[];
  /** Whether a key (Multikey) is or was the author's. */
  readonly isAuthorKey: (key: string) => boolean;
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
  /** Events up to this seq had to be there: acknowledged, or part of the chain that the relay names. -1: none. */
  readonly owedSeq: number;
  /**
   * Seq of the first event that somebody with the author's key signed in a later epoch than any of the own events: from
   * there on the chain is that one's, and own events that are not on it are owed by nobody.
   */
  readonly goneOnAt?: number;
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
 * Throws `relay-unreachable`, `connection-lost`, `relay-protocol` (an answer that is none), what the relay refused with, or the signal's reason.
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
      const named = await headNamedBy(relay.url, did, ports.get, over.signal);
      const namedSeq = named.head?.seq ?? -1;
      const first = events[0]?.seq ?? 0;
      const inChain =
        events.length === 0 ? nothingShown() : await shownByChain(relay.url, did, first, ports, over.signal);
      const goneOnAt = laterClaim(inChain.events, options);
      const owedSeq = Math.min(Math.max(acknowledged?.seq ?? -1, namedSeq), (goneOnAt ?? Infinity) - 1);
      const owed = events.filter(({ seq }) => seq <= owedSeq);
      const withheld: Withheld[] = [];
      if (acknowledged !== undefined && namedSeq < Math.min(acknowledged.seq, owedSeq)) {
        withheld.push({ from: "head", events: owed.filter(({ seq }) => seq > namedSeq) });
      }
      if (owed.length > 0) {
        const lacking = ({ served, withheld }: Shown) =>
          owed.filter(({ id, isAddressed }) => !served.has(id) && !(isAddressed && withheld.has(id)));
        for (const [from, shown] of [
          ["chain", inChain],
          ["follow", await shownByFollow(connection, did, over.signal)],
        ] as const) {
          const missing = lacking(shown);
          if (missing.length > 0) withheld.push({ from, events: missing });
        }
      }
      return { ...named, owedSeq, ...(goneOnAt === undefined ? {} : { goneOnAt }), withheld, checkpoint };
    } finally {
      over.abort();
      await connection.close();
    }
  });
}

/** Ids of events that a way of reading shows, and of those of which it only says that they are there for others. */
interface Shown {
  readonly served: Set<string>;
  readonly withheld: Set<string>;
  /** Of a page of the chain only: as they came, their signatures not looked at. */
  readonly events: ParsedEvent[];
}

function nothingShown(): Shown {
  return { served: new Set(), withheld: new Set(), events: [] };
}

/** Seq of the first event that the author's key really signed in an epoch after the last own event. */
function laterClaim(shown: readonly ParsedEvent[], { events, isAuthorKey }: RelayAuditOptions): number | undefined {
  const last = events.at(-1);
  if (last === undefined) return undefined;
  const roots = new RootCache();
  return shown.find(
    (parsed) => parsed.event.epoch > last.epoch && isAuthorKey(parsed.event.key) && verifyEventSignature(parsed, roots),
  )?.event.seq;
}

/** What the relay's page of the chain shows. */
async function shownByChain(
  url: string,
  did: string,
  fromSeq: number,
  ports: ClientPorts,
  signal: AbortSignal,
): Promise<Shown> {
  const shown = nothingShown();
  for (let from = fromSeq; ; ) {
    const address = `${httpUrlOf(url)}/agents/${did}/entries?from=${from}`;
    const { status, body } = await ports.get(address, { maxBytes: MAX_ANSWER_BYTES, signal });
    if (status !== 200) return shown;
    const { message, entries } = pageIn(url, body);
    if (message.t !== "entries") return shown;
    const before = from;
    for (const line of entries) {
      const event = noteEvent(line, shown.served);
      if (event !== undefined) shown.events.push(event);
      const seq = event?.event.seq;
      if (seq !== undefined) from = Math.max(from, seq + 1);
    }
    for (const { id, seq } of message.withheld ?? []) {
      shown.withheld.add(id);
      from = Math.max(from, seq + 1);
    }
    if (from === before) return shown;
  }
}

function pageIn(url: string, body: Uint8Array): ReturnType<typeof readRelayFrame> {
  try {
    return readRelayFrame(body, { ...DEFAULT_LIMITS, maxFrameBytes: MAX_ANSWER_BYTES });
  } catch (cause) {
    throw notRead(url, "its page of a chain", cause);
  }
}

/** What a follower of the author is given, or told of. */
async function shownByFollow(connection: RelayConnection, did: string, signal: AbortSignal): Promise<Shown> {
  const shown = nothingShown();
  const filter = { dids: [did], types: ["event"] as const };
  for await (const { message, entries } of connection.follow({ after: "start", live: false, filter, signal })) {
    for (const line of entries) noteEvent(line, shown.served);
    if (message.t === "entries") for (const { id } of message.withheld ?? []) shown.withheld.add(id);
  }
  return shown;
}

function notRead(url: string, what: string, cause: unknown): AntsError {
  return new AntsError("relay-protocol", `${url}: ${what} cannot be read`, { cause, details: { url } });
}

/** A line that is no entry serves nobody: it counts as not served. */
function noteEvent(line: Uint8Array, ids: Set<string>): ParsedEvent | undefined {
  try {
    const entry = parseEntry(line.slice());
    if (entry.type !== "event") return undefined;
    ids.add(entry.id);
    return entry;
  } catch (error) {
    if (isAntsError(error)) return undefined;
    throw error;
  }
}
