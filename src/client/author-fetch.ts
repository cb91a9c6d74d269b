import { AntsError, isAntsError } from "../../keys/errors.js";
import { RootCache, verifyBatch } from "../protocol/batch.js";
import { type ParsedEvent, parseEvent } from "../protocol/event.js";
import { DEFAULT_LIMITS } from "../protocol/limits.js";
import { readRelayFrame } from "../protocol/messages.js";
import { httpUrlOf } from "../protocol/relay-url.js";
import type { RelayConnection } from "./connection.js";
import { LinkedAbort } from "./deadline.js";
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
/** For all relays of one kind together: whoever reads the author waits for them, once for its own and once for guests. */
const FETCH_TIMEOUT_MS = 7_500;
const MAX_ANSWER_BYTES = 2 * DEFAULT_LIMITS.maxFrameBytes;

/** Missing events, and the relay that had all of them. */
export interface FoundEvents {
  readonly relay: RelayConnection;
  readonly path: readonly ParsedEvent[];
}

/**
 * Asks relays for missing events, all at once, and takes the first whole answer; undefined where none comes in time.
 * Rejects with the signal's reason.
 */
export async function fetchFromFirst(
  missing: MissingEvents,
  relays: readonly RelayConnection[],
  ports: ClientPorts,
  signal: AbortSignal,
): Promise<FoundEvents | undefined> {
  if (relays.length === 0 || missing.toSeq - missing.fromSeq >= MAX_FILLED_EVENTS) return undefined;
  const abort = new LinkedAbort(signal);
  const timer = new AbortController();
  ports.clock.sleep(FETCH_TIMEOUT_MS, timer.signal).then(
    () => abort.abort(new AntsError("request-timeout", "no relay had the missing events in time")),
    () => {},
  );
  let found: FoundEvents | undefined;
  const ask = async (relay: RelayConnection): Promise<void> => {
    const path = await fetchMissing(missing, relay, ports, abort.signal);
    if (path.length === 0 || found !== undefined) return;
    found = { relay, path };
    abort.abort(new AntsError("closed", "another relay had the missing events"));
  };
  try {
    await Promise.all(relays.map(ask));
  } finally {
    timer.abort();
    abort.abort();
  }
  signal.throwIfAborted();
  return found;
}

/**
 * Reads the missing events from one relay: the page of the chain by HTTP, and at the same time (no HTTP, or addressed
 * events, which are for who authenticated) by a follow of the author. Gives those that lead to `lastId` without a hole,
 * oldest first, their ids and signatures verified, or nothing. A relay that fails has nothing.
 */
async function fetchMissing(
  missing: MissingEvents,
  relay: RelayConnection,
  ports: ClientPorts,
  signal: AbortSignal,
): Promise<ParsedEvent[]> {
  const done = new LinkedAbort(signal);
  let path: ParsedEvent[] = [];
  const by = async (read: typeof pages): Promise<void> => {
    const found = new Map<string, ParsedEvent>();
    try {
      // Whether this address may be dialled was found out with the connection: nothing else is asked before.
      await relay.opened(done.signal);
      await read(missing, relay, ports, done.signal, found);
    } catch (error) {
      if (!done.signal.aborted && !isAntsError(error)) throw error;
    }
    const whole = pathTo(missing, found);
    if (whole.length === 0 || path.length > 0) return;
    path = whole;
    done.abort();
  };
  await Promise.all([by(pages), by(follow)]);
  done.dispose();
  return path;
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
