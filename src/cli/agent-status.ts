import { isAntsError } from "../../keys/errors.js";
import { relaySetOf } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { lockHolder } from "../../keys/node/lock.js";
import { systemClock } from "../../keys/ports.js";
import { DraftQueue } from "../agent/draft-queue.js";
import type { AgentHome } from "../agent/home.js";
import type { ChainStore } from "../client/chain-store.js";
import { DeliveryBook, type LostLetter } from "../client/delivery-book.js";
import { Outbox } from "../client/outbox.js";
import { systemPorts } from "../client/ports.js";
import { type ChainHead, CLAIM_KIND, parseEvent } from "../protocol/event.js";
import { DEFAULT_LIMITS } from "../protocol/limits.js";
import { readRelayFrame } from "../protocol/messages.js";
import { readChain } from "./chain-reading.js";
import { agentHead, askRelay, httpAddress } from "./relay-info.js";

/** A turn of writing, as its claim says. */
export interface Turn {
  readonly epoch: number;
  /** 16 hex digits. */
  readonly instance?: string;
  readonly label?: string;
  /** When it was claimed, by the claimer's clock. */
  readonly sinceMs?: number;
}

/** What is known of a relay's copy of the chain, compared with the home's. */
export type RelayCopy = RelayAddress &
  (
    | {
        readonly state: "reached";
        readonly head?: ChainHead;
        /** Events of the home that it lacks; `oldestMs`: how old the first of them is, 0 where there is none. */
        readonly behind: { readonly events: number; readonly oldestMs: number };
        /** Events that the home lacks. */
        readonly ahead: number;
      }
    /** It answers, and its log is another one than the identity names: it counts for nothing. */
    | { readonly state: "other-stream"; readonly now: string }
    | { readonly state: "unreachable"; readonly why: string }
  );

export interface AgentStatus {
  /** `here`: a process is at work in this home. `elsewhere`: a relay has events of a later turn than this home. */
  readonly pen:
    | { readonly at: "here"; readonly holder: string; readonly turn?: Turn }
    | { readonly at: "elsewhere"; readonly relay: string; readonly turn: Turn }
    | { readonly at: "nowhere"; readonly turn?: Turn };
  readonly head?: ChainHead & { readonly timeMs: number };
  readonly relays: readonly RelayCopy[];
  /** How many of the relays hold every event of the home, and how many a quorum is. */
  readonly complete: number;
  readonly quorum: number;
  /** What the home lacks, by the relay that has most of it. */
  readonly missing?: { readonly relay: string; readonly events: number; readonly spanMs?: number };
  /**
   * What waits here: events that no answer of the relay confirmed, now or in an earlier run, and messages that not all
   * their recipients' relays have.
   */
  readonly queued: {
    readonly events: readonly { readonly url: string; readonly events: number }[];
    readonly messages: number;
    /** Messages that were given up, since their key was rotated away; absent where there is none. */
    readonly lost?: readonly LostLetter[];
    /** Written while no quorum was there (`ants publish --queue`), and not signed yet. */
    readonly drafts: number;
    /** Files that were such events and cannot be read any more. */
    readonly damaged: readonly string[];
  };
}

export interface StatusOptions {
  /** For each relay. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Where an agent stands, from its home and from each of its relays. Needs no key; changes nothing. */
export async function agentStatus(home: AgentHome, options: StatusOptions): Promise<AgentStatus> {
  const { chain } = await readChain(home);
  try {
    const newest = home.identity.newest;
    const set = newest === undefined ? undefined : relaySetOf(newest);
    const head = chain.head;
    const headTimeMs = head === undefined ? undefined : await timeAt(chain, head.seq);
    const relays = await Promise.all((set?.relays ?? []).map((relay) => copyAt(home, chain, relay, options)));
    const far = relays.reduce<Ahead | undefined>((most, relay) => {
      if (relay.state !== "reached" || relay.head === undefined || relay.ahead === 0) return most;
      return most !== undefined && most.events >= relay.ahead
        ? most
        : { relay: relay.url, events: relay.ahead, head: relay.head };
    }, undefined);
    const beyond = far === undefined ? undefined : await readBeyond(home, head?.seq ?? -1, far, options);
    const spanMs =
      beyond?.newestMs === undefined || headTimeMs === undefined ? undefined : beyond.newestMs - headTimeMs;
    return {
      pen: await penOf(home, chain, far, beyond?.turn),
      ...(head === undefined || headTimeMs === undefined
        ? {}
        : { head: { epoch: head.epoch, seq: head.seq, id: head.id, timeMs: headTimeMs } }),
      relays,
      complete: relays.filter((relay) => relay.state === "reached" && relay.behind.events === 0).length,
      quorum: set?.quorum ?? 0,
      ...(far === undefined
        ? {}
        : { missing: { relay: far.relay, events: far.events, ...(spanMs === undefined ? {} : { spanMs }) } }),
      queued: await queuedIn(home, chain, relays),
    };
  } finally {
    await chain.close();
  }
}

interface Ahead {
  readonly relay: string;
  readonly events: number;
  readonly head: ChainHead;
}

async function copyAt(
  home: AgentHome,
  chain: ChainStore,
  relay: RelayAddress,
  { timeoutMs, signal }: StatusOptions,
): Promise<RelayCopy> {
  try {
    const { stream } = await askRelay(relay.url, { signal, timeoutMs });
    if (stream !== relay.stream) return { ...relay, state: "other-stream", now: stream };
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const head = await agentHead(relay.url, home.config.did, within);
    const { behind, ahead } = difference(chain, head);
    const firstMissing = behind > 0 ? await timeAt(chain, chain.head!.seq - behind + 1) : undefined;
    return {
      ...relay,
      state: "reached",
      ...(head === undefined ? {} : { head }),
      behind: {
        events: behind,
        oldestMs: firstMissing === undefined ? 0 : Math.max(0, systemClock.nowMs() - firstMissing),
      },
      ahead,
    };
  } catch (error) {
    signal.throwIfAborted();
    const why = isAntsError(error) ? error.message.replace(`${relay.url}: `, "") : "no answer in time";
    return { ...relay, state: "unreachable", why };
  }
}

/**
 * How many events of the home's chain a relay lacks, or it has and the home lacks. The later epoch has the chain, however
 * long the other one's is: what that has beyond lost its place. Where the two part is not always known here: it is one
 * event then at least.
 */
export function difference(
  { head, tree }: Pick<ChainStore, "head" | "tree">,
  theirs: ChainHead | undefined,
): { readonly behind: number; readonly ahead: number } {
  if (theirs === undefined) return { behind: (head?.seq ?? -1) + 1, ahead: 0 };
  if (head === undefined) return { behind: 0, ahead: theirs.seq + 1 };
  const isLater = theirs.epoch === head.epoch ? theirs.seq > head.seq : theirs.epoch > head.epoch;
  if (isLater) return { behind: 0, ahead: Math.max(1, theirs.seq - head.seq) };
  let common = tree.find(theirs.id, theirs.seq);
  while (common !== undefined && !common.onChain) common = tree.before(common);
  return { behind: head.seq - (common?.seq ?? Math.min(theirs.seq, head.seq) - 1), ahead: 0 };
}

/** The author's time of the event at `seq` of the home's chain. */
async function timeAt(chain: ChainStore, seq: number): Promise<number> {
  return parseEvent(await chain.line(chain.tree.chainAt(seq)!)).event.time;
}

/** The first page of what a relay has beyond the home's chain: who writes there, and until when. A relay's word only. */
async function readBeyond(
  { config }: AgentHome,
  seq: number,
  { relay, head }: Ahead,
  { timeoutMs, signal }: StatusOptions,
): Promise<{ readonly turn: Turn; readonly newestMs?: number }> {
  let turn: Turn = { epoch: head.epoch };
  let newestMs: number | undefined;
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const maxBytes = 2 * DEFAULT_LIMITS.maxFrameBytes;
    const from = Math.min(seq + 1, head.seq);
    const address = httpAddress(relay, `/agents/${config.did}/entries?from=${from}`);
    const { status, body } = await systemPorts.get(address, { maxBytes, signal: within });
    const { entries } = readRelayFrame(body, { ...DEFAULT_LIMITS, maxFrameBytes: maxBytes });
    for (const line of status === 200 ? entries : []) {
      const { event } = parseEvent(line);
      if (event.did !== config.did) continue;
      newestMs = Math.max(newestMs ?? 0, event.time);
      if (event.kind !== CLAIM_KIND || event.body === undefined || event.epoch !== head.epoch) continue;
      const { instance, label } = event.body as { instance: string; label: string };
      turn = { epoch: event.epoch, instance, label, sinceMs: event.time };
    }
  } catch (error) {
    // That the relay is ahead is known; by whom it only tells those that it answers.
    signal.throwIfAborted();
    if (!isAntsError(error) && !(error instanceof DOMException)) throw error;
  }
  return { turn, ...(newestMs === undefined ? {} : { newestMs }) };
}

async function penOf(
  home: AgentHome,
  chain: ChainStore,
  ahead: Ahead | undefined,
  beyond: Turn | undefined,
): Promise<AgentStatus["pen"]> {
  const own = await ownTurn(chain);
  const holder = await lockHolder(home.layout.lock);
  if (holder !== undefined) return { at: "here", holder: holder.message, ...(own === undefined ? {} : { turn: own }) };
  if (ahead !== undefined && beyond !== undefined && ahead.head.epoch > (own?.epoch ?? 0))
    return { at: "elsewhere", relay: ahead.relay, turn: beyond };
  return { at: "nowhere", ...(own === undefined ? {} : { turn: own }) };
}

/** The newest claim on the home's chain. */
async function ownTurn(chain: ChainStore): Promise<Turn | undefined> {
  for (let seq = chain.head?.seq ?? -1; seq >= 0; seq--) {
    const node = chain.tree.chainAt(seq)!;
    if (!node.claim) continue;
    const { event } = parseEvent(await chain.line(node));
    const { instance, label } = (event.body ?? {}) as { instance?: string; label?: string };
    return {
      epoch: event.epoch,
      sinceMs: event.time,
      ...(instance === undefined ? {} : { instance }),
      ...(label === undefined ? {} : { label }),
    };
  }
  return undefined;
}

async function queuedIn(
  home: AgentHome,
  chain: ChainStore,
  relays: readonly RelayCopy[],
): Promise<AgentStatus["queued"]> {
  const outbox = await Outbox.open(nodeDisk, home.layout.outbox, systemClock);
  await outbox.close();
  const own = chain.head?.seq ?? -1;
  const events = relays.flatMap((relay) => {
    const { url, stream } = relay;
    const unconfirmed = own - (outbox.mark(stream)?.acknowledged?.seq ?? -1);
    // A home that was restored, or that its agent left, remembers fewer answers than were given: the relay knows better.
    const waiting = relay.state === "reached" ? Math.min(unconfirmed, relay.behind.events) : unconfirmed;
    return waiting > 0 ? [{ url, events: waiting }] : [];
  });
  const book = await DeliveryBook.open(nodeDisk, home.layout.deliveries, systemClock);
  await book.close();
  const queue = new DraftQueue(nodeDisk, home.layout.drafts);
  const [drafts, damaged] = [await queue.size(), await queue.damaged()];
  const { open, lost } = book.notes;
  return { events, messages: open.length, ...(lost === undefined ? {} : { lost }), drafts, damaged };
}
