import { AntsError, isAntsError } from "../../keys/errors.js";
import { RootCache, verifyBatch } from "../protocol/batch.js";
import { type ParsedEvent, parseEvent } from "../protocol/event.js";
import { DEFAULT_LIMITS } from "../protocol/limits.js";
import { readRelayFrame } from "../protocol/messages.js";
import { httpUrlOf } from "../protocol/relay-url.js";
import type { RelayConnection } from "./connection.js";
import { requestTimeout } from "./connection-errors.js";
import { withDeadline } from "./deadline.js";
import type { ClientPorts } from "./ports.js";

/** What is missing of one author: the events from `fromSeq` on that lead to the event `lastId` at `toSeq`. */
export interface MissingEvents {
  readonly did: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly lastId: string;
  /** Whether an event at this place may not be seen (without an id: any): then the path leads over it. */
  readonly isHidden: (seq: number, id?: string) => boolean;
}

/** A larger hole is not filled in passing: follow another relay for it. */
const MAX_FILLED_EVENTS = 10_000;
const FETCH_TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 2 * DEFAULT_LIMITS.maxFrameBytes;

/**
 * Reads the missing events from one relay: the page of the chain by HTTP, and where that doesn't give all of them (no
 * HTTP, or addressed events, which are for who authenticated) by a follow of the author. Gives those that lead to
 * `lastId` without a hole, oldest first, their ids and signatures verified, or nothing. A relay that fails has nothing.
 */
export async function fetchMissing(
  missing: MissingEvents,
  relay: RelayConnection,
  ports: ClientPorts,
  signal: AbortSignal,
): Promise<ParsedEvent[]> {
  if (missing.toSeq - missing.fromSeq >= MAX_FILLED_EVENTS) return [];
  const late = () => requestTimeout(relay.url, FETCH_TIMEOUT_MS);
  for (const read of [pages, follow]) {
    const found = new Map<string, ParsedEvent>();
    try {
      await withDeadline(ports.clock, FETCH_TIMEOUT_MS, signal, late, (signal) =>
        read(missing, relay, ports, signal, found),
      );
    } catch (error) {
      if (signal.aborted || !isAntsError(error)) throw error;
    }
    const path = pathTo(missing, found);
    if (path.length > 0) return path;
  }
  return [];
}

async function pages(
  { did, fromSeq, toSeq }: MissingEvents,
  relay: RelayConnection,
  ports: ClientPorts,
  signal: AbortSignal,
  found: Map<string, ParsedEvent>,
): Promise<void> {
  const base = httpUrlOf(relay.url);
  const roots = new RootCache();
  for (let seq = fromSeq; seq <= toSeq; ) {
    const url = `${base}/agents/${did}/entries?from=${seq}`;
    const answer = await ports.get(url, { maxBytes: MAX_ANSWER_BYTES, signal });
    if (answer.status !== 200) return;
    const { message, entries } = readRelayFrame(answer.body, { ...DEFAULT_LIMITS, maxFrameBytes: MAX_ANSWER_BYTES });
    if (message.t !== "entries") return;
    const events = keep({ did, fromSeq, toSeq }, entries, roots, found);
    const last = Math.max(
      ...events.map(({ event }) => event.seq),
      ...(message.withheld ?? []).map((withheld) => withheld.seq),
    );
    if (last < seq) return;
    seq = last + 1;
  }
}

async function follow(
  missing: MissingEvents,
  relay: RelayConnection,
  _ports: ClientPorts,
  signal: AbortSignal,
  found: Map<string, ParsedEvent>,
): Promise<void> {
  await relay.opened(signal);
  const roots = new RootCache();
  const filter = { dids: [missing.did], types: ["event"] as const };
  for await (const { entries } of relay.follow({ after: "start", live: false, filter, signal })) {
    keep(missing, entries, roots, found);
    if (pathTo(missing, found).length > 0) return;
  }
}

/** Verifies lines and keeps those in the range; returns all that verified. One that doesn't ends the reading. */
function keep(
  { did, fromSeq, toSeq }: Pick<MissingEvents, "did" | "fromSeq" | "toSeq">,
  lines: readonly Uint8Array[],
  roots: RootCache,
  found: Map<string, ParsedEvent>,
): readonly ParsedEvent[] {
  const events = lines.map((line) => parseEvent(line.slice()));
  const verified = verifyBatch(events, roots);
  for (const [i, event] of events.entries()) {
    const { seq } = event.event;
    if (!verified[i] || event.did !== did) throw new AntsError("relay-altered", "a fetched line does not verify");
    if (seq >= fromSeq && seq <= toSeq && found.size < 2 * MAX_FILLED_EVENTS) found.set(event.id, event);
  }
  return events;
}

/**
 * The found events that lead from `fromSeq` to `lastId`, oldest first; [] where one of them is missing. What comes
 * before a withheld event is not known by its id: the only event that was found at that place is taken.
 */
function pathTo(
  { fromSeq, lastId, toSeq, isHidden }: MissingEvents,
  found: ReadonlyMap<string, ParsedEvent>,
): ParsedEvent[] {
  const path: ParsedEvent[] = [];
  let id: string | undefined = lastId;
  const only = onlyOnes(found);
  for (let seq = toSeq; seq >= fromSeq; seq--) {
    const event: ParsedEvent | undefined = id === undefined ? only.get(seq) : found.get(id);
    if (event?.event.seq === seq) {
      path.push(event);
      id = event.event.prev;
    } else if (isHidden(seq, id)) id = undefined;
    else return [];
  }
  return path.reverse();
}

/** By seq, where one event was found there and no other. */
function onlyOnes(found: ReadonlyMap<string, ParsedEvent>): ReadonlyMap<number, ParsedEvent | undefined> {
  const only = new Map<number, ParsedEvent | undefined>();
  for (const parsed of found.values()) {
    const { seq } = parsed.event;
    only.set(seq, only.has(seq) ? undefined : parsed);
  }
  return only;
}
