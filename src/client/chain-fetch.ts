import { AntsError, isAntsError } from "../../keys/errors.js";
import { RootCache, verifyBatch } from "../protocol/batch.js";
import { type ChainHead, type ParsedEvent, parseEvent } from "../protocol/event.js";
import type { ChainStore } from "./chain-store.js";
import type { RelayConnection } from "./connection.js";
import { relayProtocol } from "./connection-errors.js";
import type { Outbox } from "./outbox.js";

export interface ChainFetch {
  readonly connection: RelayConnection;
  readonly chain: ChainStore;
  readonly outbox: Outbox;
  /** The event that the relay said it has, which ends the reading. */
  readonly wanted: ChainHead;
  readonly signal?: AbortSignal;
}

/**
 * Reads an agent's own events from a relay into its chain until `wanted` is there. Every line is verified: form, id,
 * signature, and by the chain rule its key and its place. A relay that does not have the anchor of a rotate yet may
 * name an event that is void here: it is delivered, and left out.
 * Throws `relay-omitted` where the relay does not deliver what it said it has, `relay-altered` for a line that does not
 * verify, `connection-lost`, or the signal's reason.
 */
export async function fetchChain(fetch: ChainFetch): Promise<void> {
  const { connection, chain, outbox, wanted } = fetch;
  let isVoid = false;
  const has = () => isVoid || chain.tree.find(wanted.id, wanted.seq) !== undefined;
  const refused = (event: ParsedEvent, code: string) => {
    if (event.id === wanted.id && code === "key-not-live") isVoid = true;
  };
  const stream = connection.relay?.stream;
  const readTo = stream === undefined ? undefined : outbox.mark(stream)?.readTo;
  if (readTo !== undefined) {
    try {
      await readEvents({ ...fetch, refused }, readTo);
    } catch (error) {
      // The relay's log is another than it was, or shorter: read all of it.
      if (!isAntsError(error) || !error.code.startsWith("cursor-")) throw error;
    }
  }
  if (!has()) await readEvents({ ...fetch, refused }, "start");
  if (has()) return;
  throw new AntsError("relay-omitted", `${connection.url} names ${wanted.id} as its head and does not deliver it`, {
    details: { url: connection.url, head: wanted },
  });
}

/**
 * Reads every event of the agent that a relay gives into its chain. A relay that omits some leaves gaps, which another
 * one fills. Throws `relay-altered`, `relay-protocol`, `connection-lost`, `too-large` after `maxBytes` of lines, or the
 * signal's reason; what was read before is kept.
 */
export function fetchOwnEvents(
  fetch: Pick<ChainFetch, "connection" | "chain" | "signal">,
  maxBytes = Number.POSITIVE_INFINITY,
): Promise<void> {
  return readEvents(fetch, "start", maxBytes);
}

interface Reading {
  readonly outbox: Outbox;
  /** Told of every event that the chain rule left out. */
  readonly refused: (event: ParsedEvent, code: string) => void;
}

async function readEvents(
  { connection, chain, outbox, signal, refused }: Omit<ChainFetch, "wanted" | "outbox"> & Partial<Reading>,
  after: string,
  maxBytes = Number.POSITIVE_INFINITY,
): Promise<void> {
  let bytes = 0;
  const roots = new RootCache();
  const stream = connection.relay?.stream;
  const follow = connection.follow({
    after,
    live: false,
    filter: { dids: [chain.did], types: ["event"] },
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const { message, entries } of follow) {
    for (const line of entries) bytes += line.length;
    if (bytes > maxBytes) {
      const { url } = connection;
      throw new AntsError("too-large", `${url} has more than ${maxBytes} bytes of events`, {
        details: { url, maxBytes },
      });
    }
    if (message.t === "entries") {
      const events = newEvents(connection.url, chain, entries, roots);
      for (const [i, verdict] of (await chain.adopt(events)).entries()) {
        if (verdict.kind === "refuse") refused?.(events[i]!, verdict.code);
      }
    }
    // With every frame: a long chain on a slow line takes more than one round of asking, and the next one goes on there.
    if (message.t !== "head" && stream !== undefined) {
      outbox?.note({ url: connection.url, stream }, { readTo: message.cursor });
    }
  }
}

/** The events of some lines that the chain lacks. Throws when one of them does not verify. */
function newEvents(
  url: string,
  chain: ChainStore,
  lines: readonly Uint8Array[],
  roots: RootCache,
): readonly ParsedEvent[] {
  const events: ParsedEvent[] = [];
  for (const line of lines) {
    const event = parsed(url, line);
    if (event.did !== chain.did) throw relayProtocol(url, `sent an event of ${event.did}, which was not asked for`);
    if (chain.tree.find(event.id, event.event.seq) === undefined) events.push(event);
  }
  const bad = verifyBatch(events, roots).indexOf(false);
  if (bad >= 0) throw altered(url, `the signature of event ${events[bad]!.id} does not verify`);
  return events;
}

function parsed(url: string, line: Uint8Array): ParsedEvent {
  try {
    return parseEvent(line);
  } catch (error) {
    if (isAntsError(error)) throw altered(url, error.message, error);
    throw error;
  }
}

function altered(url: string, reason: string, cause?: AntsError): AntsError {
  return new AntsError("relay-altered", `${url} served a line that does not verify: ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { url, reason },
  });
}
